import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from stn_icnn_tf.photos import photo_array, read_photo
from tests.helpers import encode, photos

PHOTO = photos(24, 36)


def turned(kind, **options):
    """A file whose pixels lie on their side; EXIF says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode(Image.fromarray(PHOTO), kind, exif=exif, **options)


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_content_of_a_file_is_turned_upright(wrap, tmp_path):
    content = turned("PNG")
    upright = np.rot90(PHOTO, -1)
    np.testing.assert_array_equal(photo_array(wrap(content)), upright)
    path = tmp_path / "turned.png"
    path.write_bytes(content)
    for name in (path, str(path)):
        np.testing.assert_array_equal(photo_array(name), upright)
    # The pixels of a picture that is open already stay where they are.
    with Image.open(io.BytesIO(content)) as picture:
        np.testing.assert_array_equal(photo_array(picture), PHOTO)


@pytest.mark.parametrize(
    "photo",
    [
        PHOTO,
        PHOTO.astype("int64"),
        PHOTO.astype("float32"),
        PHOTO.astype("float32") / 255.0,
        PHOTO.astype("float64") / 255.0,
        PHOTO / np.float16(255.0),
        tf.constant(PHOTO),
        np.concatenate([PHOTO, PHOTO[..., :1]], axis=-1),
        PHOTO[::-1][::-1],
    ],
    ids=lambda photo: f"{type(photo).__name__}_{photo.dtype}_{photo.shape[-1]}",
)
def test_arrays_of_every_kind_are_the_same_photo(photo):
    array = photo_array(photo)
    assert array.dtype == np.uint8 and array.flags.c_contiguous
    np.testing.assert_array_equal(array, PHOTO)


def test_grey_photos_become_rgb():
    grey = PHOTO[..., 0]
    expected = np.repeat(grey[..., None], 3, axis=-1)
    for photo in (grey, grey[..., None], grey / 255.0, Image.fromarray(grey)):
        np.testing.assert_array_equal(photo_array(photo), expected)
    assert photo_array(Image.fromarray(PHOTO).convert("RGBA")).shape == PHOTO.shape


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        (np.moveaxis(PHOTO, -1, 0), r"channels come last.*\(3, 24, 36\)"),
        (PHOTO.astype("float32") / 127.5 - 1.0, r"0\.\.255 or 0\.\.1, not of -1"),
        (PHOTO.astype("uint16") * 257, r"0\.\.255.*uint16"),
        (np.full((8, 8, 3), np.nan), "finite"),
        (PHOTO > 100, "numbers.*bool"),
        (np.array(["a"]), "numbers"),
        (np.array(None), "numbers"),
        (PHOTO[None], r"shape.*\(1, 24, 36, 3\)"),
        (PHOTO[..., :2], r"shape.*\(24, 36, 2\)"),
        (PHOTO[:0], r"shape.*\(0, 36, 3\)"),
    ],
)
def test_what_is_no_photo_is_refused_by_name(photo, message):
    with pytest.raises(ValueError, match=message):
        photo_array(photo)


def test_broken_file_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match="identify"):
        read_photo(b"no picture")
    with pytest.raises(FileNotFoundError):
        read_photo(tmp_path / "none.jpg")
