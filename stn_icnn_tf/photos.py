"""Photos as arrays, whatever they come as. No TensorFlow, no Keras."""

import io
import os
from typing import Any

import numpy as np
from PIL import Image, ImageOps

# Pillow's errors on broken files are of many kinds.
READ_ERRORS = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)

# What may be a number of channels, the last axis of an array.
_CHANNELS = (1, 3, 4)


def read_photo(photo: str | os.PathLike | bytes) -> np.ndarray:
    """Reads a file as uint8 `(height, width, 3)`, RGB, after its EXIF rotation.

    Args:
        photo: its path, or its content.

    Raises:
        OSError: if it cannot be read as a picture, see also `READ_ERRORS`.
    """
    file = io.BytesIO(photo) if isinstance(photo, bytes) else photo
    with Image.open(file) as picture:
        return np.array(ImageOps.exif_transpose(picture).convert("RGB"))


def photo_array(photo: Any) -> np.ndarray:
    """Brings a photo to uint8 `(height, width, 3)`, RGB.

    Args:
        photo: a path; the content of a file, bytes; a Pillow image, whose pixels stay
            where they are; or an array, see `checked_array`.

    Raises:
        OSError: if a file cannot be read as a picture, see also `READ_ERRORS`.
        ValueError: if an array is no photo; it says why.
    """
    if isinstance(photo, (bytearray, memoryview)):
        photo = bytes(photo)
    if isinstance(photo, (str, os.PathLike, bytes)):
        return read_photo(photo)
    if isinstance(photo, Image.Image):
        return np.array(photo.convert("RGB"))
    return checked_array(photo)


def checked_array(photo: Any) -> np.ndarray:
    """Brings an array of pixels to uint8 `(height, width, 3)`.

    Args:
        photo: `(height, width)`, or `(height, width, channels)` with 1 (grey), 3 (RGB)
            or 4 channels (RGB and alpha, which is dropped). Whole numbers of 0..255;
            or floats, of 0..1 if none is above 1, of 0..255 otherwise.

    Raises:
        ValueError: if it is anything else.
    """
    array = np.asarray(photo)
    if array.dtype == object or array.dtype.kind not in "uif":
        raise _no_photo("pixels as numbers of 0..255 or 0..1", array)
    if array.ndim == 3 and array.shape[-1] not in _CHANNELS:
        hint = ""
        if array.shape[0] in _CHANNELS:
            hint = ": channels come last, see numpy.transpose(photo, (1, 2, 0))"
        raise _no_photo(f"the shape (height, width, channels), 1, 3 or 4{hint}", array)
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise _no_photo("the shape (height, width) or (height, width, channels)", array)
    if array.dtype != np.uint8:
        array = _whole_numbers(array)
    if array.ndim == 2:
        array = array[..., None]
    if array.shape[-1] == 1:
        array = np.repeat(array, 3, axis=-1)
    return np.ascontiguousarray(array[..., :3])


def _whole_numbers(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise _no_photo("finite pixels", array)
    lowest, highest = array.min(), array.max()
    if lowest < 0 or highest > 255:
        raise _no_photo(
            f"pixels of 0..255 or 0..1, not of {lowest:.4g}..{highest:.4g}", array
        )
    if array.dtype.kind == "f":
        # In 0..255 nothing above 1 would be a black picture.
        array = np.round(array.astype("float64") * (255.0 if highest <= 1 else 1.0))
    return array.astype("uint8")


def _no_photo(wanted: str, array: np.ndarray) -> ValueError:
    return ValueError(
        f"A photo must have {wanted}. Received: an array of shape {array.shape} and "
        f"dtype {array.dtype}"
    )
