"""Finding, and if need be building, the data sets to train on and to score by."""

import importlib
import pathlib
import re
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from absl import logging
from tqdm import tqdm

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from stn_icnn_tf.data.preprocess import decode_example
from stn_icnn_tf.extras import needs_extra
from trainers.common.label_map import LabelMap, class_ids, undrawn_parts
from trainers.common.labelled_folder import LabelledFolder

if TYPE_CHECKING:  # Own folders need no TensorFlow Datasets.
    import tensorflow_datasets as tfds

DATASETS = ("celeb_a_mask_hq", "helen", "synthetic_faces")

# What an example of a builder must have: name -> channels; and `name`, a text.
_PICTURES = {"image": 3, "segmentation_mask": 1}


def _import_tfds() -> types.ModuleType:
    with needs_extra("TFDS data sets need tensorflow-datasets", "train"):
        import tensorflow_datasets as tfds
    return tfds


def load_builder(
    name: str,
    data_dir: str | None = None,
    manual_dir: str | None = None,
    class_set: ClassSet = EIGHT_PARTS,
) -> "tfds.core.DatasetBuilder | LabelledFolder":
    """Returns a built data set; builds it if `data_dir` does not hold it yet.

    Args:
        name: `DATASET` or `DATASET/CONFIG`, DATASET one of this project's or the
            module of a TFDS builder, `package.module`; or a labelled folder, by its
            path.
        data_dir: the TFDS data folder; None is TFDS's default.
        manual_dir: folder with the download, for data sets that need one.
        class_set: of the model; a folder must name its classes.

    Raises:
        ValueError: if the name is unknown, the data set is not built and its
            download is missing or damaged, or its examples are not those of this
            project: `image`, `segmentation_mask` and `name`.
        ImportError: if building it needs Apache Beam, or reading it TFDS, which is
            not installed.
    """
    folder = _own_folder(name)
    if folder is not None:
        return LabelledFolder(folder, class_set)
    dataset, _, config = name.partition("/")
    _import_tfds()
    from trainers.common.building import build  # It needs TFDS.

    builder = _find_builder(dataset)(data_dir=data_dir, config=config or None)
    _refuse_other_features(builder)
    build(builder, manual_dir)
    if manual_dir is not None and hasattr(builder, "other_splits"):
        difference = builder.other_splits(manual_dir)
        if difference:
            logging.warning(
                "%s To use these, delete %s: the next call builds it again.",
                difference,
                builder.data_path,
            )
    return builder


def _own_folder(name: str) -> pathlib.Path | None:
    """Returns the folder of that name; the project's data sets go before folders."""
    folder = pathlib.Path(name).expanduser()
    known = name.partition("/")[0] in DATASETS
    return folder if folder.is_dir() and not known else None


def _find_builder(dataset: str) -> type:
    """Returns the class `Builder` of a data set's module."""
    module_name = f"tfds_builders.{dataset}" if dataset in DATASETS else dataset
    try:
        if not re.fullmatch(r"\w+(\.\w+)+", module_name):
            raise ModuleNotFoundError(name=module_name)
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # What the module itself imports, and does not find, is another matter.
        if not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ValueError(
            f"Argument `dataset` must be one of {DATASETS}, or one of them with "
            "/CONFIG; a labelled folder; or package.module of a TFDS builder. "
            f"Received: dataset={dataset}"
        ) from error
    if not hasattr(module, "Builder"):
        raise ValueError(
            "Argument `dataset` must be a module with a TFDS `Builder`. "
            f"Received: dataset={dataset}, {module.__file__}"
        )
    return module.Builder


def _refuse_other_features(builder: "tfds.core.DatasetBuilder") -> None:
    features = builder.info.features
    got = {name: features[name] for name in (*_PICTURES, "name") if name in features}
    right = len(got) == len(_PICTURES) + 1 and all(
        got[name].shape[2:] == (channels,) and np.dtype(got[name].np_dtype) == "uint8"
        for name, channels in _PICTURES.items()
    )
    if not right:
        raise ValueError(
            "Argument `dataset` must have examples of `image`, uint8 (height, width, "
            "3), `segmentation_mask`, uint8 (height, width, 1), and `name`. "
            f"Received: dataset={builder.info.full_name} with {features}"
        )


def short_name(name: str) -> str:
    """Makes what `load_builder` takes part of a file's name: a folder its own name."""
    folder = _own_folder(name)
    return name.replace("/", "_") if folder is None else folder.resolve().name


def find_label_map(
    source: "tfds.core.DatasetBuilder | LabelledFolder", class_set: ClassSet
) -> LabelMap:
    """Returns how the labels of a data set read in the classes of a model.

    A builder whose classes have other names than this project's says which is which
    in its `CLASS_MAP`: name there -> name here, `"background"` for what is none.

    Raises:
        ValueError: if a name means no class of this project or of the model.
    """
    if isinstance(source, LabelledFolder):
        return source.label_map
    metadata = source.info.metadata or {}
    names = metadata.get("class_names", EIGHT_PARTS.names)
    renamed = getattr(source, "CLASS_MAP", {})
    try:
        table = class_ids(names, renamed, class_set)
        names = [renamed.get(name, name) for name in names]
        return LabelMap.of(table, class_set, names=names)
    except ValueError as error:
        raise ValueError(
            f"Argument `dataset` {error} in dataset={source.info.full_name}, whose "
            "builder has no CLASS_MAP for them"
        ) from error


def find_training_map(
    source: "tfds.core.DatasetBuilder | LabelledFolder", class_set: ClassSet
) -> LabelMap:
    """Returns the `find_label_map` of a data set that draws every part.

    Raises:
        ValueError: as `find_label_map`, or if a part that the model crops is not
            drawn: its net would learn that it is never there.
    """
    found = find_label_map(source, class_set)
    if found.merged:
        raise ValueError(
            "Argument `dataset` must tell the model's classes apart: labels of which "
            "one means several can only score, by trainers.evaluate. Received: "
            f"dataset={source.info.full_name} of {found.class_set.names}"
        )
    missing = undrawn_parts(
        {*range(1, class_set.num_classes)} - {*found.undrawn}, class_set
    )
    if missing:
        raise ValueError(
            "Argument `dataset` must have every class of the parts that the model "
            f"crops. Received: dataset={source.info.full_name} without {missing}"
        )
    return found


def load_photos(
    name: str,
    split: str,
    class_set: ClassSet,
    data_dir: str | None = None,
    manual_dir: str | None = None,
    limit: int | None = None,
) -> tuple[tf.data.Dataset, LabelMap]:
    """Returns the first photos of a split; decoded, their labels have the model's ids.

    And what these labels leave open: `LabelMap.undrawn` has no score.

    Args:
        name: see `load_builder`, as `data_dir` and `manual_dir`.
        split: see `load_split`.
        class_set: of the model.
        data_dir: the TFDS data folder.
        manual_dir: folder with the download.
        limit: number of photos; None: all.

    Raises:
        ValueError: as `load_builder`, `load_split` and `find_training_map`.
    """
    builder = load_builder(name, data_dir, manual_dir, class_set)
    label_map = find_training_map(builder, class_set)
    dataset = label_map.attach(load_split(builder, split))
    return (dataset if limit is None else dataset.take(limit)), label_map


def decoded_photos(dataset: tf.data.Dataset) -> Iterator[dict[str, tf.Tensor]]:
    """Yields the examples of a dataset one by one, decoded, and shows the progress."""
    decoded = dataset.map(decode_example, num_parallel_calls=2).prefetch(2)
    yield from tqdm(decoded, total=int(dataset.cardinality()), unit=" photos")


def load_split(
    source: "tfds.core.DatasetBuilder | LabelledFolder", split: str
) -> tf.data.Dataset:
    """Returns a split in a fixed order, not decoded, with its cardinality known.

    Args:
        source: see `load_builder`.
        split: a split, or a slice of one such as `train[:100]`; of a labelled folder
            also `all`.

    Raises:
        ValueError: if there is no such split, or a labelled folder has a bad file.
    """
    if isinstance(source, LabelledFolder):
        return source.load(split)
    tfds = _import_tfds()
    known = tuple(source.info.splits)
    if split.partition("[")[0] not in known:
        raise ValueError(
            f"Argument `split` must be one of {known}, or a slice of one. "
            f"Received: split={split}"
        )
    skip = tfds.decode.SkipDecoding()
    encoded = {
        name: skip
        for name in _PICTURES
        if isinstance(source.info.features[name], tfds.features.Image)
    }
    decoders: Any = encoded
    names = dict.fromkeys((*_PICTURES, "name"), True)
    if set(source.info.features) != set(names):  # Leave out what else there is.
        decoders = tfds.decode.PartialDecoding(names, encoded)
    dataset = source.as_dataset(
        split=split,
        read_config=tfds.ReadConfig(interleave_cycle_length=1),
        decoders=decoders,
    )
    count = source.info.splits[split].num_examples
    return dataset.apply(tf.data.experimental.assert_cardinality(count))
