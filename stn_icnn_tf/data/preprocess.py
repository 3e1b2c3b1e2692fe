"""The input pipeline: decode, frame, augment, batch, prefetch; seeded.

Datasets are those of `tfds_builders`: examples `{"image", "segmentation_mask",
"name"}`. Those of a labelled folder have `image_file`, a path, for `image`.
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


def decode_example(example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Decodes a photo and its label where they are still encoded, or still a file.

    Shuffling and caching encoded examples takes a tenth of the memory, paths take
    none, and decoding here is done in parallel.
    """
    decoded = dict(example)
    if "image_file" in decoded:
        decoded["image"] = _read_file(decoded.pop("image_file"))
    for name, channels in (("image", 3), ("segmentation_mask", 1)):
        if decoded[name].dtype == tf.string:
            decoded[name] = tf.io.decode_image(
                decoded[name], channels, expand_animations=False
            )
            decoded[name].set_shape((None, None, channels))
    return decoded


def frame_example(
    example: dict[str, tf.Tensor],
    framing: Framing,
    augmentation: Augmentation | None = None,
    seed: tf.Tensor | None = None,
) -> dict[str, tf.Tensor]:
    """Frames, and augments, one example.

    Args:
        example: `image` uint8 `(height, width, 3)`, `segmentation_mask` uint8
            `(height, width, 1)`; or what `decode_example` makes these of.
        framing: the sizes.
        augmentation: ranges of the random operations, or None for none.
        seed: integer `(2,)`, needed with `augmentation`.

    Returns:
        `image` uint8 `(canvas, canvas, 3)`: the source; `mask` uint8 `(canvas,
        canvas)`; `coarse_image` float32 `(coarse, coarse, 3)`, 0..255;
        `coarse_mask` uint8 `(coarse, coarse)`; `frame` float32 `(1, 2, 3)`,
        coarse -> source; `centers` float32 `(parts, 2)`, normalised (x, y) in
        the source; `present` bool `(parts,)`; `weight` float32, 1.
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
    if augmentation is not None:
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
        "weight": tf.ones(()),
    }


def _without_autotune(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Fixes the number of parallel calls: one a core.

    The thread that would tune it sleeps for up to a minute at a time, and a
    distributed iterator that has given its last batch waits for it to wake: as
    long as an epoch of a small data set, after every epoch.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)


def examples_per_epoch(
    dataset: tf.data.Dataset, augmentation: Augmentation | None
) -> int:
    """Counts the examples, variants included, that a dataset gives in an epoch."""
    return int(dataset.cardinality()) * (augmentation.variants if augmentation else 1)


def training_batches(
    dataset: tf.data.Dataset,
    framing: Framing,
    augmentation: Augmentation | None,
    batch_size: int,
    seed: int,
    epoch: int,
) -> tf.data.Dataset:
    """Makes the shuffled, augmented batches of one epoch; whole batches only.

    The same `(seed, epoch)` gives the same batches, so a resumed run sees what
    the uninterrupted one would have seen.

    Args:
        dataset: examples of a TFDS builder of this project, their number known.
        framing: the sizes.
        augmentation: ranges, and how many variants a photo gives; or None.
        batch_size: examples a batch, over all replicas.
        seed: of the run.
        epoch: number of the epoch, counted over the whole run.

    Returns:
        a dataset of batched dicts, see `frame_example`.
    """
    variants = augmentation.variants if augmentation else 1

    def make_variants(example: dict) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensors(example).repeat(variants).enumerate()

    def prepare(index: tf.Tensor, numbered: tuple[tf.Tensor, dict]) -> dict:
        variant, example = numbered
        # Steps of 10 leave room for the draws that one example makes of its key.
        number = (epoch * 1_000_000 + index) * 10
        key = tf.stack([tf.constant(seed, tf.int64), number])

        def augmented() -> dict:
            return frame_example(example, framing, augmentation, key)

        if variants == 1:
            return augmented()
        return tf.cond(variant == 0, lambda: frame_example(example, framing), augmented)

    # The variants of a photo share its bytes, so the buffer may hold them all.
    return _without_autotune(
        dataset.flat_map(make_variants)
        .apply(
            tf.data.experimental.assert_cardinality(
                examples_per_epoch(dataset, augmentation)
            )
        )
        .shuffle(
            2048 * variants, seed=seed * 1000 + epoch, reshuffle_each_iteration=False
        )
        .enumerate()
        .map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(batch_size, drop_remainder=True)
        .prefetch(2)
    )


def evaluation_batches(
    dataset: tf.data.Dataset, framing: Framing, batch_size: int
) -> tf.data.Dataset:
    """Makes batches of every example, in order, none augmented.

    The last batch is filled up with examples of weight 0, so that it can be
    split over replicas.
    """
    framed = dataset.map(
        lambda example: frame_example(example, framing),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    missing = -int(dataset.cardinality()) % batch_size
    if missing:
        filler = framed.take(1).repeat(missing)
        filler = filler.map(lambda example: {**example, "weight": tf.zeros(())})
        framed = framed.concatenate(filler)
    return _without_autotune(framed.batch(batch_size, drop_remainder=True).prefetch(2))
