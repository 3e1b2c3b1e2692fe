"""Squares of a photo in which a face lies: how they are found, and where they lie.

A square is float `(4,)`: x and y of its middle, and its side, in pixels; and its roll
in radians, by which its upper side is turned clockwise. It may reach out of the photo.
For arrays of NumPy and tensors of Keras alike.
"""

from typing import Any

import numpy as np

from stn_icnn_tf.geometry.arrays import array_ops, as_float32
from stn_icnn_tf.geometry.bilinear import to_pixels
from stn_icnn_tf.geometry.letterbox import letterbox

Tensor = Any

SMALLEST_SIDE = 8.0


def square_around(centers: Tensor, mean_centers: np.ndarray) -> Tensor:
    """Finds the square in which points lie as they do in the frame of the mean face.

    Args:
        centers: float `(..., points, 2)`, (x, y) in pixels; two points at least.
        mean_centers: float `(points, 2)`, normalised (x, y) of the same points.

    Returns:
        float32 `(..., 4)`, the square, by least squares over the points.
    """
    ops = array_ops(centers)
    mean = np.asarray(mean_centers, "float32")
    spread = mean - mean.mean(axis=0)
    centers = as_float32(centers)
    middle = ops.mean(centers, axis=-2, keepdims=True)
    across = (centers - middle) / float(np.sum(spread**2))
    # The map of the mean face onto this one: enlarge, turn, shift.
    cos = ops.sum(across * spread, axis=(-2, -1))
    sin = ops.sum(
        across[..., 1] * spread[:, 0] - across[..., 0] * spread[:, 1], axis=-1
    )
    x, y = mean.mean(axis=0)
    away = ops.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)
    side = ops.maximum(2.0 * ops.sqrt(cos**2 + sin**2) + 1.0, SMALLEST_SIDE)
    side_and_roll = ops.stack([side, ops.arctan2(sin, cos)], axis=-1)
    return ops.concatenate([middle[..., 0, :] - away, side_and_roll], axis=-1)


def whole_square(size: Tensor) -> Tensor:
    """Returns the square that letterboxing makes of a photo of `(width, height)`."""
    width, height = size[0], size[1]
    around = letterbox(height, width)
    left, top, side = map(as_float32, (around.left, around.top, around.side))
    half = (side - 1.0) / 2.0
    return array_ops(side).stack([half - left, half - top, side, 0.0 * side])


def rotation(roll: Tensor) -> Tensor:
    """Returns the matrices `(..., 2, 2)` of rolls in radians."""
    ops = array_ops(roll)
    cos, sin = ops.cos(roll), ops.sin(roll)
    rows = [ops.stack([cos, -sin], axis=-1), ops.stack([sin, cos], axis=-1)]
    return ops.stack(rows, axis=-2)


class PlacedSquare:
    """A square as it is cut out of a photo, pixel by pixel.

    Args:
        square: float32 `(4,)`.
        size: float32 `(2,)`, width and height of the photo.
        upright: up to which roll, in radians, it is cut out without a turn: then
            pixels are copied and not blended.

    Attributes:
        size: see above.
        side: in pixels, a whole number.
        turn: `(2, 2)`, and corner, `(2,)`: the square's pixel (x, y) lies at
            `turn @ (x, y) + corner` in the photo.
        corner: see above.
    """

    def __init__(self, square: Tensor, size: Tensor, upright: float) -> None:
        ops = array_ops(square, size)
        self.size = size
        self.side = ops.maximum(ops.round(square[2]), SMALLEST_SIDE)
        is_upright = ops.abs(square[3]) <= upright
        self.turn = rotation(ops.where(is_upright, 0.0 * square[3], square[3]))
        half = (self.side - 1.0) / 2.0
        corner = square[:2] - half * ops.sum(self.turn, axis=-1)
        self.corner = ops.where(is_upright, ops.round(corner), corner)

    def theta_to_photo(self, theta: Tensor) -> Tensor:
        """Takes theta `(parts, 2, 3)` from patch -> square to patch -> photo."""
        ops = array_ops(theta)
        extent = ops.maximum(self.size - 1.0, 1.0)
        center = to_pixels(theta[..., 2], self.side)
        center = ops.matmul(center, ops.transpose(self.turn)) + self.corner
        axes = ops.matmul(self.turn, theta[..., :2])
        axes *= ((self.side - 1.0) / extent)[:, None]
        center = (2.0 * center / extent - 1.0)[..., None]
        return ops.concatenate([axes, center], axis=-1)
