"""Pasting the labels of the parts back into one mask.

The rule is that of `pasting_rule`; how the pixels of a window are reached differs: the
Keras model scatters into flat planes, the fused model works on the rectangle of a face,
the one of a fixed size on whole photos, and without TensorFlow it is done in NumPy.
"""

from typing import Any

import keras
from keras import ops

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from stn_icnn_tf.geometry.affine import (
    grid_sample,
    invert_theta,
    theta_scale,
    to_pixels,
)
from stn_icnn_tf.geometry.pasting_rule import (
    Pasted,
    best_class,
    combine,
    decide,
    part_labels,
)

Tensor = Any


def fading_margin(patch_size: int) -> float:
    """How much further than its corner pixels' centres a patch reaches.

    Sampled bilinearly, a patch fades out over one patch pixel beyond them.
    """
    return 1.0 + 2.0 / (patch_size - 1)


# === For Keras, on any backend ===


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
    probabilities: list[Tensor],
    theta: Tensor,
    size: tuple[Tensor, Tensor],
    class_set: ClassSet = EIGHT_PARTS,
    base: Tensor | None = None,
) -> Tensor:
    """Pastes the labels of the parts into one mask.

    Each part touches only the pixels of its own window; outside every patch nothing
    is a part's.

    Args:
        probabilities: one float `(batch, patch, patch, classes)` a part: softmax of
            its scores, without the channel "not this part".
        theta: float `(batch, parts, 2, 3)`, patch -> photo.
        size: `(height, width)` of the photo in pixels.
        class_set: says which classes a part has.
        base: float `(batch, height, width, base classes)`, probabilities among
            these; None if background is the only one.

    Returns:
        uint8 `(batch, height, width)`, class ids.

    Reference:
        STN-iCNN eq. 5 and 6.
    """
    height, width = size
    theta = ops.convert_to_tensor(theta, dtype="float32")
    batch = ops.shape(theta)[0]
    pixels = batch * height * width
    planes = Pasted(
        ops.ones((pixels,), "float32"),
        ops.zeros((pixels,), "float32"),
        ops.zeros((pixels,), "int32"),
    )
    size_x, size_y = ops.cast(width, "float32"), ops.cast(height, "float32")
    inverse = invert_theta(theta)
    first_pixel = ops.arange(batch, dtype="int32") * (height * width)

    for index, part in enumerate(class_set.parts):
        patch = probabilities[index]
        half = theta_scale(theta[:, index]) * fading_margin(patch.shape[1])
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
        scores = grid_sample(patch, rectangular_grid(u, v))
        scores = ops.reshape(scores, (-1, len(part.classes)))
        where = first_pixel[:, None, None] + ys[:, :, None] * width + xs[:, None, :]
        where = ops.reshape(where, (-1,))

        before = Pasted(*(ops.take(plane, where) for plane in planes))
        after = combine(before, part_labels(ops.unstack(scores, axis=-1), part.classes))
        planes = Pasted(
            *(
                ops.scatter_update(plane, where[:, None], values)
                for plane, values in zip(planes, after, strict=True)
            )
        )

    if base is not None:
        base = ops.reshape(base, (-1, len(class_set.base_classes)))
        base = best_class(ops.unstack(base, axis=-1), class_set.base_classes)
    mask = ops.reshape(decide(planes, base), (batch, height, width))
    return ops.cast(mask, "uint8")


def rectangular_grid(u: Tensor, v: Tensor) -> Tensor:
    """Makes a grid of positions from those along each axis.

    Args:
        u: float `(batch, width)`, x of each column.
        v: float `(batch, height)`, y of each row.

    Returns:
        float `(batch, height, width, 2)`, see `grid_sample`.
    """
    shape = (ops.shape(u)[0], ops.shape(v)[1], ops.shape(u)[1])
    return ops.stack(
        [
            ops.broadcast_to(u[:, None, :], shape),
            ops.broadcast_to(v[:, :, None], shape),
        ],
        axis=-1,
    )
