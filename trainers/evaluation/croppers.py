"""The croppers that one set of weights is scored with."""

import tensorflow as tf

from stn_icnn_tf.geometry.windows import part_centers, target_theta
from stn_icnn_tf.layers.learned_crop import centroid_theta
from stn_icnn_tf.models.pipeline import Cropper, Pipeline
from stn_icnn_tf.models.steps import FramedPhotos

CROPPERS = ("learned", "centroid", "ground_truth")


def make_cropper(model: Pipeline, name: str, mask: tf.Tensor | None = None) -> Cropper:
    """Returns what places the windows.

    Args:
        model: whose window rule, mean crop and localization network it follows.
        name: `"learned"`, the localization network; `"centroid"`, the centroids of
            the coarse mask, as in the baseline; `"ground_truth"`, the centroids of
            the label.
        mask: integer `(batch, height, width)`, the label at the photos' size;
            needed by `"ground_truth"` alone.

    Raises:
        ValueError: if there is no such cropper, or its label is missing.
    """
    if name == "learned":
        return model.learned_windows
    if name == "centroid":
        return _centroid(model)
    if name != "ground_truth":
        raise ValueError(
            f"Argument `cropper` must be one of {CROPPERS}. Received: cropper={name}"
        )
    if mask is None:
        raise ValueError(
            'Argument `mask` must be given with the cropper "ground_truth". '
            "Received: mask=None"
        )
    return _ground_truth(model, mask)


def _centroid(model: Pipeline) -> Cropper:
    def windows(coarse_scores: tf.Tensor, framed: FramedPhotos) -> tf.Tensor:
        return centroid_theta(
            coarse_scores,
            framed.source_frame,
            framed.source_size,
            model.patch_size,
            model.window,
            model.mean_crop,
            model.scale_range,
            model.class_set,
        )

    return windows


def _ground_truth(model: Pipeline, mask: tf.Tensor) -> Cropper:
    def windows(coarse_scores: tf.Tensor, framed: FramedPhotos) -> tf.Tensor:
        del coarse_scores
        centers, present = part_centers(mask, model.class_set)
        extent = tf.cast(tf.shape(mask)[:0:-1] - 1, tf.float32)  # (x, y)
        theta = target_theta(
            2.0 * centers / extent - 1.0,
            present,
            framed.photo_frame,
            model.mean_crop,
            model.window,
        )
        return model.source_theta(theta, framed.source_frame, framed.source_size)

    return windows
