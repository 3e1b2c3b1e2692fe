"""Photos as arrays, whatever they come as. No TensorFlow, no Keras."""

import contextlib
import io
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from stn_icnn_tf.files import as_path, is_remote

# How many pixels are copied at once.
_PIXELS_AT_ONCE = 2**18

# What may be a number of channels, the last axis of an array.
_CHANNELS = (1, 3, 4)

# EXIF orientation -> what turns the stored pixels upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Tags of TIFF.
_BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0

# What the files of phones begin with that Pillow knows only with a plug-in.
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")


class PhotoError(OSError):
    """A file that cannot be read as a photo; it says why."""


@contextlib.contextmanager
def open_picture(photo: str | os.PathLike | bytes) -> Iterator[Image.Image]:
    """Opens a file by Pillow; what the block does with it is reading, too.

    Args:
        photo: its path, local or in remote storage, or its content.

    Yields:
        the picture; it is decoded when its pixels are first asked for.

    Raises:
        OSError: if there is no such file.
        PhotoError: if it cannot be read as a picture, whatever Pillow made of that.
    """
    if not isinstance(photo, bytes):
        photo = as_path(photo)
        if is_remote(photo):
            photo = photo.read_bytes()
    try:
        file = io.BytesIO(photo) if isinstance(photo, bytes) else photo
        with Image.open(file) as picture:
            if picture.format == "EPS":  # Pillow would run Ghostscript on it.
                raise PhotoError("EPS is a program that draws: it is not run")
            yield picture
    except Image.UnidentifiedImageError as error:
        raise PhotoError(_unidentified(photo)) from error
    except OSError:
        raise
    # Of a broken file Pillow raises SyntaxError, struct.error, KeyError, ...
    except Exception as error:
        reason = str(error) or "it is damaged"
        raise PhotoError(f"{type(error).__name__}: {reason}") from error


def _unidentified(photo: str | os.PathLike | bytes) -> str:
    if isinstance(photo, bytes):
        start = photo[:16]
    else:
        with open(photo, "rb") as file:
            start = file.read(16)
    if not start:
        return "it is empty"
    if start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS:
        return "it is a HEIC file, which Pillow cannot read: save it as JPEG or PNG"
    return "Pillow cannot identify it as a picture"


def orientation(picture: Image.Image) -> int:
    """Returns a picture's EXIF orientation, 1 to 8; 1 if it says nothing sensible."""
    # Viewers show a photo whose EXIF data are damaged as it is stored.
    with contextlib.suppress(Exception):
        value = picture.getexif().get(ExifTags.Base.Orientation)
        if value in _UPRIGHT:
            return int(value)
    return 1


def turned_upright(picture: Image.Image, orientation: int) -> Image.Image:
    """Turns a picture by an EXIF orientation.

    Unlike `ImageOps.exif_transpose` this does not write the EXIF data anew, which
    fails where they are odd.
    """
    method = _UPRIGHT.get(orientation)
    return picture if method is None else picture.transpose(method)


def read_photo(photo: str | os.PathLike | bytes) -> np.ndarray:
    """Reads a file as uint8 `(height, width, 3)`, RGB, after its EXIF rotation.

    Of 16 bits the upper 8 are taken; whole and floating numbers of 32 bits as
    `checked_array` takes them. Alpha is dropped. Of several pictures in a file it is
    the first.

    Args:
        photo: its path, or its content.

    Raises:
        OSError: if there is no such file; a `PhotoError` if it cannot be read as a
            picture.
    """
    with open_picture(photo) as picture:
        return _pixels(turned_upright(picture, orientation(picture)), picture)


def photo_array(photo: Any) -> np.ndarray:
    """Brings a photo to uint8 `(height, width, 3)`, RGB.

    Args:
        photo: a path; the content of a file, bytes; a Pillow image, whose pixels stay
            where they are; or an array, see `checked_array`.

    Raises:
        OSError: if a file cannot be read as a picture, see `read_photo`.
        ValueError: if an array or a Pillow image is no photo; it says why.
    """
    if isinstance(photo, (bytearray, memoryview)):
        photo = bytes(photo)
    if isinstance(photo, (str, os.PathLike, bytes)):
        return read_photo(photo)
    if isinstance(photo, Image.Image):
        return _pixels(photo, photo)
    return checked_array(photo)


def _pixels(picture: Image.Image, file: Image.Image) -> np.ndarray:
    """Gives the pixels of a picture of any mode; `file` knows how they were stored."""
    if 0 in picture.size:
        raise ValueError(f"A photo must have pixels. Received: {picture.size}")
    if picture.mode.startswith("I;16"):
        return checked_array(_upper_bits(np.asarray(picture), file))
    if picture.mode in ("I", "F"):
        array = np.asarray(picture)
        # Pillow scales the greys of PNG and PGM to 16 bits.
        is_scaled = picture.mode == "I" and file.format in ("PNG", "PPM")
        return checked_array(array >> 8 if is_scaled else array)
    if picture.mode in ("P", "PA"):
        # Not at once: Pillow warns of colours with alpha.
        picture = picture.convert("RGBA")
    return _rgb(picture)


def _rgb(picture: Image.Image) -> np.ndarray:
    """Copies the pixels as RGB, some rows at a time: at once takes much memory."""
    width, height = picture.size
    pixels = np.empty((height, width, 3), "uint8")
    step = max(_PIXELS_AT_ONCE // width, 1)
    for top in range(0, height, step):
        rows = picture.crop((0, top, width, min(top + step, height)))
        pixels[top : top + step] = np.asarray(rows.convert("RGB"))
    return pixels


def _upper_bits(grey: np.ndarray, file: Image.Image) -> np.ndarray:
    """Takes the upper 8 of 16 bits, or of the 12 that a TIFF says it has."""
    tags = getattr(file, "tag_v2", {})
    shift = 4 if tags.get(_BITS) == (12,) else 8
    eight = (grey >> shift).astype("uint8")
    return 255 - eight if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO else eight


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
