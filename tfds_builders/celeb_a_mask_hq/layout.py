"""Reads the public layout of CelebAMask-HQ, folder or zip. No TensorFlow."""

import os
import pathlib
from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from stn_icnn_tf.class_sets import EIGHT_PARTS
from tfds_builders import files, roots
from tfds_builders.files import Root

PHOTOS = "CelebA-HQ-img"
MASKS = "CelebAMask-HQ-mask-anno"
FOLDER_NAMES = ("CelebAMask-HQ", "celebamask_hq")
ARCHIVE_NAME = "CelebAMask-HQ.zip"
MASKS_PER_FOLDER = 2000

# Parts in the public order, in which they are drawn: where masks overlap, the later
# part wins. So features lie over skin, lips over the mouth, hair over the face, a hat
# over hair, and eyes are seen through glasses.
PARTS = (
    "skin",
    "nose",
    "eye_g",
    "l_eye",
    "r_eye",
    "l_brow",
    "r_brow",
    "l_ear",
    "r_ear",
    "mouth",
    "u_lip",
    "l_lip",
    "hair",
    "hat",
    "ear_r",
    "neck_l",
    "neck",
    "cloth",
)

# Part -> name of its class here. `l_` and `r_` are the SUBJECT's, so `r_` is on the
# image's left; but `u_lip` and `l_lip` are upper and lower.
CLASS_MAP = {
    "r_brow": "left_brow",
    "l_brow": "right_brow",
    "r_eye": "left_eye",
    "l_eye": "right_eye",
    "nose": "nose",
    "u_lip": "upper_lip",
    "mouth": "inner_mouth",
    "l_lip": "lower_lip",
    "skin": "skin",
    "r_ear": "left_ear",
    "l_ear": "right_ear",
    "hair": "hair",
    "neck": "neck",
    "eye_g": "glasses",
    "hat": "hat",
    "cloth": "cloth",
    "ear_r": "earring",
    "neck_l": "necklace",
}
# Part -> class id, for the 8 parts of this project and for all of them.
PART_LABELS = {
    part: EIGHT_PARTS.id_of(CLASS_MAP[part])
    for part in PARTS
    if CLASS_MAP[part] in EIGHT_PARTS.names
}
ALL_LABELS = {part: class_id for class_id, part in enumerate(PARTS, 1)}


def find_root(manual_dir: str | os.PathLike) -> Root:
    """Finds the data set in a folder.

    Args:
        manual_dir: a folder that holds `CelebAMask-HQ`, that with `.zip` behind it,
            or `celebamask_hq`; or that is the layout itself.

    Returns:
        the folder with the photos and the masks, maybe in the zip.

    Raises:
        ValueError: if the folder holds none of these, one that lacks the photos or the
            masks, or a zip file that cannot be read.
    """
    return roots.find_root(
        manual_dir,
        folder_names=FOLDER_NAMES,
        archive_name=ARCHIVE_NAME,
        is_root=lambda root: (root / PHOTOS).is_dir() or (root / MASKS).is_dir(),
        folders=(PHOTOS, MASKS),
        contents=f"{PHOTOS}/ID.jpg and {MASKS}/FOLDER/ID_PART.png",
    )


def photo_path(root: Root, photo_id: int) -> Root:
    """Returns the path of a photo."""
    return root / PHOTOS / f"{photo_id}.jpg"


def mask_path(root: Root, photo_id: int, part: str) -> Root:
    """Returns the path of one mask."""
    folder = root / MASKS / str(photo_id // MASKS_PER_FOLDER)
    return folder / f"{photo_id:05d}_{part}.png"


def list_photos(root: Root) -> list[int]:
    """Returns the ids of all photos, in increasing order.

    Args:
        root: from `find_root`.

    Raises:
        ValueError: if there is no photo, or the names of some end in another case.
    """
    names = [pathlib.PurePath(name) for name in files.names_in(root / PHOTOS)]
    found = {
        name: int(name.stem)
        for name in names
        if name.suffix.lower() == ".jpg" and name.stem.isdecimal()
    }
    if not found:
        raise ValueError(f"{root / PHOTOS} holds no photo: ID.jpg was expected")
    others = sorted(str(name) for name in found if name.suffix != ".jpg")
    if others:
        raise ValueError(
            f"{root / PHOTOS} holds {len(others)} photos, such as {others[0]}, whose "
            "names must end in .jpg, in small letters: rename them"
        )
    return sorted(found.values())


def list_parts(root: Root, ids: Iterable[int]) -> dict[int, set[str]]:
    """Returns the parts of which a photo has a mask.

    Args:
        root: from `find_root`.
        ids: of photos, whose folders of masks are listed.
    """
    parts = defaultdict(set)
    for folder in sorted({photo_id // MASKS_PER_FOLDER for photo_id in ids}):
        # One listing of a folder is far faster than a question about each file.
        for name in files.names_in(root / MASKS / str(folder)):
            photo_id, _, part = name.removesuffix(".png").partition("_")
            if photo_id.isdecimal() and part in ALL_LABELS:
                parts[int(photo_id)].add(part)
    return parts


def _scale(mask: Root, mask_size: tuple, photo: Root, size: tuple) -> int:
    """Returns how many times larger a photo is than its mask."""
    factor = size[0] // mask_size[0]
    if factor < 1 or (mask_size[0] * factor, mask_size[1] * factor) != size:
        raise ValueError(
            f"{mask} is {mask_size[0]}x{mask_size[1]}, its photo {photo} is "
            f"{size[0]}x{size[1]}: the photo must be as large as the mask, or larger "
            "by a whole factor"
        )
    return factor


def check_sample(root: Root, photo_id: int, parts: Iterable[str]) -> list[ValueError]:
    """Checks the headers of the photo and the masks of a sample.

    Args:
        root: from `find_root`.
        photo_id: of the photo.
        parts: of which there are masks.

    Returns:
        an error for every file that is missing, is no picture, or does not fit.
    """
    errors = []
    photo, size = photo_path(root, photo_id), None
    try:
        size = files.read_size(photo, "JPEG")
    except ValueError as error:
        errors.append(error)
    for part in parts:
        mask = mask_path(root, photo_id, part)
        try:
            mask_size = files.read_size(mask, "PNG")
            if size is not None:
                _scale(mask, mask_size, photo, size)
        except ValueError as error:
            errors.append(error)
    return errors


def check(root: Root, ids: Iterable[int], labels: Mapping[str, int]) -> None:
    """Checks every sample, so that a bad file is found before the work starts.

    Only headers are read: there may be 400,000 files. Files cut short are found
    when they are read.

    Args:
        root: from `find_root`.
        ids: of the photos.
        labels: part -> class id; only masks of these parts are checked.

    Raises:
        ValueError: naming the bad files in 20 lines at most, their number, and the way
            out.
    """
    ids = list(ids)
    present = list_parts(root, ids)
    errors: list[ValueError] = []
    for photo_id in ids:
        parts = present.get(photo_id, set())
        if not parts:
            masks = mask_path(root, photo_id, "*")
            some = "an 8-bit PNG mask of one part at least"
            errors.append(files.MissingFile(masks, some))
        used = [part for part in labels if part in parts]
        errors += check_sample(root, photo_id, used)
    files.raise_all(root, errors, ARCHIVE_NAME)


def check_all_photos(root: Root, ids: Iterable[int]) -> None:
    """Checks that every photo is there of which there is a mask.

    Without lists nothing else says which photos the data set has.

    Args:
        root: from `find_root`.
        ids: of all photos that are there.

    Raises:
        ValueError: if a photo is missing.
    """
    folders = [int(name) for name in files.names_in(root / MASKS) if name.isdecimal()]
    masked = list_parts(root, (folder * MASKS_PER_FOLDER for folder in folders))
    missing = sorted(masked.keys() - set(ids))
    files.raise_all(
        root,
        [
            files.MissingFile(photo_path(root, photo_id), "the photo of its masks")
            for photo_id in missing
        ],
        ARCHIVE_NAME,
    )


def read_sample(
    root: Root, photo_id: int, labels: Mapping[str, int]
) -> tuple[bytes, np.ndarray]:
    """Reads one sample.

    Masks smaller than the photo are brought to its size by nearest neighbour. Photo
    and masks keep the pixel grid of their files: an EXIF orientation is not applied.

    Args:
        root: from `find_root`.
        photo_id: of the photo.
        labels: part -> class id, in the order in which parts are drawn. A part
            without a file is not in the photo.

    Returns:
        the photo's JPEG bytes as they are in the file, and the segmentation mask,
        uint8 `(height, width)`, class ids.

    Raises:
        ValueError: naming a file that cannot be decoded or does not fit.
    """
    photo = photo_path(root, photo_id)
    content, size = files.read_photo(photo)
    classes = np.zeros(size[::-1], "uint8")
    for part, class_id in labels.items():
        path = mask_path(root, photo_id, part)
        if not path.is_file():
            continue
        # The public masks are RGB, others grey.
        mask = files.read_picture(path, "PNG").convert("L")
        factor = _scale(path, mask.size, photo, size)
        covered = np.asarray(mask) > 127
        if factor > 1:
            covered = covered.repeat(factor, axis=0).repeat(factor, axis=1)
        classes[covered] = class_id
    return content, classes
