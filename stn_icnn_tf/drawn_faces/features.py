"""The features of a drawn face, in face units (eye distance 1)."""

import numpy as np

from stn_icnn_tf.drawn_faces.canvas import Canvas, curve, ellipse, sided
from stn_icnn_tf.drawn_faces.look import Look


def eye_outline(rng: np.random.Generator, look: Look, side: int) -> tuple[list, list]:
    """Returns the upper lid from nose to temple, and the lower lid back."""
    cx, half, tall = side * 0.5, look.eye_width / 2, look.eye_open / 2
    lift = rng.uniform(-0.01, 0.04)
    upper = [
        (cx - side * half, 0.02),
        (cx - side * half * 0.45, -tall * 0.95),
        (cx + side * half * 0.3, -tall * 1.1),
        (cx + side * half, -lift),
    ]
    lower = [
        (cx + side * half * 0.4, tall * 0.8),
        (cx - side * half * 0.4, tall * 0.9),
    ]
    return upper, lower


def draw_eye(canvas: Canvas, rng: np.random.Generator, look: Look, side: int) -> None:
    """An eye: socket, white, iris, pupil, glint, lashes and crease of the lid."""
    cx, half = side * 0.5, look.eye_width / 2
    upper, lower = eye_outline(rng, look, side)
    outline = curve(upper + lower)
    socket = ellipse(cx, -0.05, half * 1.4, 0.16)
    canvas.paint(socket, look.skin * 0.66, rng.uniform(0.1, 0.6), blur=0.08)
    bag = curve([(x, y + 0.09) for x, y in [upper[-1], *lower, upper[0]]])
    canvas.paint(bag, look.skin * 0.72, 0.15 + 0.5 * look.age, blur=0.04)
    white = np.array([225, 217, 210]) * rng.uniform(0.7, 1.0)
    canvas.paint(outline, white, blur=0.01)
    inside = canvas.stencil(outline)
    gaze_x, gaze_y = rng.normal(0, 0.035), rng.normal(-0.01, 0.015)
    radius = rng.uniform(0.085, 0.105)
    for scale, color in (
        (1, look.iris * 0.5),
        (0.85, look.iris),
        (0.45, look.iris * 0),
    ):
        iris = ellipse(cx + gaze_x, gaze_y, radius * scale, radius * scale, 20)
        canvas.paint(iris, color, within=inside)
    # The upper lid throws its shadow on the ball.
    lid = [*upper, *[(x, y + 0.05) for x, y in upper[::-1]]]
    canvas.paint(curve(lid), (30, 20, 18), 0.5, blur=0.02, within=inside)
    glint = ellipse(
        cx + gaze_x + rng.uniform(-0.04, 0.04), gaze_y - 0.03, 0.02, 0.02, 10
    )
    canvas.paint(glint, (250, 250, 250), rng.uniform(0.2, 1.0), within=inside)
    lashes = look.skin * 0.12 + look.hair * 0.15
    canvas.line(curve(upper, False), lashes, rng.uniform(0.015, 0.05))
    rim = curve([upper[-1], *lower, upper[0]], False)
    canvas.line(rim, look.skin * rng.uniform(0.35, 0.65), rng.uniform(0.008, 0.02))
    rise = rng.uniform(0.04, 0.08)
    crease = curve([(x, y - rise) for x, y in upper], False)
    canvas.line(crease, look.skin * rng.uniform(0.5, 0.7), 0.015)
    canvas.label(outline, sided("eye", side))


def draw_brow(canvas: Canvas, rng: np.random.Generator, look: Look, side: int) -> None:
    """A brow: thick towards the nose, arched, made of hairs."""
    y, thick, tilt = -look.brow_height, look.brow_thickness, look.brow_tilt
    arch, drop = rng.uniform(0.05, 0.12), rng.uniform(0.0, 0.1)
    inner, outer = rng.uniform(0.18, 0.28), rng.uniform(0.84, 1.0)
    # Down the middle: distance from the nose, height, thickness.
    spine = np.array(
        [
            (inner, y - tilt, 0.75),
            (inner + 0.18, y - arch * 0.5 - tilt * 0.6, 1.0),
            (inner + 0.4, y - arch, 0.9),
            (outer - 0.12, y - arch * 0.75 + tilt * 0.6, 0.6),
            (outer, y + drop + tilt, 0.12),
        ]
    )
    half = spine[:, 2:] * [[0, thick / 2]]
    rim = np.concatenate([spine[:, :2] - half, (spine[:, :2] + half)[::-1]])
    outline = curve(rim * [[side, 1]])
    opacity = rng.uniform(0.5, 0.95)
    canvas.paint(outline, look.brow_color, opacity, blur=0.03)
    core = np.concatenate(
        [spine[:, :2] - half * 0.4, (spine[:, :2] + half * 0.4)[::-1]]
    )
    canvas.paint(curve(core * [[side, 1]]), look.brow_color * 0.8, opacity, blur=0.03)
    middle = curve(spine[:, :2], False)
    for _ in range(12):
        x, top = middle[rng.integers(1, len(middle) - 12)]
        top = top + rng.uniform(-0.3, 0.3) * thick
        hair = np.array([(x, top + thick * 0.25), (x + 0.07, top - thick * 0.1)])
        shade = look.brow_color * rng.uniform(0.5, 1.1)
        canvas.line(hair * [[side, 1]], shade, 0.012)
    canvas.label(outline, sided("brow", side))


def draw_nose(canvas: Canvas, rng: np.random.Generator, look: Look) -> None:
    """A nose: no outline, only light and shadow, and the nostrils."""
    bottom, half = look.nose_length, look.nose_width / 2
    right = [
        (0.13, -0.08),
        (0.15, bottom * 0.25),
        (0.18, bottom * 0.5),
        (half * 0.84, bottom * 0.76),
        (half, bottom * 0.93),
        (half * 0.72, bottom + 0.03),
    ]
    left = [(-x, y) for x, y in right[::-1]]
    outline = curve([*right, (0, bottom + 0.07), *left])
    shaded = 1 if rng.random() < 0.5 else -1
    flank = curve(
        [
            (shaded * 0.09, -0.1),
            (shaded * 0.2, bottom * 0.5),
            (shaded * half * 1.1, bottom * 0.95),
            (shaded * 0.1, bottom),
        ]
    )
    canvas.paint(flank, look.skin * 0.72, rng.uniform(0.0, 0.6), blur=0.07)
    bridge = [(-0.05, -0.1), (0.05, -0.1), (0.07, bottom * 0.8), (-0.07, bottom * 0.8)]
    canvas.paint(curve(bridge), look.skin * 1.12, rng.uniform(0.0, 0.6), blur=0.06)
    tip = ellipse(0, bottom * 0.84, 0.09, 0.07)
    canvas.paint(tip, look.skin * 1.2, rng.uniform(0.1, 0.6), blur=0.06)
    under = ellipse(0, bottom + 0.1, half * 0.9, 0.06)
    canvas.paint(under, look.skin * 0.65, rng.uniform(0.2, 0.7), blur=0.06)
    for side in (-1, 1):
        wing = curve(
            [
                (side * half * 0.78, bottom * 0.76),
                (side * half * 0.98, bottom * 0.92),
                (side * half * 0.8, bottom + 0.02),
                (side * half * 0.9, bottom * 0.92),
            ]
        )
        canvas.paint(wing, look.skin * 0.5, rng.uniform(0.3, 0.9), blur=0.02)
        nostril = ellipse(side * half * 0.45, bottom + 0.005, 0.07, 0.032, 16)
        canvas.paint(nostril, look.skin * 0.25, rng.uniform(0.5, 0.95), blur=0.02)
        fold = curve(
            [
                (side * half * 1.0, bottom * 0.86),
                (side * (half + 0.14), bottom + 0.12),
                (side * (look.mouth_width / 2 + 0.1), look.mouth_y - look.smile * 0.5),
                (side * (half + 0.2), bottom + 0.12),
            ]
        )
        depth = min(0.1 + 2.5 * max(look.smile, 0) + 0.4 * look.age, 0.8)
        canvas.paint(fold, look.skin * 0.6, depth, blur=0.035)
    canvas.label(outline, "nose")


def draw_mouth(canvas: Canvas, rng: np.random.Generator, look: Look) -> None:
    """A mouth: lips, and between them teeth, tongue or darkness."""
    y, half, gap = look.mouth_y, look.mouth_width / 2, look.mouth_open
    full = rng.uniform(0.7, 1.3)
    thin = 1 - 1.5 * max(look.smile, 0)
    above, below = 0.11 * full * thin, 0.17 * full * thin * rng.uniform(0.8, 1.1)
    corner, low = y - look.smile + gap * 0.25, y + gap
    left, right = (-half, corner), (half, corner)
    inner_left, inner_right = (-half * 0.88, corner), (half * 0.88, corner)
    bend = y - look.smile * 0.3
    inner_top = [(-half * 0.45, bend), (0, y + 0.01), (half * 0.45, bend)]
    bend = low - look.smile * 0.3
    inner_low = [(half * 0.45, bend + 0.004), (0, low + 0.014), (-half * 0.45, bend)]
    bend = y - look.smile * 0.35
    top = [
        (-half * 0.5, bend - above * 0.8),
        (-half * 0.15, y - above * 1.15),
        (0, y - above * 0.95),
        (half * 0.15, y - above * 1.15),
        (half * 0.5, bend - above * 0.8),
    ]
    bend = low - look.smile * 0.25
    base = [
        (half * 0.5, bend + below * 0.8),
        (0, low + below),
        (-half * 0.5, bend + below * 0.8),
    ]
    upper = curve([left, *top, right, inner_right, *inner_top[::-1], inner_left])
    lower = curve([left, inner_left, *inner_low[::-1], inner_right, right, *base])
    inner = curve([inner_left, *inner_top, inner_right, *inner_low])
    shadow = ellipse(0, low + below + 0.07, half * 0.55, 0.05)
    canvas.paint(shadow, look.skin * 0.66, rng.uniform(0.2, 0.7), blur=0.06)
    if gap > 0:
        _draw_inside(canvas, rng, look, inner)
    soft = rng.uniform(0.01, 0.03)
    opacity = rng.uniform(0.65, 0.95)
    canvas.paint(upper, look.lips * rng.uniform(0.75, 0.95), opacity, blur=soft)
    canvas.paint(lower, look.lips, opacity, blur=soft)
    shine = ellipse(0, low + below * 0.45, half * 0.4, below * 0.2)
    canvas.paint(shine, look.lips * 1.25 + 15, rng.uniform(0.0, 0.6), blur=0.03)
    seam = curve([inner_left, *inner_top, inner_right], False)
    canvas.line(seam, look.lips * rng.uniform(0.25, 0.5), rng.uniform(0.012, 0.025))
    for side in (-1, 1):
        nook = ellipse(side * half * 0.98, corner, 0.05, 0.04, 16)
        canvas.paint(nook, look.skin * 0.4, rng.uniform(0.2, 0.7), blur=0.03)
    canvas.label(upper, "upper_lip")
    canvas.label(lower, "lower_lip")
    if gap > 0:
        canvas.label(inner, "inner_mouth")


def _draw_inside(
    canvas: Canvas, rng: np.random.Generator, look: Look, inner: np.ndarray
) -> None:
    y, half, gap = look.mouth_y, look.mouth_width / 2, look.mouth_open
    canvas.paint(inner, (48, 18, 20), blur=0.005)
    inside = canvas.stencil(inner)
    if gap > 0.2 and rng.random() < 0.7:
        tongue = ellipse(0, y + gap + 0.03, half * 0.55, gap * 0.5)
        canvas.paint(tongue, (175, 85, 85), 0.9, blur=0.04, within=inside)
    if rng.random() > 0.9:
        return
    ivory = np.array([232, 224, 212]) * rng.uniform(0.7, 1.05)
    # Behind a smile the teeth fill the mouth.
    depth = rng.uniform(0.1, 0.2) if gap > 0.25 else rng.uniform(0.12, 0.3)
    rows = [(y - look.smile * 0.5 - 0.05, depth + 0.05 + look.smile * 0.5)]
    if rng.random() < 0.25:
        rows.append((y + gap + 0.02, 0.06))
    for middle, tall in rows:
        teeth = ellipse(0, middle, half * rng.uniform(0.75, 0.95), tall)
        canvas.paint(teeth, ivory, 0.95, blur=0.015, within=inside)
    for x in np.arange(-3.5, 4) * 0.09:
        split = np.array([(x - 0.004, y - 0.1), (x + 0.004, y - 0.1), (x, y + depth)])
        canvas.paint(split, ivory * 0.6, 0.4, within=inside)
    for side in (-1, 1):
        dusk = ellipse(side * half * 0.95, y, half * 0.2, 0.3, 16)
        canvas.paint(dusk, (48, 18, 20), 0.5, blur=0.06, within=inside)
