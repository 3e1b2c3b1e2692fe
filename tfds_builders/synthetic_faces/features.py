"""The labelled features of a drawn face, in face units (eye distance 1)."""

import numpy as np

from tfds_builders.synthetic_faces.canvas import Canvas, curve, ellipse
from tfds_builders.synthetic_faces.look import Look


def draw_eye(canvas: Canvas, rng: np.random.Generator, look: Look, side: int) -> None:
    """An eye: socket, white, iris, pupil, glint, lashes and crease of the lid."""
    cx, half, tall = side * 0.5, look.eye_width / 2, look.eye_open / 2
    socket = ellipse(cx, -0.02, half * 1.35, 0.2)
    canvas.paint(socket, look.skin * 0.72, rng.uniform(0.2, 0.7), blur=0.07)
    inner, outer = cx - side * half, cx + side * half
    lift = rng.uniform(-0.02, 0.04)
    upper = [
        (inner, 0.02),
        (cx - side * half * 0.4, -tall * 1.05),
        (cx + side * half * 0.35, -tall * 1.1),
        (outer, -lift),
    ]
    lower = [(cx + side * half * 0.4, tall * 0.8), (cx - side * half * 0.4, tall * 0.9)]
    outline = curve(upper + lower)
    canvas.paint(
        outline, np.array([225, 220, 215]) * rng.uniform(0.75, 1.0), blur=0.005
    )
    inside = canvas.stencil(outline)
    gaze_x, gaze_y = rng.normal(0, 0.03), rng.normal(0, 0.015)
    radius = rng.uniform(0.095, 0.12)
    for scale, color in (
        (1.0, look.iris * 0.5),
        (0.85, look.iris),
        (0.45, look.iris * 0),
    ):
        iris = ellipse(cx + gaze_x, gaze_y - 0.01, radius * scale, radius * scale)
        canvas.paint(iris, color, within=inside)
    glint = ellipse(cx + gaze_x + 0.03, gaze_y - 0.05, 0.018, 0.018, 12)
    canvas.paint(glint, (250, 250, 250), 0.9, within=inside)
    dark = look.hair * 0.3
    canvas.line(curve(upper, False), dark, rng.uniform(0.02, 0.05))
    low = curve([upper[-1], *lower, upper[0]], False)
    canvas.line(low, look.skin * 0.62, 0.012)
    crease = curve([(x, y - 0.06) for x, y in upper], False)
    canvas.line(crease, look.skin * 0.65, 0.018)
    canvas.label(outline, 3 if side < 0 else 4)


def draw_brow(canvas: Canvas, rng: np.random.Generator, look: Look, side: int) -> None:
    """A brow: thick towards the nose, arched, made of hairs."""
    y, thick = -look.brow_height, look.brow_thickness
    arch = rng.uniform(0.04, 0.12)
    tilt = look.brow_tilt
    inner, outer = side * rng.uniform(0.15, 0.24), side * rng.uniform(0.86, 0.98)
    middle = side * 0.6
    outline = curve(
        [
            (inner, y + thick / 2 - tilt),
            (inner, y - thick / 2 - tilt),
            (middle, y - arch - thick / 2),
            (outer, y + 0.05 + tilt),
            (middle, y - arch + thick / 2),
        ]
    )
    canvas.paint(outline, look.brow_color, rng.uniform(0.65, 1.0), blur=0.02)
    for _ in range(14):
        t = rng.uniform(0.05, 0.85)
        x = inner + t * (outer - inner)
        top = y - arch * np.sin(np.pi * t) + rng.uniform(-0.3, 0.3) * thick
        hair = np.array([(x, top + thick * 0.3), (x + side * 0.06, top - thick * 0.2)])
        canvas.line(hair, look.brow_color * rng.uniform(0.5, 1.2), 0.012)
    canvas.label(outline, 1 if side < 0 else 2)


def draw_nose(canvas: Canvas, rng: np.random.Generator, look: Look) -> None:
    """A nose: no outline, only light and shadow, and the nostrils."""
    bottom, half = look.nose_length, look.nose_width / 2
    outline = curve(
        [
            (-0.1, -0.06),
            (0.1, -0.06),
            (0.13, bottom * 0.5),
            (half * 0.85, bottom * 0.75),
            (half, bottom * 0.93),
            (half * 0.5, bottom + 0.02),
            (0, bottom + 0.06),
            (-half * 0.5, bottom + 0.02),
            (-half, bottom * 0.93),
            (-half * 0.85, bottom * 0.75),
            (-0.13, bottom * 0.5),
        ]
    )
    shaded = 1 if rng.random() < 0.5 else -1
    flank = curve(
        [
            (shaded * 0.1, -0.1),
            (shaded * 0.22, bottom * 0.5),
            (shaded * half * 1.15, bottom * 0.95),
            (shaded * 0.1, bottom),
        ]
    )
    canvas.paint(flank, look.skin * 0.7, rng.uniform(0.2, 0.8), blur=0.05)
    bridge = curve(
        [(-0.05, -0.1), (0.05, -0.1), (0.07, bottom * 0.8), (-0.07, bottom * 0.8)]
    )
    canvas.paint(bridge, look.skin * 1.15, rng.uniform(0.3, 0.8), blur=0.04)
    canvas.paint(ellipse(0, bottom * 0.82, 0.11, 0.09), look.skin * 1.2, 0.6, blur=0.05)
    canvas.paint(
        ellipse(0, bottom + 0.09, half, 0.07), look.skin * 0.65, 0.6, blur=0.05
    )
    for side in (-1, 1):
        wing = curve(
            [
                (side * half * 0.75, bottom * 0.72),
                (side * half * 1.02, bottom * 0.9),
                (side * half * 0.8, bottom + 0.01),
            ],
            False,
        )
        canvas.line(wing, look.skin * 0.66, 0.02)
        nostril = ellipse(side * half * 0.48, bottom - 0.01, 0.065, 0.032)
        canvas.paint(nostril, look.skin * 0.28, 0.9, blur=0.012)
    canvas.label(outline, 5)


def draw_mouth(canvas: Canvas, rng: np.random.Generator, look: Look) -> None:
    """A mouth: lips, and between them teeth, tongue or darkness."""
    y, half, gap = look.mouth_y, look.mouth_width / 2, look.mouth_open
    upper_lip, lower_lip = rng.uniform(0.07, 0.13), rng.uniform(0.09, 0.17)
    corner = y - look.smile + gap * 0.3
    low = y + gap
    left, right = (-half, corner), (half, corner)
    inner_left, inner_right = (-half * 0.86, corner), (half * 0.86, corner)
    inner_top = [(-half * 0.4, y), (0, y + 0.01), (half * 0.4, y)]
    inner_low = [(half * 0.45, low - 0.01), (0, low + 0.01), (-half * 0.45, low - 0.01)]
    top = [
        (-half * 0.45, y - upper_lip * 0.9),
        (-half * 0.14, y - upper_lip * 1.1),
        (0, y - upper_lip * 0.85),
        (half * 0.14, y - upper_lip * 1.1),
        (half * 0.45, y - upper_lip * 0.9),
    ]
    base = [
        (half * 0.5, low + lower_lip * 0.85),
        (0, low + lower_lip),
        (-half * 0.5, low + lower_lip * 0.85),
    ]
    upper = curve([left, *top, right, inner_right, *inner_top[::-1], inner_left])
    lower = curve([left, inner_left, *inner_low[::-1], inner_right, right, *base])
    inner = curve([inner_left, *inner_top, inner_right, *inner_low])
    canvas.paint(
        ellipse(0, low + lower_lip + 0.07, half * 0.6, 0.06),
        look.skin * 0.68,
        0.6,
        blur=0.05,
    )
    if gap > 0:
        canvas.paint(inner, (45, 18, 20), blur=0.005)
        inside = canvas.stencil(inner)
        if rng.random() < 0.8:
            depth = rng.uniform(0.08, 0.2)
            teeth = ellipse(0, y - 0.02, half * 0.8, depth + 0.03)
            canvas.paint(
                teeth,
                np.array([235, 228, 215]) * rng.uniform(0.7, 1.0),
                blur=0.008,
                within=inside,
            )
        if gap > 0.2 and rng.random() < 0.6:
            tongue = ellipse(0, low + 0.03, half * 0.5, gap * 0.45)
            canvas.paint(tongue, (180, 85, 85), 0.9, blur=0.03, within=inside)
    canvas.paint(upper, look.lips * 0.9, 0.92, blur=0.012)
    canvas.paint(lower, look.lips, 0.92, blur=0.012)
    shine = ellipse(0, low + lower_lip * 0.5, half * 0.4, lower_lip * 0.2)
    canvas.paint(shine, look.lips * 1.25 + 15, rng.uniform(0.1, 0.7), blur=0.03)
    canvas.line(
        curve([inner_left, *inner_top, inner_right], False), look.lips * 0.4, 0.015
    )
    canvas.label(upper, 6)
    canvas.label(lower, 8)
    if gap > 0:
        canvas.label(inner, 7)
