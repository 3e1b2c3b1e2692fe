"""Head, hair, beard and glasses of a drawn face: what is not labelled, and hides."""

import numpy as np

from tfds_builders.synthetic_faces.canvas import Canvas, curve, ellipse
from tfds_builders.synthetic_faces.look import Look


def draw_hair_behind(canvas: Canvas, rng: np.random.Generator, look: Look) -> None:
    """Hair behind the head, neck and shoulders."""
    shirt = rng.uniform(10, 240, 3)
    canvas.paint(ellipse(0, 3.1, 2.2, 1.1), shirt, blur=0.02)
    if rng.random() < 0.75:
        length = rng.uniform(0.6, 2.6)
        wide = rng.uniform(1.15, 1.5)
        outline = curve(
            [
                (-wide, -0.3),
                (-0.8, -1.45),
                (0, -1.65),
                (0.8, -1.45),
                (wide, -0.3),
                (wide * 1.05, length),
                (0, length * 0.7),
                (-wide * 1.05, length),
            ]
        )
        canvas.paint(outline, look.hair, blur=0.03)
        for _ in range(10):
            x = rng.uniform(-wide, wide)
            strand = curve([(x * 0.7, -1.4), (x, -0.2), (x * 1.05, length)], False)
            shade = look.hair * rng.uniform(0.6, 1.5)
            canvas.line(strand, shade, rng.uniform(0.01, 0.04))
    neck = [(-0.55, 0.9), (0.55, 0.9), (0.62, 2.3), (-0.62, 2.3)]
    canvas.paint(np.array(neck), look.skin * 0.78, blur=0.03)


def draw_head(
    canvas: Canvas, rng: np.random.Generator, look: Look, skin: np.ndarray
) -> None:
    """The head: skin, ears, shadows of forehead, cheeks and chin."""
    for side in (-1, 1):
        canvas.paint(ellipse(side * 1.1, 0.25, 0.16, 0.3), look.skin * 0.85, blur=0.02)
    outline = curve(
        [
            (0, -1.3),
            (0.7, -1.1),
            (1.08, -0.4),
            (1.06, 0.35),
            (0.85 * look.jaw, 1.05),
            (0.4, 1.55),
            (0, 1.66),
            (-0.4, 1.55),
            (-0.85 * look.jaw, 1.05),
            (-1.06, 0.35),
            (-1.08, -0.4),
            (-0.7, -1.1),
        ]
    )
    canvas.texture(skin, outline, blur=0.015)
    within = canvas.stencil(outline, blur=0.01)
    for side, strength in ((-1, rng.uniform(0, 0.5)), (1, rng.uniform(0, 0.5))):
        rim = ellipse(side * 1.25, 0.3, 0.45, 1.5)
        canvas.paint(rim, look.skin * 0.5, strength, blur=0.18, within=within)
        cheek = ellipse(side * 0.62, 0.62, 0.28, 0.24)
        blush = look.skin * np.array([1.05, 0.85, 0.85])
        canvas.paint(cheek, blush, rng.uniform(0, 0.6), blur=0.12)
    canvas.paint(ellipse(0, -0.75, 0.6, 0.3), look.skin * 1.12, 0.4, blur=0.15)
    canvas.paint(ellipse(0, 1.45, 0.3, 0.13), look.skin * 1.1, 0.4, blur=0.08)


def draw_beard(canvas: Canvas, rng: np.random.Generator, look: Look) -> None:
    """Stubble or a moustache, at times; below and beside the mouth only."""
    if rng.random() > 0.25:
        return
    opacity = rng.uniform(0.15, 0.6)
    for side in (-1, 1):
        cheek = curve(
            [
                (side * 0.95, 0.7),
                (side * 0.7, 0.95),
                (side * 0.6, 1.5),
                (side * 0.75, 1.3),
            ]
        )
        canvas.paint(cheek, look.hair, opacity, blur=0.08)
    canvas.paint(ellipse(0, 1.6, 0.5, 0.12), look.hair, opacity, blur=0.06)


def draw_glasses(canvas: Canvas, rng: np.random.Generator, look: Look) -> None:
    """Glasses, at times: the eye behind the lens keeps its label."""
    if rng.random() > 0.2:
        return
    color = rng.uniform(0, 90, 3)
    width = rng.uniform(0.02, 0.06)
    rx, ry = rng.uniform(0.36, 0.44), rng.uniform(0.22, 0.34)
    for side in (-1, 1):
        rim = ellipse(side * 0.5, 0.04, rx, ry)
        canvas.line(np.concatenate([rim, rim[:1]]), color, width)
        canvas.line(
            np.array([(side * (0.5 + rx), 0.0), (side * 1.12, 0.02)]), color, width
        )
        canvas.paint(
            ellipse(side * 0.4, -0.05, 0.08, 0.03),
            (255, 255, 255),
            rng.uniform(0, 0.3),
            blur=0.03,
        )
    canvas.line(
        curve([(-0.5 + rx, 0.0), (0, -0.04), (0.5 - rx, 0.0)], False), color, width
    )


def draw_fringe(canvas: Canvas, rng: np.random.Generator, look: Look) -> None:
    """Hair on the forehead; now and then over a brow, whose label it takes."""
    if rng.random() < 0.12:
        return
    deep = rng.uniform(-0.95, -0.55)
    points = [
        (-1.12, 0.0),
        (-1.05, -0.9),
        (-0.6, -1.4),
        (0, -1.55),
        (0.6, -1.4),
        (1.05, -0.9),
        (1.12, 0.0),
        (0.95, -0.5),
    ]
    points += [(x, deep + rng.uniform(-0.15, 0.1)) for x in (0.5, 0.15, -0.2, -0.55)]
    canvas.paint(curve([*points, (-0.95, -0.5)]), look.hair, blur=0.03)
    if rng.random() < 0.25:
        side = 1 if rng.random() < 0.5 else -1
        reach = rng.uniform(-0.25, 0.05)
        lock = curve(
            [
                (side * 0.1, -1.2),
                (side * 1.0, -1.0),
                (side * 1.1, reach),
                (side * 0.75, reach - 0.1),
            ]
        )
        canvas.paint(lock, look.hair * rng.uniform(0.8, 1.2), blur=0.015)
        canvas.label(lock, 0)
