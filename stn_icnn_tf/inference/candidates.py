"""Candidate crops: where else in a photo a face may be, and how sure of it one is."""

import functools
from typing import Any

import numpy as np
import tensorflow as tf

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from stn_icnn_tf.geometry.candidate_squares import (
    best_candidates,
    candidate_squares,
    closer_corners,
    turned_maps,
)
from stn_icnn_tf.inference.squares import width_and_height
from stn_icnn_tf.models.pipeline import Pipeline

Tensor = Any

# What a candidate loses of its confidence whose face lies at its edge: most often it is
# cut there, or is not who is meant.
OFF_CENTER = 0.2


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
    return candidate_confidence(coarse_scores, class_set)[:2]


def candidate_confidence(
    coarse_scores: tf.Tensor, class_set: ClassSet = EIGHT_PARTS
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Tells how well candidate crops show a face, and how near to their middle.

    Args:
        coarse_scores: float `(views, height, width, classes)`, logits.
        class_set: of the scores.

    Returns:
        confidence, found: see `coarse_confidence`.
        center: float32 `(views,)`: 1 if the pixels that are labelled as parts lie about
            the middle, or there are none; less by the square of the distance of their
            mean, down to `1 - OFF_CENTER` half a side away.
    """
    scores = tf.cast(coarse_scores, tf.float32)
    labels = tf.argmax(scores, axis=-1, output_type=tf.int32)
    best = tf.reduce_max(scores, axis=-1)
    # The softmax of the best class.
    sure = 1.0 / tf.reduce_sum(tf.exp(scores - best[..., None]), axis=-1)
    shown = {i: labels == i for i in class_set.part_classes}
    is_part = tf.cast(functools.reduce(tf.logical_or, shown.values()), tf.float32)
    count = tf.maximum(tf.reduce_sum(is_part, axis=(1, 2)), 1.0)
    sure = tf.reduce_sum(sure * is_part, axis=(1, 2))
    found = [
        tf.reduce_any(tf.stack([shown[i] for i in part.classes]), axis=(0, 2, 3))
        for part in class_set.parts
    ]
    distance = tf.zeros_like(count)
    for axis in (1, 2):
        size = tf.cast(tf.shape(is_part)[axis], tf.float32)
        place = 2.0 * (tf.range(size) + 0.5) / size - 1.0
        along = tf.reduce_sum(is_part, axis=3 - axis) * place
        distance += tf.square(tf.reduce_sum(along, axis=1) / count)
    center = 1.0 - OFF_CENTER * tf.minimum(distance, 1.0)
    found = tf.reduce_mean(tf.cast(tf.stack(found), tf.float32), axis=0)
    return sure / count, found, center


def candidates_to_try(
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
        see `best_candidates`.
    """
    views = candidate_views(photo, model.coarse_image_size)
    scores = model.coarse_scores(views)
    confidence, found, center = candidate_confidence(scores, model.class_set)
    squares = candidate_squares(width_and_height(photo))
    return best_candidates(confidence * found * center, whole, squares)


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
    views = [
        pictures[zoom][top : top + size, left : left + size]
        for zoom, left, top in closer_corners(size)
    ]
    maps = turned_maps(size)
    matrices = np.concatenate([maps.reshape(-1, 6), np.zeros((len(maps), 2))], axis=1)
    turned = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.tile(pictures[2][None], (len(maps), 1, 1, 1)),
        transforms=matrices.astype("float32"),
        output_shape=(size, size),
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
        fill_value=0.0,
    )
    return tf.concat([tf.stack(views), turned], axis=0)
