"""Pasting the labels of the parts back into one mask."""

from typing import Any

import keras
from keras import ops

from stn_icnn_tf.class_sets import PARTS
from stn_icnn_tf.geometry.affine import (
    grid_sample,
    invert_theta,
    theta_scale,
    to_pixels,
)

Tensor = Any


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
