"""Batches of an epoch: drawn, shuffled, framed, augmented, prefetched; seeded."""

import numpy as np
import tensorflow as tf

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from stn_icnn_tf.data.augment import Augmentation
from stn_icnn_tf.data.mixture import (
    WHOLE,
    Mixture,
    Share,
    choose_sources,
    photos_of_each,
    repeat_photos,
)
from stn_icnn_tf.data.pasting import paste_worn
from stn_icnn_tf.data.preprocess import Framing, decode_example, frame_example


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
    photos: tf.data.Dataset | Mixture,
    augmentation: Augmentation | None,
    class_set: ClassSet = EIGHT_PARTS,
    repeat_threshold: float = 0.0,
) -> int:
    """Counts the examples, variants included, that an epoch draws."""
    mixture = Mixture.of(photos)
    factors = mixture.factors(repeat_threshold, class_set)
    numbers = photos_of_each(factors, mixture.shares)
    return sum(numbers) * (augmentation.variants if augmentation else 1)


def training_batches(
    photos: tf.data.Dataset | Mixture,
    framing: Framing,
    augmentation: Augmentation | None,
    batch_size: int,
    seed: int,
    epoch: int,
    repeat_threshold: float = 0.0,
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """Makes the shuffled, augmented batches of one epoch; whole batches only.

    The same `(seed, epoch)` gives the same batches, so a resumed run sees what
    the uninterrupted one would have seen.

    Args:
        photos: examples of a TFDS builder of this project, their number known; or
            several such data sets, mixed.
        framing: the sizes.
        augmentation: ranges, and how many variants a photo gives; or None.
        batch_size: examples a batch, over all replicas.
        seed: of the run.
        epoch: number of the epoch, counted over the whole run.
        repeat_threshold: see `repeat_factors`; needs to know which classes are on
            which photo.
        share: which examples of each batch are made; all are drawn, whose bytes a data
            set alone gives undecoded.

    Returns:
        a dataset of batched dicts, see `frame_example`.
    """
    variants = augmentation.variants if augmentation else 1

    @tf.autograph.experimental.do_not_convert
    def make_variants(example: dict) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensors(example).repeat(variants).enumerate()

    @tf.autograph.experimental.do_not_convert
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

    mixture = Mixture.of(photos)
    factors = mixture.factors(repeat_threshold, framing.class_set)
    numbers = [variants * n for n in photos_of_each(factors, mixture.shares)]
    rng = np.random.default_rng((seed, epoch))
    streams = [
        # The variants of a photo share its bytes, so the buffer may hold them all.
        repeat_photos(dataset, times, rng)
        .flat_map(make_variants)
        .shuffle(
            2048 * variants, seed=seed * 1000 + epoch, reshuffle_each_iteration=False
        )
        .repeat()
        for dataset, times in zip(mixture.datasets, factors, strict=True)
    ]
    pasted = augmentation is not None and augmentation.pasted > 0.0
    if len(streams) > 1 or pasted:
        streams = [_decoded(stream) for stream in streams]
    if augmentation is not None:
        streams = [
            paste_worn(stream, framing.class_set, augmentation, (seed, epoch))
            for stream in streams
        ]
    if len(streams) == 1:
        drawn = streams[0].take(numbers[0])
    else:
        drawn = tf.data.Dataset.choose_from_datasets(
            streams, choose_sources(numbers, rng)
        )
    return _without_autotune(
        share.of(
            # Of whole batches: of a part of one, a worker might make a whole share.
            drawn.apply(tf.data.experimental.assert_cardinality(sum(numbers))).take(
                sum(numbers) // batch_size * batch_size
            ),
            batch_size,
        )
        .map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(share.local_size(batch_size), drop_remainder=True)
        .prefetch(2)
    )


def _decoded(stream: tf.data.Dataset) -> tf.data.Dataset:
    """Decodes already here: data sets differ in what they leave to be decoded."""
    return stream.map(
        lambda variant, example: (variant, decode_example(example)),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


def evaluation_batches(
    dataset: tf.data.Dataset,
    framing: Framing,
    batch_size: int,
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """Makes batches of every example, in order, none augmented.

    The last batch is filled up with examples of weight 0, so that it can be
    split over replicas.

    Args:
        dataset: the examples, their number known.
        framing: the sizes.
        batch_size: examples a batch, over all replicas.
        share: which examples of each batch are made.
    """

    def framed(examples: tf.data.Dataset) -> tf.data.Dataset:
        return examples.map(
            lambda example: frame_example(example, framing),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )

    own = dataset
    if share.workers > 1:
        own = share.of(dataset, batch_size).map(lambda _, example: example)
    made = framed(own)
    count = int(dataset.cardinality())
    missing = range(count, count + -count % batch_size)
    missing = sum(share.holds(place, batch_size) for place in missing)
    if missing:
        filler = framed(dataset.take(1)).repeat(missing)
        filler = filler.map(lambda example: {**example, "weight": tf.zeros(())})
        made = made.concatenate(filler)
    made = made.batch(share.local_size(batch_size), drop_remainder=True)
    return _without_autotune(made.prefetch(2))
