"""Labels as people draw them: index PNGs, the names of their ids, EXIF rotation."""

import json
import pathlib

import numpy as np
from PIL import ExifTags, Image

from stn_icnn_tf.class_sets import ClassSet
from stn_icnn_tf.photos import orientation, turned_upright
from trainers.common.label_map import LabelMap, class_ids, undrawn_parts

CLASSES_FILE = "classes.json"


def read_label_map(folder: pathlib.Path, class_set: ClassSet) -> LabelMap:
    """Reads which of the model's classes each id in the labels of a folder is.

    `classes.json` is a list, the name of each id from 0 on, or an object with that
    list as `names`, and, if it has names of its own, with `map`: name -> the
    model's name; or names, a list, of several classes that are one in the labels.

    Args:
        folder: holds `classes.json`, or not: then the ids are the model's.
        class_set: of the model.

    Raises:
        ValueError: if the file cannot be read, a name is neither the model's nor
            this project's, or a class of a cropped part is not named.
    """
    path = folder / CLASSES_FILE
    if not path.is_file():
        ids = range(class_set.num_classes)
        return LabelMap.of(ids, class_set, names=class_set.names)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {error}") from error
    names, renamed = content, {}
    if isinstance(content, dict):
        names, renamed = content.get("names"), content.get("map", {})
    if not (_are_names(names) and _are_meanings(renamed)):
        raise ValueError(
            f'{path} must be a list of names, or {{"names": [...], "map": {{...}}}}: '
            f"a name for each id from 0 on, no two alike. Received: {content}"
        )
    if any(isinstance(meant, list) for meant in renamed.values()):
        try:
            return LabelMap.of_unions(names, renamed, class_set)
        except ValueError as error:
            raise ValueError(f"{path} {error}") from error
    try:
        table = class_ids(names, renamed, class_set)
    except ValueError as error:
        raise ValueError(f"{path} {error}, which `map` does not say") from error
    missing = undrawn_parts(table, class_set)
    if missing:
        raise ValueError(
            f"{path} must name every class of a part that the model crops, those that "
            "no photo shows too: what is not labelled is learned as background. "
            f"Missing: {missing}"
        )
    names = [renamed.get(name, name) for name in names]
    return LabelMap.of(table, class_set, names=names)


def _are_names(names: object) -> bool:
    return (
        isinstance(names, list)
        and all(isinstance(name, str) for name in names)
        and 0 < len(names) == len(set(names)) <= 256
    )


def _are_meanings(renamed: object) -> bool:
    return isinstance(renamed, dict) and all(
        isinstance(meant, str) or (isinstance(meant, list) and _are_names(meant))
        for meant in renamed.values()
    )


def read_label(path: pathlib.Path, photo: Image.Image, count: int) -> np.ndarray:
    """Reads a label as it lies on its upright photo.

    A label is drawn on the photo as a viewer shows it, upright, or on the stored
    pixels, as NumPy and OpenCV hold them. A photo that EXIF turns by 90 degrees has
    another size then, which tells; where it does not, the label is refused.

    Args:
        path: a grey or palette PNG; its pixels are ids.
        photo: its photo as it was opened, not turned.
        count: how many ids there are, from 0 on.

    Returns:
        uint8 `(height, width)`, the label's ids.

    Raises:
        ValueError: naming the file, if it is not such a label.
        OSError: if it is no picture.
    """
    turn = orientation(photo)
    upright = photo.size[::-1] if turn in (5, 6, 7, 8) else photo.size
    with Image.open(path) as picture:
        own = picture.getexif().get(ExifTags.Base.Orientation)
        size = picture.size
        if own is None and turn in range(2, 9):
            if upright == photo.size:
                raise ValueError(
                    f"{path}: EXIF turns its photo (orientation {turn}) and leaves its "
                    "size as it is, so nothing tells whether the label was drawn on "
                    "the photo as shown or as stored. Save the photo upright "
                    "(`exiftran -ai PHOTO`, or ImageOps.exif_transpose of Pillow), "
                    "and turn the label, too, if it was drawn as stored"
                )
            if size == photo.size:
                own = turn
        mask = np.array(turned_upright(picture, own or 1))
    if mask.shape != upright[::-1]:
        raise ValueError(
            f"{path}: must be a grey or palette picture of its photo's size, width "
            f"{upright[0]} and height {upright[1]}. Received: mode {picture.mode}, "
            f"width {size[0]}, height {size[1]}"
        )
    if mask.max() >= count:
        unknown = np.unique(mask[mask >= count])
        raise ValueError(
            f"{path}: its pixels must be class ids, 0 to {count - 1}. Received: "
            f"{unknown[:10].tolist()}"
        )
    return mask.astype("uint8")
