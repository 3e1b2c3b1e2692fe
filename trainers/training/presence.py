"""Which classes are on which training photo: what repeating rare ones needs."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from stn_icnn_tf.class_sets import ClassSet
from stn_icnn_tf.data.mixture import Mixture
from stn_icnn_tf.data.preprocess import decode_label
from stn_icnn_tf.files import written_beside

PRESENCE_FILE = "class_presence.npz"
# Share of a photo's pixels from which a class is on it: 40 of 512 x 512.
LEAST = 40 / 512**2


def find_presence(
    dataset: tf.data.Dataset, num_classes: int, show: bool = True
) -> np.ndarray:
    """Reads every label once.

    Args:
        dataset: examples with the model's ids, see `preprocess.decode_label`.
        num_classes: of the model.
        show: whether to draw a progress bar.

    Returns:
        bool `(photos, classes)`: whether a class has at least `LEAST` of the pixels.
    """

    @tf.autograph.experimental.do_not_convert
    def count(example: dict[str, tf.Tensor]) -> tf.Tensor:
        ids = tf.cast(tf.reshape(decode_label(example), [-1]), tf.int32)
        counts = tf.math.bincount(ids, minlength=num_classes, maxlength=num_classes)
        return tf.cast(counts, tf.float32) / tf.cast(tf.size(ids), tf.float32)

    shares = dataset.map(count, num_parallel_calls=2).prefetch(8)
    total = int(dataset.cardinality())
    bar = tqdm(shares, total=total, desc="classes", unit=" labels", disable=not show)
    return np.stack([share.numpy() >= LEAST for share in bar])


def with_presence(
    mixture: Mixture,
    names: Sequence[str],
    class_set: ClassSet,
    run_dir: pathlib.Path,
) -> Mixture:
    """Tells a mixture which classes are on which photo.

    What was read is kept in the run folder, and read no second time.

    Args:
        mixture: of data sets, see `find_presence`.
        names: of each data set, with its version and split.
        class_set: of the model.
        run_dir: the run folder; its settings fix what the labels are.
    """
    path = run_dir / PRESENCE_FILE
    known = {}
    if path.is_file():
        with np.load(path) as arrays:
            known = dict(arrays)
    for name, dataset in zip(names, mixture.datasets, strict=True):
        expected = (int(dataset.cardinality()), class_set.num_classes)
        if name not in known or known[name].shape != expected:
            known[name] = find_presence(dataset, class_set.num_classes)
            with written_beside(path) as fresh:
                np.savez_compressed(fresh, **known)
    return dataclasses.replace(mixture, presence=tuple(known[name] for name in names))
