"""Which photo of CelebAMask-HQ belongs to which split. No TensorFlow."""

import hashlib
import os
import pathlib
from collections import Counter
from collections.abc import Mapping

from tfds_builders import files
from tfds_builders.celeb_a_mask_hq import layout
from tfds_builders.files import Root

SPLITS = ("train", "validation", "test")
MAPPING_NAME = "CelebA-HQ-to-CelebA-mapping.txt"
PARTITION_NAME = "list_eval_partition.txt"
LISTS_FOLDER = "splits"

BY_CELEBA = "CelebA's partition"
BY_LISTS = f"the lists in {LISTS_FOLDER}"
BY_HASH = "a hash of the id"

# Of ten photos, those with the last two hashes are validation and test.
_SEED = "celeb_a_mask_hq/0"
_TENTHS = (*["train"] * 8, "validation", "test")

_MAPPING_FORM = "ID CELEBA_INDEX CELEBA_FILE"
_PARTITION_FORM = "CELEBA_FILE 0|1|2"


def _bad_line(path: Root, number: int, form: str, line: str) -> str:
    return f"{path}, line {number}: must read `{form}`. Received: {line}"


def read_partition(path: Root) -> dict[str, str]:
    """Reads CelebA's partition.

    Args:
        path: of `list_eval_partition.txt`.

    Returns:
        name of a CelebA photo -> split.

    Raises:
        ValueError: naming every bad line, or if there is none.
    """
    splits, errors = {}, []
    for number, line in files.read_lines(path, _PARTITION_FORM):
        match line.split():
            case name, ("0" | "1" | "2") as split:
                splits[name] = SPLITS[int(split)]
            case _:
                errors.append(_bad_line(path, number, _PARTITION_FORM, line))
    files.raise_all(path, errors)
    return splits


def split_by_celeba(mapping: Root, partition: Root) -> dict[str, list[int]]:
    """Splits photos as CelebA, which they are from, is split.

    Args:
        mapping: path of `CelebA-HQ-to-CelebA-mapping.txt`.
        partition: path of `list_eval_partition.txt`.

    Returns:
        split -> its ids in the order of the mapping.

    Raises:
        ValueError: naming every bad line, and every photo that the partition lacks.
    """
    of_file = read_partition(partition)
    ids: dict[str, list[int]] = {split: [] for split in SPLITS}
    errors: list[str] = []
    for row, (number, line) in enumerate(files.read_lines(mapping, _MAPPING_FORM)):
        match line.split():
            case photo_id, _, name if photo_id.isdecimal():
                if name in of_file:
                    ids[of_file[name]].append(int(photo_id))
                else:
                    errors.append(
                        f"{mapping}, line {number}: CELEBA_FILE must be in "
                        f"{partition}. Received: {name}"
                    )
            case _ if row > 0:  # The first one is the header.
                errors.append(_bad_line(mapping, number, _MAPPING_FORM, line))
    files.raise_all(mapping, errors)
    return ids


def split_by_lists(folder: Root) -> dict[str, list[int]]:
    """Splits photos by the lists `train.txt`, `validation.txt` and `test.txt`.

    Args:
        folder: with the lists, of an ID a line.

    Returns:
        split -> its ids in the order of the list.

    Raises:
        ValueError: naming every list that is missing or empty, and every bad line.
    """
    ids: dict[str, list[int]] = {split: [] for split in SPLITS}
    errors: list[str] = []
    for split in SPLITS:
        path = folder / f"{split}.txt"
        try:
            lines = files.read_lines(path, "ID")
        except ValueError as error:
            errors.append(str(error))
            continue
        for number, line in lines:
            if line.isdecimal():
                ids[split].append(int(line))
            else:
                errors.append(_bad_line(path, number, "ID", line))
    files.raise_all(folder, errors)
    return ids


def split_by_hash(ids: list[int]) -> dict[str, list[int]]:
    """Splits photos about 80 / 10 / 10 by a hash of the id.

    Where a photo goes depends on its id alone, not on which others there are.

    Args:
        ids: of the photos.

    Returns:
        split -> its ids in the given order.
    """
    splits: dict[str, list[int]] = {split: [] for split in SPLITS}
    for photo_id in ids:
        digest = hashlib.sha256(f"{_SEED}/{photo_id}".encode()).digest()
        splits[_TENTHS[int.from_bytes(digest[:8], "big") % 10]].append(photo_id)
    return splits


def read_splits(
    root: Root, manual_dir: str | os.PathLike
) -> tuple[str, dict[str, list[int]]]:
    """Splits the photos by the first rule whose files are there.

    1. CelebA's partition, if both `CelebA-HQ-to-CelebA-mapping.txt` and
       `list_eval_partition.txt` are in `root` or `manual_dir`.
    2. The lists in `root/splits`, if one of them is there.
    3. A hash of the id, of all photos.

    Args:
        root: from `layout.find_root`.
        manual_dir: the folder that it was found in.

    Returns:
        the rule, one of `BY_CELEBA`, `BY_LISTS` and `BY_HASH`; and split -> its ids, a
        split without any left out.

    Raises:
        ValueError: if a list cannot be read, an id is listed twice, or, without
            lists, masks have no photo.
    """
    folders = (root, pathlib.Path(manual_dir))
    mapping, partition = (
        next((folder / name for folder in folders if (folder / name).is_file()), None)
        for name in (MAPPING_NAME, PARTITION_NAME)
    )
    lists = root / LISTS_FOLDER
    if mapping is not None and partition is not None:
        rule, ids = BY_CELEBA, split_by_celeba(mapping, partition)
    elif any((lists / f"{split}.txt").is_file() for split in SPLITS):
        rule, ids = BY_LISTS, split_by_lists(lists)
    else:
        photos = layout.list_photos(root)
        layout.check_all_photos(root, photos)
        rule, ids = BY_HASH, split_by_hash(photos)
    counts = Counter(photo_id for listed in ids.values() for photo_id in listed)
    files.raise_all(
        root,
        [
            f"id {photo_id}: must be listed once. Received: {count} times"
            for photo_id, count in counts.items()
            if count > 1
        ],
    )
    return rule, {split: listed for split, listed in ids.items() if listed}


def format_sizes(sizes: Mapping[str, int]) -> str:
    """Formats the number of photos of each split."""
    return ", ".join(f"{split} {size}" for split, size in sizes.items())
