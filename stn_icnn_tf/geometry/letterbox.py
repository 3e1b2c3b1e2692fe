"""Where a photo lies in the zero square that letterboxing makes of it."""

from typing import Any, NamedTuple

from stn_icnn_tf.geometry.arrays import array_ops

Tensor = Any


class Letterbox(NamedTuple):
    """The square around a photo, in pixels of the photo; integers or tensors.

    Attributes:
        side: of the square: the photo's longer side.
        top: rows of zeros above the photo.
        left: columns of zeros to its left.
        bottom: rows below it.
        right: columns to its right.
    """

    side: Tensor
    top: Tensor
    left: Tensor
    bottom: Tensor
    right: Tensor


def letterbox(height: Tensor, width: Tensor) -> Letterbox:
    """Centres a photo on a square; an odd row or column of zeros goes to its end.

    Args:
        height: of the photo in pixels, integer or integer tensor.
        width: the same.

    Returns:
        integers where both sizes are integers, as `jax.jit` needs; tensors else.
    """
    if isinstance(height, int) and isinstance(width, int):
        side = max(height, width)
    else:
        side = array_ops(height, width).maximum(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    return Letterbox(side, top, left, side - height - top, side - width - left)
