"""The conv over features of half the size, without drawing them at full size."""

from typing import Any

import numpy as np
from keras import ops

Tensor = Any

# TAPS[phase, offset, tap] is 1 where the tap of a 5-wide kernel, centred on full
# pixel 2 i + phase, falls on half-size pixel i + offset - 1.
TAPS = np.array(
    [
        [
            [float((phase + tap - 2) // 2 == offset - 1) for tap in range(5)]
            for offset in range(3)
        ]
        for phase in range(2)
    ],
    "float32",
)


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
    taps = ops.cast(np.einsum("pdt,qes->depqts", TAPS, TAPS).reshape(36, 25), "float32")
    folded = ops.matmul(taps, ops.reshape(ops.cast(kernel, "float32"), (25, -1)))
    folded = ops.reshape(folded, (3, 3, 4, channels, filters))
    folded = ops.reshape(ops.transpose(folded, (0, 1, 3, 2, 4)), (3, 3, channels, -1))
    return ops.cast(folded, kernel.dtype)


def conv_phases(coarser: Tensor, kernel: Tensor, size: tuple[int, int]) -> Tensor:
    """Convolves upsampled features by a kernel that is already folded.

    Args:
        coarser: float `(batch, ceil(height / 2), ceil(width / 2), channels)`.
        kernel: float `(3, 3, channels, 4 * filters)`, see `phase_kernel`.
        size: `(height, width)` of the result.

    Returns:
        float `(batch, height, width, filters)`.
    """
    result = ops.depth_to_space(ops.conv(coarser, kernel, padding="same"), 2)
    if tuple(result.shape[1:3]) != tuple(size):
        # Not result[:, :h, :w]: its gradient took a seventh of a training step.
        result = ops.slice(
            result, (0, 0, 0, 0), (ops.shape(result)[0], *size, result.shape[-1])
        )
    return result


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
