"""Sampling and pasting on rectangles: how the fused model crops and pastes back.

Patches are cut by TensorFlow's own sampling kernel, and the mask is pasted face by face
on the rectangle that the windows cover together.
"""

from collections.abc import Iterator, Sequence

import tensorflow as tf

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from stn_icnn_tf.geometry.affine import invert_theta, theta_scale
from stn_icnn_tf.geometry.paste_back import fading_margin
from stn_icnn_tf.geometry.pasting_rule import (
    Pasted,
    combine,
    decide,
    part_labels,
)
from stn_icnn_tf.inference.base_layer import best_within, enlarged_labels


def sample_boxes(
    image: tf.Tensor,
    theta: tf.Tensor,
    size: tuple[tf.Tensor, tf.Tensor],
    border: str = "CONSTANT",
) -> tf.Tensor:
    """Samples axis-aligned boxes bilinearly.

    Args:
        image: float32 `(batch, height, width, channels)`.
        theta: float32 `(batch, boxes, 2, 3)`, box -> image, without rotation.
        size: `(height, width)` of each sampled box.
        border: what lies one pixel around the image: `"CONSTANT"`, zero, or
            `"SYMMETRIC"`, its outermost pixels again. Beyond it all is zero.

    Returns:
        float32 `(batch * boxes, *size, channels)`.
    """
    boxes = tf.shape(theta)[1]
    # The kernel gives zero, not a blend with zero, from the border pixel's centre
    # on: a border of zeros makes it the blend of `grid_sample`.
    image = tf.pad(image, [[0, 0], [1, 1], [1, 1], [0, 0]], border)
    extent = tf.cast(tf.shape(image)[1:3], tf.float32) - 1.0
    extent = extent[::-1]  # (x, y), as in theta.
    center, scale = theta[..., 2], theta_scale(theta)

    def padded(corner: tf.Tensor) -> tf.Tensor:
        return ((corner + 1.0) / 2.0 * (extent - 2.0) + 1.0) / extent

    corners = tf.concat(
        [padded(center - scale)[..., ::-1], padded(center + scale)[..., ::-1]], axis=-1
    )
    return tf.image.crop_and_resize(
        image,
        tf.reshape(corners, (-1, 4)),
        tf.repeat(tf.range(tf.shape(image)[0]), boxes),
        tf.stack(size),
    )


def paste_back_by_face(
    probabilities: list[tf.Tensor],
    theta: tf.Tensor,
    size: tuple[tf.Tensor, tf.Tensor],
    class_set: ClassSet = EIGHT_PARTS,
    base: tf.Tensor | None = None,
    frame: tf.Tensor | None = None,
) -> tf.Tensor:
    """Pastes the labels of the parts, see `paste_back`; the same mask.

    Face by face, so that a window is a rectangle and not a list of pixels; the planes
    are those of the rectangle that the face's windows cover.

    Args:
        probabilities: see `paste_back`.
        theta: see `paste_back`.
        size: see `paste_back`.
        class_set: see `paste_back`.
        base: float32 `(batch, coarse_size, coarse_size, base classes)`, or None.
        frame: with `base`, float32 `(batch or 1, 1, 2, 3)`, coarse -> photo.
    """
    height, width = size
    photo_size = tf.cast(tf.stack([width, height]), tf.float32)
    faces = _face_by_face(probabilities, theta, photo_size, base, frame)

    def paste_face(face: tuple) -> tf.Tensor:
        probabilities, windows, inverse, *base_layer = face
        left, top = tf.unstack(tf.reduce_min(windows[:, :2], axis=0))
        right, bottom = tf.unstack(tf.reduce_max(windows[:, 2:], axis=0))
        covered = (bottom - top, right - left)
        planes = Pasted(
            tf.ones(covered), tf.zeros(covered), tf.zeros(covered, tf.uint8)
        )
        sampled = _sample_windows(probabilities, inverse, windows, photo_size)
        for part, (scores, window) in zip(class_set.parts, sampled, strict=True):
            x, y, end_x, end_y = window
            said = part_labels(scores, part.classes, "uint8")
            around = [[y - top, bottom - end_y], [x - left, right - end_x]]
            said = Pasted(
                tf.pad(said.rest, around, constant_values=1.0),
                tf.pad(said.best, around),
                tf.pad(said.best_class, around),
            )
            planes = combine(planes, said)
        if not base_layer:
            around = [[top, height - bottom], [left, width - right]]
            return tf.pad(decide(planes), around)
        coarse, to_coarse = base_layer
        enlarged = enlarged_labels(coarse, to_coarse, size, class_set.base_classes)
        labels = enlarged.labels
        box = (left, top, right, bottom)
        best = tf.reduce_max(coarse, axis=-1, keepdims=True)
        best = _sample_window(best, to_coarse, box, photo_size, "SYMMETRIC")[..., 0]
        best = best_within(enlarged, best, left, top)
        rows = labels[top:bottom]
        inside = decide(planes, (best, rows[:, left:right]))
        rows = tf.concat([rows[:, :left], inside, rows[:, right:]], axis=1)
        return tf.concat([labels[:top], rows, labels[bottom:]], axis=0)

    return tf.map_fn(
        paste_face,
        faces,
        fn_output_signature=tf.TensorSpec((None, None), tf.uint8),
        # Faces one after the other: at once they are no faster, and take memory.
        parallel_iterations=1,
    )


def paste_probabilities(
    probabilities: list[tf.Tensor],
    theta: tf.Tensor,
    size: tuple[tf.Tensor, tf.Tensor],
    class_set: ClassSet = EIGHT_PARTS,
    base: tf.Tensor | None = None,
    frame: tf.Tensor | None = None,
) -> tf.Tensor:
    """Pastes the probabilities of all classes: the scores that the mask is best of.

    The scores are those of `decide`; a pixel's are divided by their sum. The arguments
    are those of `paste_back_by_face`; this allocates full canvases.

    Returns:
        float32 `(batch, height, width, classes)`.
    """
    height, width = size
    photo_size = tf.cast(tf.stack([width, height]), tf.float32)
    faces = _face_by_face(probabilities, theta, photo_size, base, frame)

    def paste_face(face: tuple) -> tf.Tensor:
        probabilities, windows, inverse, *base_layer = face
        rest = tf.ones((height, width))
        planes: list[tf.Tensor] = [None] * class_set.num_classes
        sampled = _sample_windows(probabilities, inverse, windows, photo_size)
        for part, (scores, window) in zip(class_set.parts, sampled, strict=True):
            x, y, end_x, end_y = window
            around = [[y, height - end_y], [x, width - end_x]]
            rest *= tf.pad(1.0 - sum(scores), around, constant_values=1.0)
            for class_id, plane in zip(part.classes, scores, strict=True):
                planes[class_id] = tf.pad(plane, around)
        shares: list = [1.0]
        if base_layer:
            coarse, to_coarse = base_layer
            whole = (0, 0, width, height)
            enlarged = _sample_window(coarse, to_coarse, whole, photo_size, "SYMMETRIC")
            shares = tf.unstack(enlarged, axis=-1)
        for class_id, share in zip(class_set.base_classes, shares, strict=True):
            planes[class_id] = rest * share
        scores = tf.stack(planes, axis=-1)
        return scores / tf.reduce_sum(scores, axis=-1, keepdims=True)

    return tf.map_fn(
        paste_face,
        faces,
        fn_output_signature=tf.TensorSpec(
            (None, None, class_set.num_classes), tf.float32
        ),
        parallel_iterations=1,
    )


def _face_by_face(
    probabilities: list[tf.Tensor],
    theta: tf.Tensor,
    photo_size: tf.Tensor,
    base: tf.Tensor | None,
    frame: tf.Tensor | None,
) -> tuple:
    """Lists what a face is pasted from, for `tf.map_fn`.

    Returns:
        its patches, its windows as `_pixel_windows` has them, and photo -> patch; and,
        if there is a base layer, that and photo -> coarse.
    """
    windows = _pixel_windows(theta, photo_size, probabilities[0].shape[1])
    faces = (tuple(probabilities), windows, invert_theta(theta))
    if base is None:
        return faces
    to_coarse = invert_theta(frame)[:, 0]
    # One frame may be that of all photos.
    count = tf.shape(base)[0] // tf.shape(to_coarse)[0]
    return (*faces, base, tf.repeat(to_coarse, count, axis=0))


def _pixel_windows(
    theta: tf.Tensor, photo_size: tf.Tensor, patch_size: int
) -> tf.Tensor:
    """Lists the pixels that each patch reaches, and that lie in the photo.

    Args:
        theta: float32 `(batch, parts, 2, 3)`, patch -> photo.
        photo_size: float32 `(width, height)`.
        patch_size: side of a patch in pixels.

    Returns:
        int32 `(batch, parts, 4)`: left, top, right, bottom, half open. A window holds
        one pixel at least: where it lies outside the photo, it is the nearest, and
        there the patch is 0.
    """
    half = theta_scale(theta) * fading_margin(patch_size) * (photo_size - 1.0) / 2.0
    center = (theta[..., 2] + 1.0) * (photo_size - 1.0) / 2.0
    first = tf.clip_by_value(tf.math.ceil(center - half), 0.0, photo_size - 1.0)
    last = tf.math.floor(center + half) + 1.0
    last = tf.clip_by_value(last, first + 1.0, photo_size)
    return tf.cast(tf.concat([first, last], axis=-1), tf.int32)


def _sample_windows(
    patches: tuple[tf.Tensor, ...],
    inverse: tf.Tensor,
    windows: tf.Tensor,
    photo_size: tf.Tensor,
) -> Iterator[tuple[list[tf.Tensor], list[tf.Tensor]]]:
    """Samples the patches of a face at the photo's pixels of their windows.

    Args:
        patches: one float32 `(patch, patch, channels)` a part.
        inverse: float32 `(parts, 2, 3)`, photo -> patch.
        windows: int32 `(parts, 4)`, see `_pixel_windows`.
        photo_size: float32 `(width, height)`.

    Yields:
        for each part a float32 `(height, width)` of its window a channel; and the
        window: left, top, right, bottom.
    """
    for index, patch in enumerate(patches):
        window = tf.unstack(windows[index])
        sampled = _sample_window(patch, inverse[index], window, photo_size)
        yield tf.unstack(sampled, axis=-1), window


def _sample_window(
    patch: tf.Tensor,
    inverse: tf.Tensor,
    window: Sequence,
    photo_size: tf.Tensor,
    border: str = "CONSTANT",
) -> tf.Tensor:
    """Samples a patch at the photo's pixels of a window.

    Args:
        patch: float32 `(patch, patch, channels)`.
        inverse: float32 `(2, 3)`, photo -> patch.
        window: integers, left, top, right, bottom in photo pixels, half open.
        photo_size: float32 `(width, height)`.
        border: what lies around the patch, see `sample_boxes`.

    Returns:
        float32 `(height, width, channels)` of the window.
    """
    left, top, right, bottom = window
    corners = tf.cast([[left, top], [right - 1, bottom - 1]], tf.float32)
    corners = 2.0 * corners / (photo_size - 1.0) - 1.0
    corners = corners * tf.linalg.diag_part(inverse[:, :2]) + inverse[:, 2]
    scale, shift = (corners[1] - corners[0]) / 2.0, (corners[1] + corners[0]) / 2.0
    theta = tf.concat([tf.linalg.diag(scale), shift[:, None]], axis=1)
    size = (bottom - top, right - left)
    return sample_boxes(patch[None], theta[None, None], size, border)[0]
