"""Where pixels are, and reading windows without rotation as two matrix products.

For arrays of NumPy and tensors of Keras alike.
"""

from typing import Any

import numpy as np

from stn_icnn_tf.geometry.arrays import array_ops

Tensor = Any


def to_pixels(position: Tensor, size: Tensor) -> Tensor:
    """Maps normalised positions to pixels: -1 -> 0 and +1 -> `size - 1`."""
    return (position + 1.0) * (0.5 * (size - 1.0))


def bilinear_weights(
    theta: Tensor, axis: str, count: int, size: int, fade: bool = True
) -> Tensor:
    """Computes the weights with which windows read the pixels along one axis.

    Args:
        theta: float32 `(parts, 2, 3)`, window -> source, without rotation.
        axis: `"x"` or `"y"`.
        count: pixels of a window along the axis.
        size: pixels of the source along the axis.
        fade: what a window reads beyond the border: True, nothing, so that there the
            weights fade to zero as those of `grid_sample` do; False, the outermost
            pixel.

    Returns:
        float32 `(parts, count, size)`.
    """
    ops, index = array_ops(theta), "xy".index(axis)
    scale, shift = theta[:, index, index], theta[:, index, 2]
    grid = np.linspace(-1.0, 1.0, count, dtype="float32")
    position = to_pixels(scale[:, None] * grid + shift[:, None], size)
    if not fade:
        position = ops.clip(position, 0.0, size - 1.0)
    distance = ops.abs(position[..., None] - np.arange(size, dtype="float32"))
    return ops.maximum(1.0 - distance, 0.0)


def sample_planes(rows: Tensor, planes: Tensor, columns: Tensor) -> Tensor:
    """Samples planes with weights of `bilinear_weights`.

    Args:
        rows: float32 `(..., count_y, height)`.
        planes: float32 `(..., height, width)`.
        columns: float32 `(..., count_x, width)`.

    Returns:
        float32 `(..., count_y, count_x)`.
    """
    ops = array_ops(rows, planes, columns)
    return ops.matmul(ops.matmul(rows, planes), ops.swapaxes(columns, -1, -2))
