"""Examples as training wants them: decoded, framed, augmented.

Datasets are those of `tfds_builders`: examples `{"image", "segmentation_mask",
"name"}`. Those of a labelled folder have `image_file`, a path, for `image`.

What a dataset maps is kept from AutoGraph: there is nothing to convert, and it would
take a run's first seconds to read its source.
"""

import dataclasses
import os
from typing import Any

import numpy as np
import tensorflow as tf

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from stn_icnn_tf.data.augment import (
    Augmentation,
    mirror_mask,
    random_pixels,
    random_warp,
    warp,
)
from stn_icnn_tf.data.pasting import recolor_worn
from stn_icnn_tf.geometry.affine import frame_theta
from stn_icnn_tf.geometry.letterbox import letterbox
from stn_icnn_tf.geometry.windows import part_centers
from stn_icnn_tf.photos import read_photo


@dataclasses.dataclass(frozen=True)
class Framing:
    """What a model wants its training photos and labels to be.

    Attributes:
        framing: `"letterbox"` or `"stretch"`.
        coarse_size: side of the coarse scores in pixels.
        canvas_size: side of the source in pixels.
        class_set: the classes of the labels.
        coarse_image_size: side of the coarse image and its labels; None: that of the
            scores.
    """

    framing: str
    coarse_size: int
    canvas_size: int
    class_set: ClassSet = EIGHT_PARTS
    coarse_image_size: int | None = None

    @property
    def image_size(self) -> int:
        """Side of the coarse image in pixels."""
        return self.coarse_image_size or self.coarse_size

    @classmethod
    def of(cls, model: Any, canvas_size: int | None = None) -> "Framing":
        """Returns what a `Pipeline` wants, maybe with a source of another size."""
        return cls(
            model.framing,
            model.coarse_size,
            canvas_size or model.canvas_size,
            model.class_set,
            model.coarse_image_size,
        )


def _letterbox_matrix(height: tf.Tensor, width: tf.Tensor, canvas: int) -> tf.Tensor:
    """Maps canvas pixels to photo pixels, homogeneous; pixel areas aligned."""
    square = letterbox(height, width)
    ratio = tf.cast(square.side, tf.float32) / canvas
    pad_x, pad_y = tf.cast(square.left, tf.float32), tf.cast(square.top, tf.float32)
    shift = 0.5 * ratio - 0.5
    return tf.stack(
        [[ratio, 0.0, shift - pad_x], [0.0, ratio, shift - pad_y], [0.0, 0.0, 1.0]]
    )


def _shrink(image: tf.Tensor, canvas: int) -> tf.Tensor:
    """Halves (thirds, ...) a photo far larger than the canvas, so nothing aliases."""
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    factor = tf.maximum(tf.maximum(height, width) // canvas, 1)

    def resize() -> tf.Tensor:
        size = tf.maximum(tf.stack([height, width]) // factor, 1)
        return tf.image.resize(image, size, antialias=True)

    return tf.cond(factor > 1, resize, lambda: tf.cast(image, tf.float32))


def _read_file(path: tf.Tensor) -> tf.Tensor:
    def read(path: bytes | np.ndarray) -> np.ndarray:
        # Bytes in a graph; an array of them when called eagerly.
        return read_photo(os.fsdecode(np.asarray(path).item()))

    photo = tf.numpy_function(read, [path], tf.uint8)
    return tf.ensure_shape(photo, (None, None, 3))


@tf.autograph.experimental.do_not_convert
def decode_label(example: dict[str, tf.Tensor]) -> tf.Tensor:
    """Decodes a label where it is still encoded; its ids become the model's.

    Args:
        example: `segmentation_mask`; and, if its ids are not the model's,
            `label_table`, uint8 `(ids,)`, the model's id of each.

    Returns:
        uint8 `(height, width, 1)`. An id that the table does not have is an error.
    """
    mask = example["segmentation_mask"]
    if mask.dtype == tf.string:
        mask = tf.io.decode_image(mask, 1, expand_animations=False)
        mask.set_shape((None, None, 1))
    if "label_table" in example:
        mask = tf.gather(example["label_table"], tf.cast(mask, tf.int32))
    return mask


@tf.autograph.experimental.do_not_convert
def decode_example(example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Decodes a photo and its label where they are still encoded, or still a file.

    The label's ids become the model's, see `decode_label`.

    Shuffling and caching encoded examples takes a tenth of the memory, paths take
    none, and decoding here is done in parallel.
    """
    decoded = dict(example)
    if "image_file" in decoded:
        decoded["image"] = _read_file(decoded.pop("image_file"))
    if decoded["image"].dtype == tf.string:
        decoded["image"] = tf.io.decode_image(
            decoded["image"], 3, expand_animations=False
        )
        decoded["image"].set_shape((None, None, 3))
    decoded["segmentation_mask"] = decode_label(decoded)
    decoded.pop("label_table", None)
    return decoded


def _background(example: dict[str, tf.Tensor], class_set: ClassSet) -> tf.Tensor:
    if "background" in example:
        return tf.ensure_shape(example["background"], (class_set.num_classes,))
    return tf.one_hot(0, class_set.num_classes)


@tf.autograph.experimental.do_not_convert
def frame_example(
    example: dict[str, tf.Tensor],
    framing: Framing,
    augmentation: Augmentation | None = None,
    seed: tf.Tensor | None = None,
) -> dict[str, tf.Tensor]:
    """Frames, and augments, one example.

    Args:
        example: `image` uint8 `(height, width, 3)`, `segmentation_mask` uint8
            `(height, width, 1)`; or what `decode_example` makes these of. And, if
            the data set does not draw every class, `background`, float32
            `(classes,)`: 1 for the classes that the label background may mean.
        framing: the sizes.
        augmentation: ranges of the random operations, or None for none.
        seed: integer `(2,)`, needed with `augmentation`.

    Returns:
        `image` uint8 `(canvas, canvas, 3)`: the source; `mask` uint8 `(canvas,
        canvas)`; `coarse_image` float32 `(coarse, coarse, 3)`, 0..255;
        `coarse_mask` uint8 `(coarse, coarse)`; `frame` float32 `(1, 2, 3)`,
        coarse -> source; `centers` float32 `(parts, 2)`, normalised (x, y) in
        the source; `present` bool `(parts,)`; `background` float32 `(classes,)`, as
        given, or 1 for background alone; `weight` float32, 1.
    """
    example = decode_example(example)
    canvas = framing.canvas_size
    mask = example["segmentation_mask"][..., 0]
    height, width = tf.shape(mask)[0], tf.shape(mask)[1]
    if framing.framing == "letterbox":
        size = (canvas, canvas)
        to_photo = _letterbox_matrix(height, width, canvas)
    else:
        size = (height, width)
        to_photo = tf.eye(3)
        tf.debugging.assert_less_equal(
            tf.maximum(height, width),
            canvas,
            message="A photo is larger than the canvas: raise `canvas_size`, or use "
            "letterbox framing.",
        )
    mirrored = tf.constant(False)
    if augmentation is not None:
        matrix, mirrored = random_warp(augmentation, size, seed)
        to_photo = to_photo @ matrix

    image = example["image"]
    if framing.framing == "letterbox":
        image = _shrink(image, canvas)
    # Whole pixels are left of a side that was shrunk, so each side has its own ratio.
    size_now = tf.cast(tf.shape(image)[:2], tf.float32)
    ratio_y, ratio_x = tf.unstack(size_now / tf.cast([height, width], tf.float32))
    half_y, half_x = 0.5 * ratio_y - 0.5, 0.5 * ratio_x - 0.5
    to_image = tf.stack(
        [[ratio_x, 0.0, half_x], [0.0, ratio_y, half_y], [0.0, 0.0, 1.0]]
    )
    image = warp(tf.cast(image, tf.float32), to_image @ to_photo, size)
    mask = warp(mask[..., None], to_photo, size, "nearest")
    mask = tf.cond(mirrored, lambda: mirror_mask(mask, framing.class_set), lambda: mask)
    background = _background(example, framing.class_set)
    exchanged = tf.gather(background, framing.class_set.mirrored_classes)
    background = tf.where(mirrored, exchanged, background)
    if augmentation is not None:
        image = recolor_worn(augmentation, framing.class_set, image, mask, seed)
        image = random_pixels(augmentation, image, seed)

    coarse = (framing.image_size, framing.image_size)
    coarse_image = tf.image.resize(image, coarse, antialias=True)
    coarse_mask = tf.image.resize(mask, coarse, method="nearest")[..., 0]
    top, left = (canvas - size[0]) // 2, (canvas - size[1]) // 2
    frame = frame_theta(framing.coarse_size, size, (top, left), (canvas, canvas))
    image = tf.image.pad_to_bounding_box(image, top, left, canvas, canvas)
    mask = tf.image.pad_to_bounding_box(mask, top, left, canvas, canvas)[..., 0]
    mask = tf.ensure_shape(mask, (canvas, canvas))
    centers, present = part_centers(mask, framing.class_set)
    return {
        "image": tf.ensure_shape(
            tf.cast(tf.round(image), tf.uint8), (canvas, canvas, 3)
        ),
        "mask": mask,
        "coarse_image": coarse_image,
        "coarse_mask": tf.ensure_shape(coarse_mask, coarse),
        "frame": frame[None],
        "centers": 2.0 * centers / (canvas - 1.0) - 1.0,
        "present": present,
        "background": background,
        "weight": tf.ones(()),
    }
