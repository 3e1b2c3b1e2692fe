"""Pasting the labels of the parts back into one mask.

The rule stands here once; how the pixels of a window are reached differs: the Keras
model scatters into flat planes, the fused model works on the rectangle of a face, the
one of a fixed size on whole photos.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from stn_icnn_tf.geometry.affine import (
    grid_sample,
    invert_theta,
    theta_scale,
    to_pixels,
)

Tensor = Any


# === The rule ===


class Pasted(NamedTuple):
    """What pasting keeps of each pixel; planes of one shape.

    Attributes:
        rest: product of the parts' probabilities of "not this part".
        best: the highest probability of a part's class so far.
        best_class: its class id.
    """

    rest: Tensor
    best: Tensor
    best_class: Tensor


def best_class(
    probabilities: Sequence[Tensor], classes: Sequence[int], dtype: str = "int32"
) -> tuple[Tensor, Tensor]:
    """Finds the highest of some planes, and the class id that goes with it.

    Args:
        probabilities: a float plane a class.
        classes: their ids.
        dtype: of the ids.

    Returns:
        the highest probability and its class; of equal ones the first.
    """
    best = probabilities[0]
    ids = ops.full_like(best, classes[0], dtype=dtype)
    for plane, class_id in zip(probabilities[1:], classes[1:], strict=True):
        other = ops.full_like(ids, class_id)
        ids = ops.where(plane > best, other, ids)
        best = ops.maximum(best, plane)
    return best, ids


def part_labels(
    probabilities: Sequence[Tensor], classes: Sequence[int], dtype: str = "int32"
) -> Pasted:
    """Tells what one part says of its window's pixels, see `best_class`."""
    return Pasted(1.0 - sum(probabilities), *best_class(probabilities, classes, dtype))


def combine(before: Pasted, part: Pasted) -> Pasted:
    """Adds what one part says to what those before it said of the same pixels."""
    return Pasted(
        before.rest * part.rest,
        ops.maximum(before.best, part.best),
        ops.where(part.best > before.best, part.best_class, before.best_class),
    )


def decide(pasted: Pasted, base: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """Gives each pixel the class of the highest score.

    A part's class scores its pasted probability. What the parts leave goes to the base
    layer: a base class scores `rest` times its probability among the base classes.
    Without a base layer that is background alone, the paper's product.

    Args:
        pasted: of all parts.
        base: the highest probability among the base classes, and its class; None if
            background is the only one.

    Returns:
        class ids, of the dtype of `pasted.best_class`.

    Reference:
        STN-iCNN eq. 5 and 6; the base layer is ours.
    """
    if base is None:
        rest, rest_class = pasted.rest, ops.zeros_like(pasted.best_class)
    else:
        rest, rest_class = pasted.rest * base[0], base[1]
    return ops.where(pasted.best > rest, pasted.best_class, rest_class)


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
