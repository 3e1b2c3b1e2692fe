"""Cropping the parts out of a photo, and pasting their labels back."""

import math
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from stn_icnn_tf.geometry import (
    affine_grid,
    grid_sample,
    invert_theta,
    make_theta,
    theta_scale,
    to_pixels,
)
from stn_icnn_tf.labels import PARTS
from stn_icnn_tf.windows import part_centers, target_theta, window_theta

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
) -> Tensor:
    """Places each window on its part's centroid in the coarse mask: the baseline.

    The coarse mask is the argmax of the scores; a centroid is taken in it and
    brought to the source, which is the centroid of the mask enlarged to the
    source. Windows lie on whole source pixels. A part that the mask lacks gets its
    place on the mean face, and neither moves nor resizes the other windows.
    Nothing here has a gradient.

    Args:
        coarse_scores: float `(batch, coarse, coarse, 9)`.
        frame: float `(batch or 1, 1, 2, 3)`, coarse -> source.
        source_size: `(height, width)` of the source in pixels.
        patch_size: side of a patch in pixels.
        window: `"face"` or `"fixed"`, see `windows.window_theta`.
        mean_crop: `(parts, 3)`: scale, x and y of the mean face.
        scale_range: log of the largest ratio between a scale and its mean, as in
            `LocalizationNetwork`: a few stray pixels make no face.

    Returns:
        float `(batch, parts, 2, 3)`, patch -> source.

    Reference:
        Zhou et al. 2015; STN-iCNN section 2.1, fig. 1a.
    """
    centers, present = part_centers(ops.argmax(coarse_scores, axis=-1))
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


def fading_margin(patch_size: int) -> float:
    """How much further than its corner pixels' centres a patch reaches.

    Sampled bilinearly, a patch fades out over one patch pixel beyond them.
    """
    return 1.0 + 2.0 / (patch_size - 1)


def _window(center: Tensor, half: Tensor, size: Tensor) -> Tensor:
    """Lists the pixels `(batch, count)` that a window covers along one axis.

    All windows of a batch get as many pixels as the largest needs, and are moved
    into the picture, where what one has too many falls outside its patch.
    """
    if keras.backend.backend() == "jax":
        # A count that the windows decide is unknown to `jax.jit`, and makes JAX
        # compile every op anew for every photo. The mask is the same.
        count = size
    else:
        count = ops.cast(ops.ceil(ops.max(2.0 * half)), "int32") + 1
        count = ops.minimum(count, size)
    first = ops.cast(ops.ceil(center - half), "int32")
    first = ops.clip(first, 0, size - count)
    return first[:, None] + ops.arange(count, dtype="int32")[None, :]


def paste_back(
    part_probabilities: list[Tensor], theta: Tensor, size: tuple[Tensor, Tensor]
) -> Tensor:
    """Pastes the labels of the parts into one mask.

    Each part touches only the pixels of its own window. Outside every patch is
    background, so the background's score is the product over the patches, and a
    pixel takes the class of the highest score. Three planes hold what that
    needs: the product, the best foreground score so far, and its class.

    Args:
        part_probabilities: one float `(batch, patch, patch, 1 + classes)` a
            part, softmax of its scores, background first.
        theta: float `(batch, parts, 2, 3)`, patch -> photo.
        size: `(height, width)` of the photo in pixels.

    Returns:
        uint8 `(batch, height, width)`, class ids.

    Reference:
        STN-iCNN eq. 5 and 6.
    """
    height, width = size
    theta = ops.convert_to_tensor(theta, dtype="float32")
    batch = ops.shape(theta)[0]
    pixels = batch * height * width
    background = ops.ones((pixels,), "float32")
    best = ops.zeros((pixels,), "float32")
    best_class = ops.zeros((pixels,), "int32")
    size_x, size_y = ops.cast(width, "float32"), ops.cast(height, "float32")
    inverse = invert_theta(theta)
    first_pixel = ops.arange(batch, dtype="int32") * (height * width)

    for index, part in enumerate(PARTS):
        foreground = part_probabilities[index][..., 1:]
        half = theta_scale(theta[:, index]) * fading_margin(foreground.shape[1])
        center = theta[:, index, :, 2]
        xs = _window(
            to_pixels(center[:, 0], size_x), half[:, 0] * (size_x - 1.0) / 2.0, width
        )
        ys = _window(
            to_pixels(center[:, 1], size_y), half[:, 1] * (size_y - 1.0) / 2.0, height
        )
        to_patch = inverse[:, index, :, :, None]
        u = 2.0 * ops.cast(xs, "float32") / (size_x - 1.0) - 1.0
        v = 2.0 * ops.cast(ys, "float32") / (size_y - 1.0) - 1.0
        u = to_patch[:, 0, 0] * u + to_patch[:, 0, 2]
        v = to_patch[:, 1, 1] * v + to_patch[:, 1, 2]
        shape = (batch, ops.shape(ys)[1], ops.shape(xs)[1])
        grid = ops.stack(
            [
                ops.broadcast_to(u[:, None, :], shape),
                ops.broadcast_to(v[:, :, None], shape),
            ],
            axis=-1,
        )
        scores = grid_sample(foreground, grid)
        scores = ops.reshape(scores, (-1, len(part.classes)))
        where = first_pixel[:, None, None] + ys[:, :, None] * width + xs[:, None, :]
        where = ops.reshape(where, (-1,))

        top = ops.max(scores, axis=-1)
        classes = ops.convert_to_tensor(part.classes, dtype="int32")
        top_class = ops.take(classes, ops.argmax(scores, axis=-1))
        before = ops.take(best, where)
        top_class = ops.where(top > before, top_class, ops.take(best_class, where))
        product = ops.take(background, where) * (1.0 - ops.sum(scores, axis=-1))
        target = where[:, None]
        background = ops.scatter_update(background, target, product)
        best = ops.scatter_update(best, target, ops.maximum(top, before))
        best_class = ops.scatter_update(best_class, target, top_class)

    mask = ops.where(best > background, best_class, ops.zeros_like(best_class))
    return ops.cast(ops.reshape(mask, (batch, height, width)), "uint8")
