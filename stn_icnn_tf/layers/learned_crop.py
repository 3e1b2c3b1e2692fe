"""Placing the windows, and cropping the parts out of a photo."""

import math
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from stn_icnn_tf.geometry.affine import (
    affine_grid,
    grid_sample,
    make_theta,
    theta_scale,
    to_pixels,
)
from stn_icnn_tf.geometry.windows import part_centers, target_theta, window_theta

Tensor = Any


@keras.saving.register_keras_serializable(package="stn_icnn_tf")
class LearnedCrop(layers.Layer):
    """Samples one patch a part: the grid transformer of the paper.

    Differentiable in the image and in theta. It always works in float32.

    Args:
        patch_size: side of a patch in pixels; odd, so that a window whose
            centre is on a pixel has its whole grid on pixels.
        interpolation: `"bilinear"` or `"nearest"`.

    Call arguments:
        image: float `(batch, height, width, channels)`.
        theta: float `(batch, parts, 2, 3)`, patch -> image.

    Output shape:
        float32 `(batch, parts, patch_size, patch_size, channels)`.

    Raises:
        ValueError: if `patch_size` is below 3.

    Reference:
        STN-iCNN eq. 3 and 14, section 3.3 (odd sizes).
    """

    def __init__(
        self, patch_size: int = 81, interpolation: str = "bilinear", **kwargs: Any
    ) -> None:
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        if patch_size < 3:
            raise ValueError(
                "Argument `patch_size` must be at least 3. "
                f"Received: patch_size={patch_size}"
            )
        self.patch_size = patch_size
        self.interpolation = interpolation

    def call(self, image: Tensor, theta: Tensor) -> Tensor:
        grid = affine_grid(theta, (self.patch_size, self.patch_size))
        return grid_sample(image, grid, self.interpolation)

    def compute_output_shape(self, image_shape: tuple, theta_shape: tuple) -> tuple:
        side = self.patch_size
        return (image_shape[0], theta_shape[1], side, side, image_shape[-1])

    def get_config(self) -> dict:
        config = super().get_config()
        config.update(patch_size=self.patch_size, interpolation=self.interpolation)
        return config


def centroid_theta(
    coarse_scores: Tensor,
    frame: Tensor,
    source_size: tuple[Tensor, Tensor],
    patch_size: int,
    window: str,
    mean_crop: tuple,
    scale_range: float,
    class_set: ClassSet = EIGHT_PARTS,
) -> Tensor:
    """Places each window on its part's centroid in the coarse mask: the baseline.

    The coarse mask is the argmax of the scores; a centroid is taken in it and
    brought to the source, which is the centroid of the mask enlarged to the
    source. Windows lie on whole source pixels. A part that the mask lacks gets its
    place on the mean face, and neither moves nor resizes the other windows.
    Nothing here has a gradient.

    Args:
        coarse_scores: float `(batch, coarse, coarse, classes)`.
        frame: float `(batch or 1, 1, 2, 3)`, coarse -> source.
        source_size: `(height, width)` of the source in pixels.
        patch_size: side of a patch in pixels.
        window: `"face"` or `"fixed"`, see `windows.window_theta`.
        mean_crop: `(parts, 3)`: scale, x and y of the mean face.
        scale_range: log of the largest ratio between a scale and its mean, as in
            `LocalizationNetwork`: a few stray pixels make no face.
        class_set: says which classes a part has.

    Returns:
        float `(batch, parts, 2, 3)`, patch -> source.

    Reference:
        Zhou et al. 2015; STN-iCNN section 2.1, fig. 1a.
    """
    centers, present = part_centers(ops.argmax(coarse_scores, axis=-1), class_set)
    centers = 2.0 * centers / (coarse_scores.shape[1] - 1.0) - 1.0
    whole = make_theta(np.ones((1, 1, 2)), np.zeros((1, 1, 2)))
    theta = target_theta(centers, present, whole, mean_crop, window)
    mean_scale = np.asarray(mean_crop, "float32")[:, :1]
    limit = math.exp(scale_range)
    scale = ops.clip(theta_scale(theta), mean_scale / limit, mean_scale * limit)
    theta = make_theta(scale, theta[..., 2])
    theta = window_theta(theta, frame, source_size, patch_size, window)
    size = ops.cast(ops.stack([source_size[1], source_size[0]]), "float32")
    pixel = ops.floor(to_pixels(theta[..., 2], size) + 0.5)
    return make_theta(theta_scale(theta), 2.0 * pixel / (size - 1.0) - 1.0)
