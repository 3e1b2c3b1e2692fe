"""Draws faces with exact part masks. NumPy and Pillow only."""

from collections.abc import Iterator

import numpy as np

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from stn_icnn_tf.drawn_faces import features, head, light, textures
from stn_icnn_tf.drawn_faces.canvas import Canvas, Pose
from stn_icnn_tf.drawn_faces.look import Look

# Smallest side of a drawing, in pixels: a face is then some 25 pixels high.
MIN_SIDE = 64


def draw_face(
    rng: np.random.Generator,
    size: tuple[int, int],
    class_set: ClassSet = EIGHT_PARTS,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws one face.

    Args:
        rng: source of all randomness: the same state gives the same drawing.
        size: `(height, width)` in pixels, at least 64 each.
        class_set: of the mask. What has no class of its name is background; the
            drawing is the same.

    Returns:
        image: uint8 `(height, width, 3)`.
        mask: uint8 `(height, width)`, class ids.

    Raises:
        ValueError: if `size` is too small.
    """
    height, width = size
    if min(height, width) < MIN_SIDE:
        raise ValueError(
            f"Argument `size` must be (height, width), at least {MIN_SIDE} each. "
            f"Received: size={size}"
        )
    pose = draw_pose(rng, size)
    look = Look.draw(rng)
    behind = textures.background(rng, size)
    canvas = Canvas(behind, pose, class_set)
    hair = textures.hair_texture(rng, size, look.hair)
    head.draw_hair_behind(canvas, rng, look, hair)
    # Cloth may have a pattern: that of the background, upside down.
    head.draw_shoulders(canvas, rng, look, behind[::-1])
    head.draw_head(canvas, rng, look, textures.skin_texture(rng, size, look.skin))
    head.draw_beard(canvas, rng, look)
    features.draw_nose(canvas, rng, look)
    for side in (-1, 1):
        features.draw_eye(canvas, rng, look, side)
        features.draw_brow(canvas, rng, look, side)
    features.draw_mouth(canvas, rng, look)
    head.draw_glasses(canvas, rng, look)
    head.draw_fringe(canvas, rng, look, hair)
    factor, gloss = light.shade(rng, size, pose, look)
    pixels = canvas.shrink(blur=rng.uniform(0.1, 0.9))
    return light.photograph(rng, pixels, factor, gloss), canvas.mask


def draw_photos(count: int, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Draws photos of faces, the same ones each time; see `draw_face`.

    Args:
        count: how many.
        size: `(height, width)` in pixels, at least 64 each.

    Yields:
        uint8 `(height, width, 3)`.
    """
    for seed in range(count):
        yield draw_face(np.random.default_rng(seed), size)[0]


def draw_pose(rng: np.random.Generator, size: tuple[int, int]) -> Pose:
    """Draws where a face is: some 35 to 95 % of the photo's shorter side high."""
    height, width = size
    # From the hair to the chin a face is some 3.1 eye distances high.
    share = rng.uniform(0.35, 0.95)
    spread = 1.2 - share
    return Pose(
        center=(
            width * (0.5 + spread * rng.uniform(-0.3, 0.3)),
            height * (0.43 + spread * rng.uniform(-0.25, 0.25)),
        ),
        eye_distance=share * min(height, width) / 3.1,
        roll=np.radians(np.clip(rng.normal(0, 11), -28, 28)),
        yaw=np.radians(np.clip(rng.normal(0, 16), -35, 35)),
        pitch=np.radians(np.clip(rng.normal(0, 10), -25, 25)),
    )
