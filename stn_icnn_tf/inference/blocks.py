"""Convolutions on 2x2 blocks of pixels: fewer places, four times the channels.

A CPU's vectors hold 16 numbers, so a conv to 8 channels leaves half of each empty.
The same conv over blocks has 32. Its kernel has zeros where a tap falls outside
the reach of the original, so it multiplies more, and is still faster.
"""

import numpy as np
import tensorflow as tf

from stn_icnn_tf.layers.convolution import block_taps


def block_kernel(kernel: np.ndarray) -> np.ndarray:
    """Rewrites a kernel over pixels as one over 2x2 blocks.

    Args:
        kernel: float32 `(size, size, channels, filters)`, size 5 or 9.

    Returns:
        float32 `(size_b, size_b, 4 * channels, 4 * filters)` with `size_b` 3 or 5;
        four channels a channel: row in the block, column in the block, channel.
    """
    size, _, channels, filters = kernel.shape
    taps = block_taps(size)
    rewritten = np.einsum("aqpt,bruv,tvcf->abqrcpuf", taps, taps, kernel, optimize=True)
    return rewritten.reshape(*rewritten.shape[:2], 4 * channels, 4 * filters)


def to_blocks(pixels: tf.Tensor) -> tf.Tensor:
    """Gathers 2x2 pixels `(batch, height, width, c)` into one place with 4 c channels.

    `convolution.from_blocks` undoes it.
    An odd side is filled up with a zero pixel at its end.
    """
    height, width = pixels.shape[1:3]
    if height % 2 or width % 2:
        pixels = tf.pad(pixels, [[0, 0], [0, height % 2], [0, width % 2], [0, 0]])
    return tf.nn.space_to_depth(pixels, 2)


def inside(size: tuple[int, int]) -> np.ndarray | None:
    """Marks the pixels of blocks that are inside a picture of odd size.

    Returns:
        float32 `(1, rows, columns, 4, 1)`, 1 inside, 0 on the pixels that
        `to_blocks` fills up; None if there are none.
    """
    if size[0] % 2 == 0 and size[1] % 2 == 0:
        return None
    marks = np.zeros([side + side % 2 for side in size], "float32")
    marks[: size[0], : size[1]] = 1.0
    rows, columns = (side // 2 for side in marks.shape)
    marks = marks.reshape(rows, 2, columns, 2).transpose(0, 2, 1, 3)
    return marks.reshape(1, rows, columns, 4, 1)
