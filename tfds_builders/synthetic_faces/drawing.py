"""Draws faces with exact part masks. NumPy and Pillow only."""

import numpy as np

from tfds_builders.synthetic_faces import features, head
from tfds_builders.synthetic_faces.canvas import Canvas, Pose
from tfds_builders.synthetic_faces.look import Look
from tfds_builders.synthetic_faces.textures import background, skin_texture


def draw_face(
    rng: np.random.Generator, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Draws one face.

    Args:
        rng: source of all randomness: the same state gives the same drawing.
        size: `(height, width)` in pixels, at least 64 each.

    Returns:
        image: uint8 `(height, width, 3)`.
        mask: uint8 `(height, width)`, class ids of `stn_icnn_tf.labels`.

    Raises:
        ValueError: if `size` is too small.
    """
    height, width = size
    if min(height, width) < 64:
        raise ValueError(
            "Argument `size` must be (height, width), at least 64 pixels each. "
            f"Received: size={size}"
        )
    # A face is some 3.1 eye distances high.
    eye_distance = rng.uniform(0.42, 0.95) * min(height, width) / 3.1
    pose = Pose(
        center=(
            width * (0.5 + rng.uniform(-0.12, 0.12)),
            height * (0.42 + rng.uniform(-0.1, 0.1)),
        ),
        eye_distance=eye_distance,
        roll=np.radians(np.clip(rng.normal(0, 10), -28, 28)),
        yaw=np.radians(np.clip(rng.normal(0, 13), -30, 30)),
        pitch=np.radians(rng.normal(0, 8)),
    )
    canvas = Canvas(background(rng, size), pose)
    look = Look.draw(rng)
    head.draw_hair_behind(canvas, rng, look)
    head.draw_head(canvas, rng, look, skin_texture(rng, size, look.skin))
    features.draw_nose(canvas, rng, look)
    for side in (-1, 1):
        features.draw_eye(canvas, rng, look, side)
        features.draw_brow(canvas, rng, look, side)
    features.draw_mouth(canvas, rng, look)
    head.draw_beard(canvas, rng, look)
    head.draw_glasses(canvas, rng, look)
    head.draw_fringe(canvas, rng, look)
    return canvas.finish(rng)
