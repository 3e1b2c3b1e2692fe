"""Finding, and if need be building, the data sets of this project."""

import importlib
from collections.abc import Iterator

import tensorflow as tf
import tensorflow_datasets as tfds
from tqdm import tqdm

from stn_icnn_tf.class_sets import CLASS_NAMES
from stn_icnn_tf.data.preprocess import decode_example
from trainers.common.building import build

DATASETS = ("celeb_a_mask_hq", "helen", "synthetic_faces")


def load_builder(
    name: str, data_dir: str | None = None, manual_dir: str | None = None
) -> tfds.core.DatasetBuilder:
    """Returns a built data set; builds it if `data_dir` does not hold it yet.

    Args:
        name: `DATASET` or `DATASET/CONFIG`.
        data_dir: the TFDS data folder; None is TFDS's default.
        manual_dir: folder with the download, for data sets that need one.

    Raises:
        ValueError: if the name is unknown, or the data set is not built and its
            download is missing or damaged.
        ImportError: if building it needs Apache Beam, which is not installed.
    """
    dataset, _, config = name.partition("/")
    if dataset not in DATASETS:
        raise ValueError(
            f"Argument `dataset` must be one of {DATASETS}, or one of them with "
            f"/CONFIG. Received: dataset={name}"
        )
    module = importlib.import_module(f"tfds_builders.{dataset}")
    builder = module.Builder(data_dir=data_dir, config=config or None)
    build(builder, manual_dir)
    return builder


def label_names(builder: tfds.core.DatasetBuilder) -> tuple[str, ...]:
    """Returns the name of each id in the labels of a data set."""
    metadata = builder.info.metadata or {}
    return tuple(metadata.get("class_names", CLASS_NAMES))


def refuse_other_classes(builder: tfds.core.DatasetBuilder) -> None:
    """Refuses a data set whose ids are not those of the model.

    Raises:
        ValueError: if they are not.
    """
    names = label_names(builder)
    if names != CLASS_NAMES:
        raise ValueError(
            f"Argument `dataset` must have the model's classes {CLASS_NAMES}. "
            f"Received: dataset={builder.info.full_name} with {names}"
        )


def load_photos(
    name: str,
    split: str,
    data_dir: str | None = None,
    manual_dir: str | None = None,
    limit: int | None = None,
) -> tf.data.Dataset:
    """Returns the first photos of a split whose labels have the model's classes.

    Args:
        name: see `load_builder`, as `data_dir` and `manual_dir`.
        split: see `load_split`.
        data_dir: the TFDS data folder.
        manual_dir: folder with the download.
        limit: number of photos; None: all.

    Raises:
        ValueError: as `load_builder`, `load_split` and `refuse_other_classes`.
    """
    builder = load_builder(name, data_dir, manual_dir)
    refuse_other_classes(builder)
    dataset = load_split(builder, split)
    return dataset if limit is None else dataset.take(limit)


def decoded_photos(dataset: tf.data.Dataset) -> Iterator[dict[str, tf.Tensor]]:
    """Yields the examples of a dataset one by one, decoded, and shows the progress."""
    decoded = dataset.map(decode_example, num_parallel_calls=2).prefetch(2)
    yield from tqdm(decoded, total=int(dataset.cardinality()), unit=" photos")


def load_split(builder: tfds.core.DatasetBuilder, split: str) -> tf.data.Dataset:
    """Returns a split in a fixed order, encoded, with its cardinality known.

    Args:
        builder: a built data set.
        split: a split, or a TFDS slice such as `train[:100]`.

    Raises:
        ValueError: if there is no such split.
    """
    known = tuple(builder.info.splits)
    if split.partition("[")[0] not in known:
        raise ValueError(
            f"Argument `split` must be one of {known}, or a slice of one. "
            f"Received: split={split}"
        )
    read_config = tfds.ReadConfig(interleave_cycle_length=1)
    skip = tfds.decode.SkipDecoding()
    dataset = builder.as_dataset(
        split=split,
        read_config=read_config,
        decoders={"image": skip, "segmentation_mask": skip},
    )
    count = builder.info.splits[split].num_examples
    return dataset.apply(tf.data.experimental.assert_cardinality(count))
