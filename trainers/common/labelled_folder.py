"""A folder of one's own photos and labels, as a data set."""

import pathlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from PIL import Image

from stn_icnn_tf.class_sets import NUM_CLASSES
from trainers.common.photos import SUFFIXES, read_photo

LABEL = "_mask.png"


def labelled_photos(folder: str | pathlib.Path) -> list[tuple[pathlib.Path, ...]]:
    """Lists the photos of a folder with their labels, by name.

    Each `NAME_mask.png` is the label of the photo `NAME.jpg`, `.png`, ...; so a
    mask that `trainers.predict` wrote can be corrected and put beside its photo.

    Raises:
        ValueError: if the folder holds no label, or a label has no photo.
    """
    labels = sorted(pathlib.Path(folder).glob("*" + LABEL))
    if not labels:
        raise ValueError(
            f"Argument `folder` must be a folder that holds labels NAME{LABEL}. "
            f"Received: folder={folder}"
        )
    pairs = []
    for label in labels:
        stem = label.name.removesuffix(LABEL)
        names = (label.with_name(stem + suffix) for suffix in SUFFIXES)
        photo = next((path for path in names if path.is_file()), None)
        if photo is None:
            raise ValueError(
                f"Argument `folder` must hold a photo {stem} ({', '.join(SUFFIXES)}) "
                f"for the label {label.name}. Received: folder={folder}"
            )
        pairs.append((photo, label))
    return pairs


def _read_label(path: pathlib.Path, size: tuple[int, int]) -> np.ndarray:
    with Image.open(path) as picture:
        mask = np.array(picture)
    if mask.shape != size or mask.max() >= NUM_CLASSES:
        raise ValueError(
            f"A label must be a grey or palette picture of its photo's size, {size}, "
            f"with the class ids 0 to {NUM_CLASSES - 1}. Received: {path}, of shape "
            f"{mask.shape} and up to {mask.max()}"
        )
    return mask.astype("uint8")


def load_labelled_folder(
    folder: str | pathlib.Path, start: int = 0, stop: int | None = None
) -> tf.data.Dataset:
    """Reads photos and labels of a folder, in the order of their names.

    Args:
        folder: see `labelled_photos`; a label's pixels are class ids, grey values or
            indices of a palette.
        start: index of the first photo.
        stop: index after the last photo; None: to the end.

    Returns:
        examples like those of the TFDS builders, their number known.

    Raises:
        ValueError: if the folder holds no photo in this range, or a label is not
            one.
    """
    pairs = labelled_photos(folder)
    chosen = pairs[start:stop]
    if not chosen:
        raise ValueError(
            "Arguments `start` and `stop` must leave a photo of the folder's "
            f"{len(pairs)}. Received: start={start}, stop={stop}"
        )

    def examples() -> Iterator[dict]:
        for photo, label in chosen:
            image = read_photo(photo)
            mask = _read_label(label, image.shape[:2])
            yield {
                "image": image,
                "segmentation_mask": mask[..., None],
                "name": photo.stem,
            }

    for _ in examples():  # A bad label is named now, not by tf.data in training.
        pass
    signature = {
        "image": tf.TensorSpec((None, None, 3), tf.uint8),
        "segmentation_mask": tf.TensorSpec((None, None, 1), tf.uint8),
        "name": tf.TensorSpec((), tf.string),
    }
    dataset = tf.data.Dataset.from_generator(examples, output_signature=signature)
    return dataset.apply(tf.data.experimental.assert_cardinality(len(chosen)))
