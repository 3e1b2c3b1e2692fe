"""Scores beside labels of twice their size."""

import numpy as np
import tensorflow as tf


def _matrices(size: int) -> np.ndarray:
    """Rows of a bilinear twofold enlargement: the even ones, then the odd ones.

    float32 `(2, size, size)`: pixel `2 i + phase` of the enlarged is row `i` of matrix
    `phase` times the pixels; pixel areas are aligned.
    """
    matrices = np.zeros((2, size, size), "float32")
    places = np.arange(size)
    for phase, step in enumerate((-1, 1)):
        neighbours = np.clip(places + step, 0, size - 1)
        matrices[phase, places, places] += 0.75
        matrices[phase, places, neighbours] += 0.25
    return matrices


def enlarge_phase(scores: tf.Tensor, row: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
    """Enlarges twofold, bilinearly, and computes one pixel of each 2x2 alone.

    The whole would be four times the memory, for labels that tell little more.

    Args:
        scores: float32 `(batch, height, width, classes)`, sizes known.
        row: integer scalar, 0 or 1: which row of each 2x2.
        column: integer scalar, 0 or 1: which column.

    Returns:
        float32, of the shape of `scores`: pixels `(2 y + row, 2 x + column)` of what
        `tf.image.resize` gives at twice the size.
    """
    _, height, width, classes = scores.shape
    rows = tf.reshape(scores, (-1, height, width * classes))
    rows = tf.matmul(tf.gather(_matrices(height), row), rows)
    columns = tf.reshape(rows, (-1, width, classes))
    columns = tf.matmul(tf.gather(_matrices(width), column), columns)
    return tf.reshape(columns, (-1, height, width, classes))


def label_phase(labels: tf.Tensor, row: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
    """Takes one pixel of each 2x2: `(batch, 2 h, 2 w)` -> `(batch, h, w)`."""
    _, height, width = labels.shape
    blocks = tf.reshape(labels, (-1, height // 2, 2, width // 2, 2))
    return tf.gather(tf.gather(blocks, row, axis=2), column, axis=3)


def match_sizes(
    scores: tf.Tensor, labels: tf.Tensor, key: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Brings scores to the pixels of their labels, where these have twice the size.

    Args:
        scores: float32 `(batch, height, width, classes)`.
        labels: integer `(batch, height, width)`, or twice as high and wide: then one
            pixel of each 2x2 counts.
        key: integer `(2,)`: decides which one.

    Returns:
        scores and labels, each of the scores' size.
    """
    if labels.shape[1:3] == scores.shape[1:3]:
        return scores, labels
    # Not the key itself: other draws of the step are made of it.
    own_key = key + tf.constant([0, 512], key.dtype)
    draw = tf.random.stateless_uniform((2,), own_key, 0, 2, tf.int32)
    row, column = tf.unstack(draw)
    return enlarge_phase(scores, row, column), label_phase(labels, row, column)
