"""A folder of one's own photos and labels, as a data set."""

import concurrent.futures
import dataclasses
import hashlib
import io
import itertools
import os
import pathlib
import re
from collections.abc import Iterator

import tensorflow as tf
from PIL import Image
from tqdm import tqdm

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from stn_icnn_tf.photos import read_photo
from trainers.common.labels import read_label, read_label_map
from trainers.common.photos import is_photo

SPLITS = ("train", "validation", "test")
ALL = "all"
LABEL = "_mask"

_MOST_ERRORS = 20
_SLICE = re.compile(r"(\w+)(?:\[(-?\d+%?)?:(-?\d+%?)?\])?")

Pair = tuple[pathlib.Path, pathlib.Path]


def labelled_photos(folder: pathlib.Path) -> list[Pair]:
    """Lists the photos of a folder with their labels, by the labels' names.

    The labels are `labels/NAME.png` for photos `images/NAME.jpg` (or `.png`, ...),
    or `NAME_mask.png` beside the photos: so a mask that `trainers.predict` wrote can
    be corrected and put beside its photo. Photos without a label are passed over.

    Returns:
        `(photo, label)`; empty if the folder holds no label.

    Raises:
        ValueError: if a label has no photo, or two.
    """
    photo_folder, label_folder, ending = folder, folder, LABEL
    if (folder / "images").is_dir() and (folder / "labels").is_dir():
        photo_folder, label_folder, ending = folder / "images", folder / "labels", ""
    photos: dict[str, list[pathlib.Path]] = {}
    for path in filter(is_photo, sorted(photo_folder.iterdir())):
        photos.setdefault(path.stem, []).append(path)
        # Where two photos have one stem, `trainers.predict` writes a.jpg_mask.png.
        photos.setdefault(path.name, []).append(path)
    pairs, errors = [], []
    for label in filter(is_photo, sorted(label_folder.iterdir())):
        stem = label.stem
        if label.suffix.lower() != ".png" or not stem.lower().endswith(ending):
            continue
        name = stem[: len(stem) - len(ending)]
        found = photos.get(name, [])
        if len(found) == 1:
            pairs.append((found[0], label))
        else:
            errors.append(
                f"{label}: must have one photo {name}. "
                f"Received: {[path.name for path in found]}"
            )
    _raise_all(folder, errors)
    return pairs


def _raise_all(folder: pathlib.Path, errors: list[str]) -> None:
    """Raises one ValueError for all errors, if any; it shows the first 20."""
    if errors:
        lines = errors[:_MOST_ERRORS]
        if len(errors) > _MOST_ERRORS:
            lines.append(f"and {len(errors) - _MOST_ERRORS} more")
        shown = "\n  ".join(lines)
        raise ValueError(f"{folder}: bad labels or photos: {len(errors)}\n  {shown}")


def _label_path(pair: Pair) -> pathlib.Path:
    return pair[1]


def _split_by_hash(pairs: list[Pair]) -> dict[str, list[Pair]]:
    """Splits about 80 / 10 / 10: where a photo goes depends on its name alone."""
    splits: dict[str, list[Pair]] = {split: [] for split in SPLITS}
    for photo, label in pairs:
        digest = hashlib.sha256(os.fsencode(photo.stem)).digest()
        tenth = int.from_bytes(digest[:8], "big") % 10
        splits[SPLITS[max(0, tenth - 7)]].append((photo, label))
    return splits


def _find_splits(folder: pathlib.Path) -> dict[str, list[Pair]]:
    loose = labelled_photos(folder)
    folders = [folder / split for split in SPLITS if (folder / split).is_dir()]
    if folders and loose:
        raise ValueError(
            f"{folder} must hold its labels in the folders {SPLITS}, or all of them "
            f"itself. Received: {loose[0][1]} beside {folders[0]}"
        )
    splits = {path.name: labelled_photos(path) for path in folders}
    splits = splits if folders else _split_by_hash(loose)
    splits = {split: pairs for split, pairs in splits.items() if pairs}
    if not splits:
        raise ValueError(
            f"Argument `folder` must hold labels: NAME{LABEL}.png beside the photos, "
            "or labels/NAME.png of images/NAME.jpg; itself, or in folders "
            f"{SPLITS}. Received: folder={folder}"
        )
    return splits


def _encoded_label(pair: Pair, count: int) -> bytes:
    """Checks a photo and its label of `count` ids; returns the label as a PNG.

    Raises:
        ValueError: naming the file, if one of them is bad.
    """
    path, label = pair
    reading = path
    try:
        with Image.open(path) as photo:
            reading = label
            mask = read_label(label, photo, count)
            reading = path
            if photo.format in ("JPEG", "MPO"):
                # Decoded at an eighth of its size: fast, and reads all of it.
                photo.draft("RGB", (photo.width // 8, photo.height // 8))
                photo.load()
            else:
                read_photo(path)
    # Pillow has errors of many kinds.
    except Exception as error:
        text = str(error)
        named = text if str(reading) in text else f"{reading}: {text}"
        raise ValueError(named) from error
    content = io.BytesIO()
    Image.fromarray(mask).save(content, "PNG", compress_level=1)
    return content.getvalue()


@dataclasses.dataclass(frozen=True)
class FolderInfo:
    """What TFDS's `builder.info` tells of a data set, as far as it is asked.

    Attributes:
        full_name: name of the folder, and a digest that other files change.
    """

    full_name: str


class LabelledFolder:
    """One's own photos and labels, in the place of a built TFDS data set.

    The splits are the folders `train`, `validation` and `test`, as far as they are
    there. Else they are made by a hash of the photos' names, about 80 / 10 / 10.
    `all` is every photo, in the order of the labels' paths.

    Args:
        folder: see `labelled_photos` and `labels.read_label_map`.
        class_set: of the model.

    Attributes:
        folder: the folder.
        label_map: how its labels read in the model's classes.
        info: see `FolderInfo`.
        splits: split -> number of its photos.

    Raises:
        ValueError: if the folder holds no label, one has no photo, or the classes
            are not the model's.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        class_set: ClassSet = EIGHT_PARTS,
    ):
        self.folder = pathlib.Path(folder)
        self.label_map = read_label_map(self.folder, class_set)
        self._pairs = _find_splits(self.folder)
        everything = itertools.chain.from_iterable(self._pairs.values())
        self._pairs[ALL] = sorted(everything, key=_label_path)
        self.splits = {split: len(pairs) for split, pairs in self._pairs.items()}
        full_name = f"{self.folder.resolve().name}/{self._digest()}"
        self.info = FolderInfo(full_name)

    def _digest(self) -> str:
        """Stands for a version: other names, sizes or classes change it."""
        files = [
            f"{path.relative_to(self.folder).as_posix()} {path.stat().st_size}"
            for path in itertools.chain.from_iterable(self._pairs[ALL])
        ]
        content = "\n".join(files).encode(errors="surrogateescape")
        return hashlib.sha256(content + bytes(self.label_map.table)).hexdigest()[:8]

    def load(self, split: str) -> tf.data.Dataset:
        """Returns the examples of a split; reads every label and photo once.

        So a bad file is named here, not in the middle of training. Labels are kept,
        encoded; photos stay files until they are decoded for a batch.

        Args:
            split: a split, or a slice of one: `all[:100]`, `train[-10%:]`.

        Returns:
            `image_file`, the path of the photo, `segmentation_mask`, an encoded PNG
            of the folder's ids, and `name`, all strings; their number known. See
            `LabelMap.attach` and `preprocess.decode_example`.

        Raises:
            ValueError: if there is no such split, it is empty, or files are bad.
        """
        pairs = self._slice(split)
        errors, labels = [], []
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            count = len(self.label_map.table)
            tasks = [pool.submit(_encoded_label, pair, count) for pair in pairs]
            for task in tqdm(tasks, unit=" labels", leave=False):
                try:
                    labels.append(task.result())
                except ValueError as error:
                    errors.append(str(error))
        _raise_all(self.folder, errors)

        def examples() -> Iterator[dict]:
            for (photo, _), label in zip(pairs, labels):
                yield {
                    "image_file": os.fsencode(photo),
                    "segmentation_mask": label,
                    "name": os.fsencode(photo.stem),
                }

        text = tf.TensorSpec((), tf.string)
        keys = ("image_file", "segmentation_mask", "name")
        dataset = tf.data.Dataset.from_generator(
            examples, output_signature=dict.fromkeys(keys, text)
        )
        return dataset.apply(tf.data.experimental.assert_cardinality(len(pairs)))

    def _slice(self, split: str) -> list[Pair]:
        match = _SLICE.fullmatch(split)
        if match is None or match[1] not in self._pairs:
            raise ValueError(
                f"Argument `split` must be one of {tuple(self._pairs)}, or a slice of "
                f"one, such as all[:10]. Received: split={split}"
            )
        pairs = self._pairs[match[1]]

        def bound(text: str | None) -> int | None:
            if not text:
                return None
            if not text.endswith("%"):
                return int(text)
            return round(len(pairs) * int(text[:-1]) / 100)

        chosen = pairs[bound(match[2]) : bound(match[3])]
        if not chosen:
            raise ValueError(
                f"Argument `split` must leave a photo of the {len(pairs)} of "
                f"{match[1]}. Received: split={split}"
            )
        return chosen
