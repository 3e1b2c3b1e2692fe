"""Candidate crops: where else in a photo a face may be, and how sure of it one is."""

from typing import Any

import numpy as np
import tensorflow as tf

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from stn_icnn_tf.inference.squares import rotation, whole_square, width_and_height
from stn_icnn_tf.models.pipeline import Pipeline

Tensor = Any

# The candidate crops that are upright: the enlargement, and the place from left to
# right and from top to bottom, 0..1.
CLOSER = (*((2, x / 2, y / 2) for y in range(3) for x in range(3)), (4, 0.5, 0.5))
# Those of the whole photo turned, in degrees. The localization network tells a roll of
# up to some 35 degrees, but the coarse net is the less sure the larger it is: with 30
# degrees between candidates another person's upright face more often won.
ROLLS = tuple(roll for roll in range(-165, 181, 15) if roll)

# By how much more confident a candidate must be than the whole photo: with 1.2 most of
# the faces in a border twice as wide were left as they are, and lost. A candidate that
# is too close cuts parts off, but that counts, too.
MORE_CONFIDENT = 1.05
# What a turned candidate counts from this confidence on: of two faces about as sure,
# the larger one is meant. With 1.02 more neighbours won, with 1.05 more faces in a
# wide border were lost.
SURE_TURN = 0.9
TURNED = 1.03


def coarse_confidence(
    coarse_scores: tf.Tensor, class_set: ClassSet = EIGHT_PARTS
) -> tuple[tf.Tensor, tf.Tensor]:
    """Tells how well coarse scores show a face.

    Args:
        coarse_scores: float `(views, height, width, classes)`, logits.
        class_set: of the scores.

    Returns:
        confidence: float32 `(views,)`, 0..1: the mean probability of the pixels that
            are labelled as parts. What is not there, such as a brow under hair, takes
            nothing from it.
        found: float32 `(views,)`, 0..1, the share of the parts that are found. One
            class is enough: a closed mouth has no inner mouth.
    """
    probabilities = tf.nn.softmax(tf.cast(coarse_scores, tf.float32))
    labels = tf.argmax(probabilities, axis=-1)
    shown = tf.one_hot(labels, class_set.num_classes)
    is_part = tf.reduce_sum(tf.gather(shown, class_set.part_classes, axis=-1), axis=-1)
    sure = tf.reduce_sum(tf.reduce_max(probabilities, axis=-1) * is_part, axis=(1, 2))
    sure /= tf.maximum(tf.reduce_sum(is_part, axis=(1, 2)), 1.0)
    classes = tf.reduce_max(shown, axis=(1, 2))
    found = [
        tf.reduce_max(tf.gather(classes, part.classes, axis=1), axis=1)
        for part in class_set.parts
    ]
    return sure, tf.reduce_mean(tf.stack(found), axis=0)


def best_candidate(
    model: Pipeline, photo: tf.Tensor, whole: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Chooses where to look: at the whole photo, closer, or with a turned head.

    A face that is small or far from upright is lost on the coarse net, but its scores
    tell: it is unsure, and finds some parts only. Then all candidate crops go through
    the coarse net as one batch.

    Args:
        model: the model, or its fused form.
        photo: `(height, width, 3)`, 0..255.
        whole: float scalar, confidence in the whole photo times the share of the
            parts that are found on it.

    Returns:
        the square of the best candidate; bool, whether it is better than the whole
        photo.
    """
    views = candidate_views(photo, model.coarse_image_size)
    confidence, found = coarse_confidence(model.coarse_scores(views), model.class_set)
    theirs = confidence * found
    is_turned = tf.constant([False] * len(CLOSER) + [True] * len(ROLLS))
    is_large = is_turned & (theirs > SURE_TURN)
    best = tf.argmax(tf.where(is_large, TURNED * theirs, theirs))
    squares = candidate_squares(width_and_height(photo))
    return tf.gather(squares, best), tf.gather(theirs, best) > MORE_CONFIDENT * whole


def candidate_squares(size: Tensor) -> tf.Tensor:
    """Lists the candidates of a photo of `(width, height)`: float32 `(count, 4)`."""
    x, y, side, _ = tf.unstack(whole_square(size))
    closer = [
        (x + (1 - 1 / zoom) * (right - 0.5) * side,
         y + (1 - 1 / zoom) * (down - 0.5) * side, side / zoom, 0.0)
        for zoom, right, down in CLOSER
    ]  # fmt: skip
    turned = [(x, y, side, np.radians(roll)) for roll in ROLLS]
    return tf.stack([tf.stack(square) for square in closer + turned])


def candidate_views(photo: tf.Tensor, size: int) -> tf.Tensor:
    """Cuts all candidates out of a photo, as the coarse net takes them.

    Everything is cut from the photo at four times the size of a view, or at twice: what
    a view shows is not finer than that.

    Args:
        photo: `(height, width, 3)`, 0..255.
        size: side of the views in pixels.

    Returns:
        float32 `(count, size, size, 3)`, 0..255, in the order of `candidate_squares`.
    """
    photo = tf.cast(photo, tf.float32)
    pictures = {4: tf.image.resize_with_pad(photo, 4 * size, 4 * size, antialias=True)}
    pictures[2] = tf.image.resize(pictures[4], (2 * size, 2 * size), antialias=True)
    views = []
    for zoom, right, down in CLOSER:
        left, top = (round(place * (zoom - 1) * size) for place in (right, down))
        views.append(pictures[zoom][top : top + size, left : left + size])
    # Each pixel of a turned view is read between four of the picture twice as fine.
    turn = rotation(np.radians(np.array(ROLLS, "float32")))
    middle = np.array([size - 0.5, size - 0.5], "float32")
    corner = middle - tf.linalg.matvec(turn, [size - 1.0, size - 1.0])
    rows = tf.concat([2.0 * turn, corner[..., None]], axis=-1)
    matrices = tf.concat([tf.reshape(rows, (-1, 6)), tf.zeros((len(ROLLS), 2))], axis=1)
    turned = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.tile(pictures[2][None], (len(ROLLS), 1, 1, 1)),
        transforms=matrices,
        output_shape=(size, size),
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
        fill_value=0.0,
    )
    return tf.concat([tf.stack(views), turned], axis=0)
