"""The conv over features of half the size, without drawing them at full size."""

from typing import Any

import numpy as np
from keras import ops

Tensor = Any


def block_taps(size: int) -> np.ndarray:
    """Lists which tap of a kernel joins which pixels of 2x2 blocks, along one axis.

    Args:
        size: of the kernel, odd.

    Returns:
        float32 `(offsets, 2, 2, size)`: `[offset, q, p, t]` is 1 where pixel p of a
        block sees pixel q of the block at an offset through tap t. Offsets run from
        `-reach` to `reach`, so many that every tap has a place.
    """
    reach = (size // 2 + 1) // 2
    offset, q, p, tap = np.ogrid[-reach : reach + 1, :2, :2, :size]
    return (tap == 2 * offset + q - p + size // 2).astype("float32")


def phase_kernel(kernel: Tensor) -> Tensor:
    """Folds a 5x5 kernel over upsampled features into one over the features.

    Taps that fall on the same half-size pixel add up, differently for each of
    the four phases of a full pixel within it.

    Args:
        kernel: float `(5, 5, channels, filters)`.

    Returns:
        float `(3, 3, channels, 4 * filters)`; the last axis runs over the phase's
        row, its column, the filter.
    """
    channels, filters = kernel.shape[2:]
    taps = block_taps(5).sum(axis=1)  # Both pixels of an upsampled block are alike.
    taps = np.einsum("apt,bqs->abpqts", taps, taps).reshape(36, 25)
    folded = ops.matmul(
        ops.convert_to_tensor(taps), ops.reshape(ops.cast(kernel, "float32"), (25, -1))
    )
    folded = ops.reshape(folded, (3, 3, 4, channels, filters))
    folded = ops.reshape(ops.transpose(folded, (0, 1, 3, 2, 4)), (3, 3, channels, -1))
    return ops.cast(folded, kernel.dtype)


def from_blocks(blocks: Tensor, size: tuple[int, int]) -> Tensor:
    """Lays the four pixels of each block side by side, and trims to a size.

    Args:
        blocks: float `(batch, ceil(height / 2), ceil(width / 2), 4 * channels)`; the
            last axis runs over the pixel's row in its block, its column, the channel.
        size: `(height, width)` of the result.

    Returns:
        float `(batch, height, width, channels)`.
    """
    result = ops.depth_to_space(blocks, 2)
    if tuple(result.shape[1:3]) != tuple(size):
        # Not result[:, :h, :w]: its gradient took a seventh of a training step.
        result = ops.slice(
            result, (0, 0, 0, 0), (ops.shape(result)[0], *size, result.shape[-1])
        )
    return result


def conv_phases(coarser: Tensor, kernel: Tensor, size: tuple[int, int]) -> Tensor:
    """Convolves upsampled features by a kernel that is already folded.

    Args:
        coarser: float `(batch, ceil(height / 2), ceil(width / 2), channels)`.
        kernel: float `(3, 3, channels, 4 * filters)`, see `phase_kernel`.
        size: `(height, width)` of the result.

    Returns:
        float `(batch, height, width, filters)`.
    """
    return from_blocks(
        ops.conv(coarser, kernel, padding="same", data_format="channels_last"), size
    )


def conv_upsampled(coarser: Tensor, kernel: Tensor, size: tuple[int, int]) -> Tensor:
    """Convolves features that are first upsampled twofold by nearest neighbour.

    The same numbers for 9 / 25 of the multiplications: a 3x3 conv at half size
    makes the four phases of each pixel, which are then laid side by side. Of an
    odd `size`, the conv sees the upsampled features one pixel past the border.

    Args:
        coarser: float `(batch, ceil(height / 2), ceil(width / 2), channels)`.
        kernel: float `(5, 5, channels, filters)`.
        size: `(height, width)` of the result.

    Returns:
        float `(batch, height, width, filters)`.

    Reference:
        STN-iCNN section 2.2: the links from a coarser row.
    """
    return conv_phases(coarser, phase_kernel(kernel), size)
