"""Cutting squares out of photos, and taking what is found in them back.

Where they lie is told in `geometry.squares`.
"""

import tensorflow as tf

from stn_icnn_tf.data.augment import warp
from stn_icnn_tf.geometry.squares import PlacedSquare


def width_and_height(photos: tf.Tensor) -> tf.Tensor:
    """Returns int32 `(2,)` of photos `(..., height, width, channels)`.

    Not `shape[::-1]`: TensorFlow's optimizer of layouts stumbles over that.
    """
    *_, height, width, _ = tf.unstack(tf.shape(photos))
    return tf.stack([width, height])


class Cut(PlacedSquare):
    """A square as it is cut out of a photo, and the way back, in TensorFlow."""

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
