"""Reads the public layout of HELEN, from a folder or from the zip. No TensorFlow."""

import pathlib
from collections.abc import Iterable

import numpy as np

from stn_icnn_tf.class_sets import EIGHT_PARTS
from tfds_builders import files, roots
from tfds_builders.files import Root

ROOT_NAME = "SmithCVPR2013_dataset_resized"
ARCHIVE_NAME = f"{ROOT_NAME}.zip"
LISTS = {
    "train": "exemplars.txt",
    "validation": "tuning.txt",
    "test": "testing.txt",
}
# Numbers of the soft masks: 00, 01 and 10 are background, face skin and hair; 02 to
# 09 are the parts, classes 1 to 8 in their order.
LABEL_NUMBERS = tuple(range(11))
PART_IDS = {number: number - 1 for number in range(2, 10)}
# Not in every download are these two drawn.
MORE_NAMES = {1: "skin", 10: "hair"}
ALL_IDS = {**PART_IDS, 1: 9, 10: 10}
ALL_NAMES = (*EIGHT_PARTS.names, *MORE_NAMES.values())


def find_root(manual_dir: str | pathlib.Path) -> Root:
    """Finds the data set in a folder.

    Args:
        manual_dir: a folder that holds `helen`, `SmithCVPR2013_dataset_resized`,
            or that with `.zip` behind it; or that is the layout itself.

    Returns:
        the folder with `images`, `labels` and the three lists, maybe in the zip.

    Raises:
        ValueError: if the folder holds none of these, one that lacks a folder, or a
            zip file that cannot be read.
    """
    return roots.find_root(
        manual_dir,
        folder_names=("helen", ROOT_NAME),
        archive_name=ARCHIVE_NAME,
        is_root=lambda root: any((root / name).is_file() for name in LISTS.values()),
        folders=("images", "labels"),
        contents=f"{', '.join(LISTS.values())}, images/ and labels/",
    )


def read_list(root: Root, file_name: str) -> list[str]:
    """Reads a list of lines `INDEX , NAME`.

    Args:
        root: from `find_root`.
        file_name: name of the list, one of `LISTS`.

    Returns:
        the names in the order of the list. Empty lines and what follows a # are
        passed over.

    Raises:
        ValueError: if the list is not there, is empty, or has a bad line.
    """
    path = root / file_name
    names = []
    for number, line in files.read_lines(path, "INDEX , NAME"):
        _, comma, name = line.partition(",")
        if not comma or not name.strip():
            raise ValueError(
                f"{path}, line {number}: must read `INDEX , NAME`. Received: {line}"
            )
        names.append(name.strip())
    return names


def read_lists(root: Root) -> dict[str, list[str]]:
    """Reads the three lists.

    Args:
        root: from `find_root`.

    Returns:
        split -> its names in the order of the list.

    Raises:
        ValueError: naming every list that cannot be read.
    """
    names, errors = {}, []
    for split, file_name in LISTS.items():
        try:
            names[split] = read_list(root, file_name)
        except ValueError as error:
            errors.append(error)
    files.raise_all(root, errors)
    return names


def photo_path(root: Root, name: str) -> Root:
    """Returns the path of a photo."""
    return root / "images" / f"{name}.jpg"


def label_path(root: Root, name: str, number: int) -> Root:
    """Returns the path of one soft mask."""
    return root / "labels" / name / f"{name}_lbl{number:02d}.png"


def check_sample(root: Root, name: str) -> list[ValueError]:
    """Checks the photo and the 11 masks of a sample, decoding only the photo.

    Args:
        root: from `find_root`.
        name: of the sample.

    Returns:
        an error for every file that is missing, cannot be decoded, or is of a size
        other than the photo's; one for all masks, if their folder is missing.
    """
    errors = []
    photo, size = photo_path(root, name), None
    try:
        size = files.read_picture(photo, "JPEG").size
    except ValueError as error:
        errors.append(error)
    if not (root / "labels" / name).is_dir():
        masks = f"a folder of {len(LABEL_NUMBERS)} masks"
        return [*errors, files.MissingFile(root / "labels" / name, masks)]
    for number in LABEL_NUMBERS:
        mask = label_path(root, name, number)
        try:
            mask_size = files.read_size(mask, "PNG")
            if size is not None and mask_size != size:
                raise ValueError(
                    f"{mask} is {mask_size[0]}x{mask_size[1]}, its photo {photo} is "
                    f"{size[0]}x{size[1]}: the sizes must be the same"
                )
        except ValueError as error:
            errors.append(error)
    return errors


def check(root: Root, names: Iterable[str]) -> None:
    """Checks every sample, so that a bad file is found before the work starts.

    Args:
        root: from `find_root`.
        names: of the samples.

    Raises:
        ValueError: naming the bad files in 20 lines at most, their number, and the way
            out.
    """
    errors = [error for name in names for error in check_sample(root, name)]
    files.raise_all(root, errors, ARCHIVE_NAME)


def check_drawn(root: Root, names: Iterable[str]) -> None:
    """Checks that face skin and hair are drawn: on one photo at least.

    Args:
        root: from `find_root`.
        names: of the samples.

    Raises:
        ValueError: naming what is not.
    """
    missing = set(MORE_NAMES)
    for name in names:
        missing -= {number for number in missing if read_mask(root, name, number).any()}
        if not missing:
            return
    numbers = ", ".join(f"lbl{number:02d}" for number in sorted(missing))
    classes = " and ".join(MORE_NAMES[number] for number in sorted(missing))
    raise ValueError(
        f"{root} draws no {classes}: {numbers} of every photo is empty. Without a "
        "config, the data set has the parts alone"
    )


def merge_soft_masks(
    masks: dict[int, np.ndarray], class_ids: dict[int, int] = PART_IDS
) -> np.ndarray:
    """Resolves overlapping soft masks by argmax.

    The masks are probabilities times 255, so those of one class, such as background,
    skin and hair where only parts have one, add up, in 32 bits. A tie goes to
    background, then to the lower id: a pixel that no mask covers is background.

    Args:
        masks: number of each mask -> uint8 `(height, width)`, 0..255.
        class_ids: number of a mask -> its class; others are background.

    Returns:
        uint8 `(height, width)`, class ids.
    """
    some = next(iter(masks.values()))
    scores = np.zeros((1 + max(class_ids.values()), *some.shape), "int32")
    for number, mask in masks.items():
        scores[class_ids.get(number, 0)] += mask
    return scores.argmax(axis=0).astype("uint8")


def read_mask(root: Root, name: str, number: int) -> np.ndarray:
    """Reads one soft mask, uint8 `(height, width)`.

    Raises:
        ValueError: naming it, if it cannot be decoded.
    """
    picture = files.read_picture(label_path(root, name, number), "PNG")
    # Masks are grey; some tools have stored them as RGB or with a palette.
    return np.asarray(picture.convert("L"))


def read_sample(
    root: Root, name: str, class_ids: dict[int, int] = PART_IDS
) -> tuple[bytes, np.ndarray]:
    """Reads one sample.

    Photo and masks keep the pixel grid of their files: an EXIF orientation in the
    photo, of which TensorFlow's decoder knows nothing either, is not applied.

    Args:
        root: from `find_root`.
        name: of the sample.
        class_ids: see `merge_soft_masks`.

    Returns:
        the photo's JPEG bytes as they are in the file, and the segmentation mask,
        uint8 `(height, width)`, class ids.

    Raises:
        ValueError: naming a mask that cannot be decoded.
    """
    masks = {number: read_mask(root, name, number) for number in LABEL_NUMBERS}
    return photo_path(root, name).read_bytes(), merge_soft_masks(masks, class_ids)
