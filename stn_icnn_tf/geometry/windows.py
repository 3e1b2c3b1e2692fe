"""The window rules: where the window of each part belongs, and how large it is.

Two rules. `fixed` (the paper's): one patch pixel is one pixel of the source, so
only the position of a window is learned. `face`: the side of each window grows
with the face, so that a face of any resolution fills its patches alike.
"""

from typing import Any

import numpy as np
from keras import ops

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from stn_icnn_tf.geometry.affine import (
    invert_theta,
    make_theta,
    theta_scale,
    to_pixels,
)

Tensor = Any

WINDOW_RULES = ("fixed", "face")

# Half of a window's side is 1: how far from its middle that of its part may lie.
_PLACED = 0.5


def part_centers(
    mask: Tensor, class_set: ClassSet = EIGHT_PARTS
) -> tuple[Tensor, Tensor]:
    """Computes the centroid of each part of a label.

    Args:
        mask: integer `(height, width)` or `(batch, height, width)`, class ids.
        class_set: says which classes a part has.

    Returns:
        centers: float32 `(parts, 2)`, (x, y) in pixels; 0 for an absent part.
        present: bool `(parts,)`. An absent part HAS no centre: whoever reads
            `centers` must look here too. Both with the batch axis of `mask`.
    """
    height, width = ops.shape(mask)[-2:]
    ids = ops.reshape(ops.cast(mask, "int32"), (-1, height * width))
    batch = ops.shape(ids)[0]
    # Each mask counts into segments of its own.
    count = class_set.num_classes
    ids = ids + count * ops.arange(batch, dtype="int32")[:, None]
    ones = ops.ones((batch, height, width), "float32")
    xs = ones * ops.arange(width, dtype="float32")
    ys = ones * ops.arange(height, dtype="float32")[:, None]
    sums = ops.stack([ops.reshape(plane, (-1,)) for plane in (ones, xs, ys)], axis=-1)
    sums = ops.segment_sum(sums, ops.reshape(ids, (-1,)), num_segments=count * batch)
    membership = np.zeros((class_set.num_parts, count), "float32")
    for index, part in enumerate(class_set.parts):
        membership[index, list(part.classes)] = 1.0
    shape = (count, 3) if len(mask.shape) == 2 else (-1, count, 3)
    sums = ops.matmul(ops.convert_to_tensor(membership), ops.reshape(sums, shape))
    return sums[..., 1:] / ops.maximum(sums[..., :1], 1.0), sums[..., 0] > 0


def face_ratio(centers: Tensor, present: Tensor, mean_crop: tuple) -> Tensor:
    """Measures how large a face is against the mean face.

    The ratio between the spread of the centres of the parts that are there and
    the spread of the same parts on the mean face; so an absent part does not
    make a face look smaller. With fewer than two parts it is 1.

    Args:
        centers: float `(batch, parts, 2)`, frame of the coarse image.
        present: bool `(batch, parts)`.
        mean_crop: `(parts, 3)`: scale, x and y of the mean face.

    Returns:
        float `(batch,)`.
    """
    weight = ops.cast(present, "float32")[..., None]
    count = ops.maximum(ops.sum(weight, axis=1, keepdims=True), 1.0)

    def spread(points: Tensor) -> Tensor:
        middle = ops.sum(points * weight, axis=1, keepdims=True) / count
        return ops.sum(ops.square(points - middle) * weight, axis=(1, 2))

    mean = ops.convert_to_tensor(np.asarray(mean_crop, "float32")[None, :, 1:])
    expected = spread(mean)
    known = expected > 1e-6
    ratio = ops.sqrt(spread(centers) / ops.where(known, expected, 1.0))
    return ops.where(known, ratio, ops.ones_like(ratio))


def target_theta(
    centers: Tensor, present: Tensor, frame: Tensor, mean_crop: tuple, window: str
) -> Tensor:
    """Computes the ground-truth theta of each part, in the frame of the coarse image.

    Args:
        centers: float `(batch, parts, 2)`, normalised (x, y) in the source.
        present: bool `(batch, parts)`. Where false, the theta is that of the
            mean face, and the localizer's loss must leave it out.
        frame: float `(batch, 1, 2, 3)`, coarse -> source.
        mean_crop: `(parts, 3)`: scale, x and y of the mean face.
        window: `"face"` or `"fixed"`; with `fixed` the scale is the mean one,
            since `window_theta` sets it.

    Returns:
        float `(batch, parts, 2, 3)`.

    Reference:
        STN-iCNN eq. 21, with the frame made explicit.
    """
    mean = ops.convert_to_tensor(np.asarray(mean_crop, "float32")[None])
    to_coarse = invert_theta(frame)
    translation = centers * theta_scale(to_coarse) + to_coarse[..., 2]
    translation = ops.where(present[..., None], translation, mean[..., 1:])
    scale = ops.ones_like(translation[..., :1]) * mean[..., :1]
    if window == "face":
        scale = scale * face_ratio(translation, present, mean_crop)[:, None, None]
    return make_theta(ops.repeat(scale, 2, axis=-1), translation)


def window_theta(
    theta: Tensor, frame: Tensor, source_size: Tensor, patch_size: int, window: str
) -> Tensor:
    """Takes theta from the frame of the coarse image to the source.

    Args:
        theta: float `(batch, parts, 2, 3)`, patch -> coarse frame.
        frame: float `(batch or 1, 1, 2, 3)`, coarse -> source.
        source_size: `(height, width)` of the source in pixels.
        patch_size: side of a patch in pixels.
        window: `"face"` keeps the scale; `"fixed"` sets the one at which a patch
            pixel is a source pixel (eq. 21).

    Returns:
        float `(batch, parts, 2, 3)`, patch -> source.
    """
    scale = theta_scale(theta) * theta_scale(frame)
    translation = theta[..., 2] * theta_scale(frame) + frame[..., 2]
    if window == "fixed":
        extent = ops.stack([source_size[1] - 1, source_size[0] - 1])
        native = (patch_size - 1.0) / ops.cast(extent, "float32")
        scale = ops.zeros_like(scale) + native
    return make_theta(scale, translation)


def placed_share(probabilities: list[Tensor]) -> Tensor:
    """Tells how many of the windows have no part that lies at their edge.

    A part of a face that is where the coarse net saw it lies about the middle of its
    window, or is hidden. Windows on something else show parts anywhere.

    Args:
        probabilities: one float `(batch, patch, patch, classes)` a part, as
            `paste_back` takes them.

    Returns:
        float32 `(batch,)`, 0..1, the share of the parts.
    """
    placed = []
    for part in probabilities:
        labelled = ops.cast(ops.sum(part, axis=-1) > 0.5, "float32")
        count = ops.sum(labelled, axis=(1, 2))
        place = np.linspace(-1.0, 1.0, part.shape[1], dtype="float32")
        away = [
            ops.sum(labelled * along, axis=(1, 2)) / ops.maximum(count, 1.0)
            for along in (place, place[:, None])
        ]
        near = ops.square(away[0]) + ops.square(away[1]) <= _PLACED**2
        placed.append(ops.cast(near, "float32"))
    return ops.mean(ops.stack(placed), axis=0)


def window_boxes(theta: Tensor, size: tuple[Tensor, Tensor]) -> Tensor:
    """Lists the pixels that windows reach from and to.

    Args:
        theta: float `(..., 2, 3)`, patch -> photo, without rotation.
        size: `(height, width)` of the photo in pixels.

    Returns:
        float32 `(..., 4)`: left, top, right, bottom, the photo's pixel positions
        under the centres of each patch's corner pixels; they need not be inside.
    """
    theta = ops.convert_to_tensor(theta, dtype="float32")
    size = ops.cast(ops.stack([size[1], size[0]]), "float32")
    scale, center = theta_scale(theta), theta[..., 2]
    corners = [to_pixels(center - scale, size), to_pixels(center + scale, size)]
    return ops.concatenate(corners, axis=-1)


def window_edges(theta: Tensor, size: tuple[Tensor, Tensor], patch_size: int) -> Tensor:
    """Lists the areas of a photo that the pixels of the patches cover.

    Here a pixel is an area: pixel i reaches from i to i + 1, and the photo from 0
    to its width and height.

    Args:
        theta: float `(..., 2, 3)`, patch -> photo, without rotation.
        size: `(height, width)` of the photo in pixels.
        patch_size: side of a patch in pixels.

    Returns:
        float32 `(..., 4)`: left, top, right, bottom; they need not be inside.
    """
    boxes = window_boxes(theta, size)
    half_pixel = (boxes[..., 2:] - boxes[..., :2]) / (2.0 * (patch_size - 1))
    return boxes + 0.5 + ops.concatenate([-half_pixel, half_pixel], axis=-1)
