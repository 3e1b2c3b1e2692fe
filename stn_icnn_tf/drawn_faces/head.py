"""Head, hair, beard and glasses of a drawn face: what is no part, and hides some."""

import numpy as np

from stn_icnn_tf.drawn_faces.canvas import Canvas, curve, ellipse, ribbon, sided
from stn_icnn_tf.drawn_faces.look import Look


def draw_hair_behind(
    canvas: Canvas, rng: np.random.Generator, look: Look, hair: np.ndarray
) -> None:
    """Hair behind the head, at times."""
    if rng.random() > 0.75:
        return
    length = rng.uniform(0.2, 2.6)
    wide = rng.uniform(1.15, 1.55)
    outline = [(-wide, -0.3), (-0.85, -1.4), (0, -1.7), (0.85, -1.4), (wide, -0.3)]
    outline += [
        (x * wide, length * tall + rng.uniform(-0.15, 0.15))
        for x, tall in ((1.1, 1.0), (0.6, 1.0), (0, 0.7), (-0.6, 1.0), (-1.1, 1.0))
    ]
    canvas.texture(hair, curve(outline), blur=0.04)
    canvas.label(curve(outline), "hair")


def draw_shoulders(
    canvas: Canvas, rng: np.random.Generator, look: Look, cloth: np.ndarray
) -> None:
    """Neck and shoulders, in a plain colour or in `cloth`."""
    neck = [
        (-0.58, 0.9),
        (0.58, 0.9),
        (0.62, 1.8),
        (0.9, 2.4),
        (-0.9, 2.4),
        (-0.62, 1.8),
    ]
    canvas.paint(np.array(neck), look.skin * rng.uniform(0.7, 0.95), blur=0.03)
    canvas.label(np.array(neck), "neck")
    canvas.paint(ellipse(0, 1.65, 0.6, 0.25), look.skin * 0.5, 0.6, blur=0.12)
    right = [(0.5, 1.85), (1.6, 2.3), (2.2, 3.2), (2.4, 9.0)]
    left = [(-x, y) for x, y in right[::-1]]
    shoulders = curve([(0, rng.uniform(1.95, 2.4)), *right, *left])
    if rng.random() < 0.4:
        canvas.texture(cloth, shoulders, blur=0.02)
    else:
        shirt = rng.uniform(10, 240) + rng.uniform(-40, 40, 3)
        canvas.paint(shoulders, shirt, blur=0.02)
    canvas.label(shoulders, "cloth")


def head_outline(look: Look) -> np.ndarray:
    """Returns the outline of the head, `(n, 2)`."""
    right = [
        (0.7, -1.1),
        (1.08, -0.4),
        (1.06, 0.35),
        (0.86 * look.jaw, 1.05),
        (0.42, 1.55),
    ]
    left = [(-x, y) for x, y in right[::-1]]
    return curve([(0, -1.3), *right, (0, 1.68), *left])


def draw_head(
    canvas: Canvas, rng: np.random.Generator, look: Look, skin: np.ndarray
) -> None:
    """The head: skin, ears, and the colours of forehead, cheeks and chin."""
    for side in (-1, 1):
        ear = ellipse(side * 1.1, 0.25, 0.14, 0.3)
        canvas.paint(ear, look.skin * 0.85, blur=0.02)
        canvas.label(ear, sided("ear", side))
        canvas.paint(ellipse(side * 1.12, 0.22, 0.06, 0.17), look.skin * 0.6, 0.6, 0.04)
    outline = head_outline(look)
    canvas.texture(skin, outline, blur=0.015)
    canvas.label(outline, "skin")
    within = canvas.stencil(outline, blur=0.01)
    blush = look.skin * np.array([1.05, 0.84, 0.84])
    warmth = rng.uniform(0, 0.6)
    for side in (-1, 1):
        rim = ellipse(side * 1.25, 0.3, 0.45, 1.5)
        strength = rng.uniform(0, 0.4)
        canvas.paint(rim, look.skin * 0.5, strength, blur=0.2, within=within)
        canvas.paint(ellipse(side * 0.62, 0.6, 0.26, 0.22), blush, warmth, blur=0.14)
    if rng.random() < look.age:
        for y in (-0.85, -0.68):
            wrinkle = [(-0.5, y), (0, y - 0.04), (0.5, y), (0, y - 0.02)]
            canvas.paint(curve(wrinkle), look.skin * 0.6, 0.6, blur=0.02)


def draw_beard(canvas: Canvas, rng: np.random.Generator, look: Look) -> None:
    """Stubble, a beard or a moustache, at times: skin to the labels.

    Lips and nose are drawn over it.
    """
    if rng.random() > 0.3:
        return
    color = look.hair * 0.7 + look.skin * 0.1
    opacity = rng.uniform(0.1, 0.9)
    nose, mouth = look.nose_length, look.mouth_y
    if rng.random() < 0.7:
        right = [(1.0, 0.5), (0.86, 1.1), (0.42, 1.6)]
        left = [(-x, y) for x, y in right[::-1]]
        upper = [(-0.72, mouth + 0.1), (-0.4, mouth + 0.2 + look.mouth_open)]
        upper += [(-x, y) for x, y in upper[::-1]]
        jaw = curve([*right, (0, 1.72), *left, *upper])
        within = canvas.stencil(head_outline(look))
        canvas.paint(jaw, color, opacity, blur=0.08, within=within)
    if rng.random() < 0.8:
        wide = look.mouth_width / 2 + rng.uniform(-0.05, 0.12)
        moustache = [
            (0, nose + 0.13),
            (wide * 0.6, nose + 0.16),
            (wide, mouth + 0.02),
            (wide * 0.5, mouth - 0.04),
            (0, mouth - 0.06),
        ]
        moustache += [(-x, y) for x, y in moustache[-2:0:-1]]
        canvas.paint(curve(moustache), color, opacity, blur=0.05)


def draw_glasses(canvas: Canvas, rng: np.random.Generator, look: Look) -> None:
    """Glasses, at times: the eye behind the lens keeps its label."""
    if rng.random() > 0.18:
        return
    color = rng.uniform(0, 90, 3)
    width = rng.uniform(0.015, 0.06)
    rx, ry = rng.uniform(0.34, 0.44), rng.uniform(0.2, 0.34)
    square = rng.uniform(0.5, 1.0)
    for side in (-1, 1):
        rim = ellipse(0, 0, 1, 1)
        rim = np.sign(rim) * np.abs(rim) ** square * (rx, ry) + (side * 0.5, 0.05)
        canvas.line(np.concatenate([rim, rim[:1]]), color, width)
        middle = (side * 0.5, 0.05)
        whole = (rim - middle) * (1 + width / 2 / np.array([rx, ry])) + middle
        canvas.label(whole, "glasses", over_parts=False)
        arm = np.array([(side * (0.5 + rx), 0.0), (side * 1.12, 0.02)])
        canvas.line(arm, color, width)
        canvas.label(ribbon(arm, width), "glasses", over_parts=False)
        glare = ellipse(side * 0.5 + rng.uniform(-0.2, 0.2), -0.04, 0.1, 0.05)
        canvas.paint(glare, (255, 255, 255), rng.uniform(0, 0.4), blur=0.05)
    bridge = curve([(-0.5 + rx, 0.0), (0, -0.05), (0.5 - rx, 0.0)], False)
    canvas.line(bridge, color, width)
    canvas.label(ribbon(bridge, width), "glasses", over_parts=False)


def draw_fringe(
    canvas: Canvas, rng: np.random.Generator, look: Look, hair: np.ndarray
) -> None:
    """Hair on the forehead; now and then over a brow, whose label it takes."""
    if rng.random() < 0.12:
        return
    deep = rng.uniform(-1.05, -0.55)
    temple = rng.uniform(0.85, 1.02)
    ends = rng.uniform(-0.3, 0.6)
    right = [(0.65, -1.42), (1.08, -0.9), (1.17, ends), (temple, -0.45)]
    part = rng.uniform(-0.4, 0.4)
    points = [(0, -1.58), *right]
    points += [
        (x, deep + 0.25 * abs(x - part) + rng.uniform(-0.12, 0.08))
        for x in (0.6, 0.35, 0.1, -0.15, -0.4, -0.65)
    ]
    points += [(-x, y) for x, y in right[::-1]]
    canvas.texture(hair, curve(points), blur=0.03)
    canvas.label(curve(points), "hair", over_parts=False)
    if rng.random() < 0.25:
        side = 1 if rng.random() < 0.5 else -1
        reach = rng.uniform(-0.3, -0.05)
        lock = curve(
            [
                (side * 0.1, -1.2),
                (side * 1.0, -1.0),
                (side * 1.1, reach + 0.2),
                (side * 0.75, reach - 0.1),
            ]
        )
        canvas.texture(hair, lock, blur=0.015)
        canvas.label(lock, "hair")
