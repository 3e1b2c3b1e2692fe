"""Photos by which the ranges of 8-bit convs are measured."""

import pathlib
import sys
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from stn_icnn_tf.drawn_faces.drawing import draw_photos
from stn_icnn_tf.photos import read_photo
from trainers.common.photos import list_photos

MOST_PHOTOS = 32


def calibration_photos(
    folder: str | None, size: tuple[int, int]
) -> Iterator[np.ndarray]:
    """Gives photos of faces, at most 32: those of a folder, or drawn ones.

    Args:
        folder: of photos, which are taken evenly from the sorted names; None draws.
        size: `(height, width)` of the photos in pixels.

    Yields:
        uint8 `(height, width, 3)`, see `fit_photo`.

    Raises:
        ValueError: if the folder holds no photos, none can be read, or none can be
            drawn in that size.
    """
    if folder is None:
        yield from draw_photos(MOST_PHOTOS, size)
        return
    paths = list_photos(pathlib.Path(folder), "calibration")
    count = min(len(paths), MOST_PHOTOS)
    read = 0
    for index in np.linspace(0, len(paths) - 1, count).astype(int):
        try:
            photo = read_photo(paths[index])
        except OSError as error:
            print(f"{paths[index]}: left out: {error}", file=sys.stderr)
            continue
        read += 1
        yield fit_photo(photo, size)
    if not read:
        raise ValueError(
            "Argument `calibration` must hold photos that can be read. "
            f"Received: calibration={folder}"
        )


def fit_photo(
    photo: np.ndarray, size: tuple[int, int], nearest: bool = False
) -> np.ndarray:
    """Brings a photo to a size: shape kept, centred on black.

    Args:
        photo: uint8 `(height, width, channels)`.
        size: `(height, width)` of the result in pixels.
        nearest: whether pixels are taken over as they are, as a label's must be;
            False: bilinear, antialiased.

    Returns:
        uint8 `(*size, channels)`.
    """
    method = "nearest" if nearest else "bilinear"
    fitted = tf.image.resize_with_pad(photo, *size, method, antialias=not nearest)
    return tf.cast(tf.round(tf.cast(fitted, tf.float32)), tf.uint8).numpy()
