"""Labelling a whole photo with the base layer, where nothing else is asked of it."""

from typing import NamedTuple

import tensorflow as tf

from stn_icnn_tf.geometry.affine import to_pixels

# Of coarse pixels whose neighbours have other labels.
_EDGE = 255


class EnlargedLabels(NamedTuple):
    """The best class of each pixel of a photo.

    Attributes:
        labels: uint8 `(height, width)`, class ids.
        edges: int32 `(pixels, 2)`, rows and columns of those beside which another
            class is the best.
        best: float32 `(pixels,)`, the highest probability of each of these.
    """

    labels: tf.Tensor
    edges: tf.Tensor
    best: tf.Tensor


def enlarged_labels(
    probabilities: tf.Tensor,
    to_coarse: tf.Tensor,
    size: tuple[tf.Tensor, tf.Tensor],
    classes: tuple[int, ...],
) -> EnlargedLabels:
    """Finds the best class of coarse probabilities that are enlarged bilinearly.

    Where the four coarse pixels around a photo's pixel have one best class, it is the
    best of any mean of them: only along edges is anything interpolated.

    Args:
        probabilities: float32 `(coarse height, coarse width, channels)`.
        to_coarse: float32 `(2, 3)`, photo -> coarse frame, without rotation. Beyond
            the outermost coarse pixels these are repeated.
        size: `(height, width)` of the photo in pixels.
        classes: ids of the channels.
    """
    coarse_height, coarse_width, channels = probabilities.shape
    y, first_y = _positions(to_coarse[1, 1], to_coarse[1, 2], size[0], coarse_height)
    x, first_x = _positions(to_coarse[0, 0], to_coarse[0, 2], size[1], coarse_width)
    ids = tf.constant(classes, tf.uint8)
    labels = tf.gather(ids, tf.argmax(probabilities, axis=-1))
    corner = labels[:-1, :-1]
    alike = (
        (corner == labels[1:, :-1])
        & (corner == labels[:-1, 1:])
        & (corner == labels[1:, 1:])
    )
    # One number says both; and what is repeated are whole rows, of bytes.
    marked = tf.where(alike, corner, tf.constant(_EDGE, tf.uint8))
    marked = tf.transpose(tf.gather(tf.transpose(marked), first_x))
    marked = tf.gather(marked, first_y)
    edges = tf.cast(tf.where(marked == _EDGE), tf.int32)
    rows, columns = edges[:, 0], edges[:, 1]
    top, left = tf.gather(first_y, rows), tf.gather(first_x, columns)
    down = (tf.gather(y, rows) - tf.cast(top, tf.float32))[:, None]
    right = (tf.gather(x, columns) - tf.cast(left, tf.float32))[:, None]
    flat = tf.reshape(probabilities, (-1, channels))
    place = top * coarse_width + left

    def between(first: tf.Tensor) -> tf.Tensor:
        one, other = tf.gather(flat, first), tf.gather(flat, first + 1)
        return one + right * (other - one)

    above, below = between(place), between(place + coarse_width)
    values = above + down * (below - above)
    best = tf.gather(ids, tf.argmax(values, axis=-1))
    labels = tf.tensor_scatter_nd_update(marked, edges, best)
    return EnlargedLabels(labels, edges, tf.reduce_max(values, axis=-1))


def best_within(
    enlarged: EnlargedLabels, flat_best: tf.Tensor, left: tf.Tensor, top: tf.Tensor
) -> tf.Tensor:
    """Finds the highest probability of each pixel of a rectangle of the photo.

    Args:
        enlarged: of the photo.
        flat_best: float32 `(height, width)` of the rectangle: the highest probability
            of each coarse pixel, enlarged. It is right but along edges.
        left: the rectangle's first column.
        top: its first row.

    Returns:
        float32 `(height, width)`.
    """
    place = enlarged.edges - tf.stack([top, left])
    inside = tf.reduce_all((place >= 0) & (place < tf.shape(flat_best)), axis=-1)
    return tf.tensor_scatter_nd_update(
        flat_best,
        tf.boolean_mask(place, inside),
        tf.boolean_mask(enlarged.best, inside),
    )


def _positions(
    scale: tf.Tensor, shift: tf.Tensor, count: tf.Tensor, coarse: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Finds where pixels lie among coarse ones along an axis.

    Returns:
        float32 `(count,)`, the place in coarse pixels; int32 `(count,)`, the coarse
        pixel before it, of which there is one behind.
    """
    pixels = tf.cast(tf.range(count), tf.float32)
    place = 2.0 * pixels / (tf.cast(count, tf.float32) - 1.0) - 1.0
    place = to_pixels(scale * place + shift, coarse)
    place = tf.clip_by_value(place, 0.0, coarse - 1.0)
    return place, tf.minimum(tf.cast(place, tf.int32), coarse - 2)
