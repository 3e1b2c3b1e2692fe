"""Squares of a photo in which a face lies: how they are found, cut out, taken back.

A square is float `(4,)`: x and y of its middle, and its side, in pixels; and its roll
in radians, by which its upper side is turned clockwise. It may reach out of the photo.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from stn_icnn_tf.data.augment import warp
from stn_icnn_tf.geometry.affine import to_pixels
from stn_icnn_tf.geometry.letterbox import letterbox

Tensor = Any

SMALLEST_SIDE = 8.0


def square_around(centers: Tensor, mean_centers: np.ndarray) -> tf.Tensor:
    """Finds the square in which points lie as they do in the frame of the mean face.

    Args:
        centers: float `(..., points, 2)`, (x, y) in pixels; two points at least.
        mean_centers: float `(points, 2)`, normalised (x, y) of the same points.

    Returns:
        float32 `(..., 4)`, the square, by least squares over the points.
    """
    mean = np.asarray(mean_centers, "float32")
    spread = mean - mean.mean(axis=0)
    centers = tf.cast(centers, tf.float32)
    middle = tf.reduce_mean(centers, axis=-2, keepdims=True)
    across = (centers - middle) / float(np.sum(spread**2))
    # The map of the mean face onto this one: enlarge, turn, shift.
    cos = tf.reduce_sum(across * spread, axis=(-2, -1))
    sin = tf.reduce_sum(
        across[..., 1] * spread[:, 0] - across[..., 0] * spread[:, 1], axis=-1
    )
    x, y = mean.mean(axis=0)
    away = tf.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)
    side = tf.maximum(2.0 * tf.sqrt(cos**2 + sin**2) + 1.0, SMALLEST_SIDE)
    side_and_roll = tf.stack([side, tf.atan2(sin, cos)], axis=-1)
    return tf.concat([middle[..., 0, :] - away, side_and_roll], axis=-1)


def width_and_height(photos: tf.Tensor) -> tf.Tensor:
    """Returns int32 `(2,)` of photos `(..., height, width, channels)`.

    Not `shape[::-1]`: TensorFlow's optimizer of layouts stumbles over that.
    """
    *_, height, width, _ = tf.unstack(tf.shape(photos))
    return tf.stack([width, height])


def whole_square(size: Tensor) -> tf.Tensor:
    """Returns the square that letterboxing makes of a photo of `(width, height)`."""
    width, height = tf.unstack(tf.cast(size, tf.int32))
    around = letterbox(height, width)
    corner = -tf.cast(tf.stack([around.left, around.top]), tf.float32)
    side = tf.cast(around.side, tf.float32)
    return tf.concat([corner + (side - 1.0) / 2.0, [side, 0.0]], axis=0)


def rotation(roll: Tensor) -> tf.Tensor:
    """Returns the matrices `(..., 2, 2)` of rolls in radians."""
    cos, sin = tf.cos(roll), tf.sin(roll)
    rows = [tf.stack([cos, -sin], axis=-1), tf.stack([sin, cos], axis=-1)]
    return tf.stack(rows, axis=-2)


class Cut:
    """A square as it is cut out of a photo, and the way back.

    Args:
        square: float `(4,)`.
        size: float `(2,)`, width and height of the photo.
        upright: up to which roll, in radians, it is cut out without a turn: then
            pixels are copied and not blended.
    """

    def __init__(self, square: tf.Tensor, size: tf.Tensor, upright: float) -> None:
        self.size = size
        self.side = tf.maximum(tf.round(square[2]), SMALLEST_SIDE)
        is_upright = tf.abs(square[3]) <= upright
        self.turn = rotation(tf.where(is_upright, 0.0, square[3]))
        half = (self.side - 1.0) / 2.0
        corner = square[:2] - tf.linalg.matvec(self.turn, tf.stack([half, half]))
        self.corner = tf.where(is_upright, tf.round(corner), corner)

    def pixels(self, photo: tf.Tensor) -> tf.Tensor:
        """Cuts it out: float32 `(side, side, 3)`, black where there is no photo."""
        side = tf.cast(self.side, tf.int32)
        # As float: of uint8 the operation cuts the fractions off.
        photo = tf.cast(photo, tf.float32)
        return warp(photo, _affine(self.turn, self.corner), (side, side))

    def to_photo(self, planes: tf.Tensor) -> tf.Tensor:
        """Takes `(side, side, channels)` back, by nearest pixel; 0 outside."""
        corner = tf.linalg.matvec(self.turn, self.corner, transpose_a=True)
        back = _affine(tf.transpose(self.turn), -corner)
        width, height = tf.unstack(tf.cast(self.size, tf.int32))
        return warp(planes, back, (height, width), "nearest")

    def theta_to_photo(self, theta: tf.Tensor) -> tf.Tensor:
        """Takes theta `(parts, 2, 3)` from patch -> square to patch -> photo."""
        extent = tf.maximum(self.size - 1.0, 1.0)
        center = to_pixels(theta[..., 2], tf.stack([self.side, self.side]))
        center = tf.linalg.matvec(self.turn, center) + self.corner
        axes = tf.matmul(self.turn, theta[..., :2])
        axes *= ((self.side - 1.0) / extent)[:, None]
        return tf.concat([axes, (2.0 * center / extent - 1.0)[..., None]], axis=-1)


def _affine(turn: tf.Tensor, corner: tf.Tensor) -> tf.Tensor:
    """Builds the matrix `(3, 3)` of `turn @ (x, y) + corner`, see `augment.warp`."""
    rows = tf.concat([turn, corner[:, None]], axis=1)
    return tf.concat([rows, [[0.0, 0.0, 1.0]]], axis=0)


def two_pixels_at_least(photos: tf.Tensor) -> tf.Tensor:
    """Appends black to photos of one pixel a side, which has no extent for theta.

    Args:
        photos: `(batch, height, width, 3)`.
    """
    missing = tf.maximum(2 - tf.shape(photos)[1:3], 0)

    def append() -> tf.Tensor:
        return tf.pad(photos, [[0, 0], [0, missing[0]], [0, missing[1]], [0, 0]])

    return tf.cond(tf.reduce_any(missing > 0), append, lambda: photos)
