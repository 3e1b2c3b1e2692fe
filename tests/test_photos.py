import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from stn_icnn_tf.photos import PhotoError, photo_array, read_photo
from tests.helpers import encode, odd_exif, photos

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


def test_rows_are_copied_some_at_a_time(monkeypatch):
    monkeypatch.setattr("stn_icnn_tf.photos._PIXELS_AT_ONCE", 36 * 5)
    with Image.fromarray(PHOTO) as picture:
        np.testing.assert_array_equal(photo_array(picture), PHOTO)
    np.testing.assert_array_equal(read_photo(turned("PNG")), np.rot90(PHOTO, -1))


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
    with pytest.raises(PhotoError, match="identify"):
        read_photo(b"no picture")
    (tmp_path / "none.png").write_bytes(b"")
    with pytest.raises(PhotoError, match="empty"):
        read_photo(tmp_path / "none.png")
    with pytest.raises(FileNotFoundError):
        read_photo(tmp_path / "none.jpg")


# ------------------------------------------------------------ more than 8 bits a pixel


def tiff(grey, bits, photometric=1):
    """A grey TIFF of little-endian whole numbers; Pillow writes no such kinds."""
    height, width = grey.shape
    if bits == 12:
        pairs = grey.reshape(-1, 2).astype("uint32")
        first, second = pairs[:, 0], pairs[:, 1]
        parts = (first >> 4, (first & 15) << 4 | second >> 8, second & 255)
        pixels = np.stack(parts, axis=-1).astype("uint8").tobytes()
    else:
        pixels = grey.astype("<u2").tobytes()
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 8}
    tags |= {277: 1, 278: height, 279: len(pixels)}
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items()]
    directory = struct.pack("<H", len(tags)) + b"".join(entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + directory


GREY = PHOTO[..., 0]
DEEP = {
    "png": encode(Image.fromarray(GREY * np.uint16(257)), "PNG"),
    "tiff": encode(Image.fromarray(GREY * np.uint16(257)), "TIFF"),
    "big-endian tiff": encode(
        Image.frombytes(
            "I;16B", GREY.shape[::-1], (GREY * np.uint16(257)).byteswap().tobytes()
        ),
        "TIFF",
    ),
    "pgm": encode(Image.fromarray(GREY * np.uint16(257)), "PPM"),
    "12 bits": tiff(GREY.astype("uint16") << 4, 12),
    "white is zero": tiff(65535 - GREY * np.uint16(257), 16, photometric=0),
    "32 bits": encode(Image.fromarray(GREY.astype("int32")), "TIFF"),
    "float of 0..255": encode(Image.fromarray(GREY.astype("float32")), "TIFF"),
    "float of 0..1": encode(Image.fromarray(GREY / np.float32(255)), "TIFF"),
}


@pytest.mark.parametrize("kind", DEEP)
def test_deep_greys_are_their_8_bit_copy(kind):
    expected = np.repeat(GREY[..., None], 3, axis=-1)
    np.testing.assert_array_equal(read_photo(DEEP[kind]), expected)
    if kind not in ("12 bits", "white is zero"):  # An open picture, too.
        with Image.open(io.BytesIO(DEEP[kind])) as picture:
            np.testing.assert_array_equal(photo_array(picture), expected)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.full((8, 8), 70_000, "int32"), "not of 7e"),
        (np.full((8, 8), -3.0, "float32"), "not of -3"),
        (np.full((8, 8), np.nan, "float32"), "finite"),
    ],
)
def test_numbers_without_a_scale_are_refused(pixels, message):
    with pytest.raises(PhotoError, match=message):
        read_photo(encode(Image.fromarray(pixels), "TIFF"))


# ---------------------------------------------------------------------- odd and hostile


@pytest.mark.parametrize(("value", "turns"), [(6, -1), (3, 2), (9, 0), (0, 0)])
def test_odd_exif_data_cost_nothing(value, turns):
    """The width is a text, which cannot be written anew as a number."""
    content = encode(Image.fromarray(PHOTO), "PNG", exif=odd_exif(value))
    np.testing.assert_array_equal(read_photo(content), np.rot90(PHOTO, turns))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_data_are_none():
    for exif in (b"Exif\0\0II*\0" + b"\xff" * 40, odd_exif(6)[:30]):
        content = encode(Image.fromarray(PHOTO), "PNG", exif=exif)
        np.testing.assert_array_equal(read_photo(content), PHOTO)


def test_colours_with_alpha_lose_it_without_a_warning(recwarn):
    image = Image.fromarray(PHOTO).quantize(17)
    expected = np.array(image.convert("RGB"))
    content = encode(image, "PNG", transparency=bytes(range(17)))
    np.testing.assert_array_equal(read_photo(content), expected)
    assert not [w for w in recwarn if "ransparency" in str(w.message)]


def test_what_pillow_would_run_or_cannot_read_is_named():
    with pytest.raises(PhotoError, match="EPS"):
        read_photo(encode(Image.fromarray(PHOTO), "EPS"))
    heic = struct.pack(">I4s4s", 24, b"ftyp", b"heic") + bytes(40)
    with pytest.raises(PhotoError, match="HEIC.*JPEG"):
        read_photo(heic)
    png = encode(Image.fromarray(PHOTO), "PNG")
    bomb = png[:16] + struct.pack(">II", 60_000, 60_000) + png[24:]
    with pytest.raises(PhotoError):
        read_photo(bomb)
    with pytest.raises(ValueError, match="must have pixels"):
        photo_array(Image.new("RGB", (0, 5)))
