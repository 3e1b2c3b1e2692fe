"""Decoding inside a graph: every kind of JPEG and PNG, and what is neither."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from stn_icnn_tf.export.image_decoding import MAX_SIDE, decode_photo
from tests.helpers import encode

_decode = tf.function(
    decode_photo, input_signature=[tf.TensorSpec((), tf.string)], autograph=False
)


def decode(encoded):
    photo, problem = _decode(encoded)
    assert photo.dtype == tf.uint8 and photo.shape[-1] == 3
    return photo.numpy(), problem.numpy().decode()


def picture(mode="RGB", size=(40, 30)):
    """A smooth picture, 40 wide and 30 high."""
    xs, ys = np.meshgrid(np.linspace(0, 255, size[0]), np.linspace(0, 200, size[1]))
    pixels = np.stack([xs, ys, 255 - xs], axis=-1).astype("uint8")
    return Image.fromarray(pixels).convert(mode)


def claim_size(png, width, height):
    """Rewrites the size in the header of a PNG, checksum and all."""
    header = b"IHDR" + struct.pack(">II", width, height) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]


def claim_jpeg_size(jpeg, width, height):
    start = jpeg.index(b"\xff\xc0")
    return jpeg[: start + 5] + struct.pack(">HH", height, width) + jpeg[start + 9 :]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
def test_png_of_every_mode_is_decoded_exactly(mode):
    image = picture(mode)
    if mode in ("RGBA", "LA"):
        image.putalpha(77)  # Alpha is dropped: no blending.
    photo, problem = decode(encode(image, "PNG"))
    assert problem == ""
    np.testing.assert_array_equal(photo, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_become_their_upper_eight(channels):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 2**16, (6, 5, channels)).astype("uint16")
    photo, problem = decode(tf.io.encode_png(pixels).numpy())
    assert problem == ""
    colors = pixels[..., : 3 if channels > 2 else 1] >> 8
    np.testing.assert_array_equal(photo, np.broadcast_to(colors, (6, 5, 3)))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_of_every_mode_is_decoded_as_pillow_does(mode, progressive):
    encoded = encode(picture(mode), "JPEG", quality=95, progressive=progressive)
    photo, problem = decode(encoded)
    assert problem == ""
    expected = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"), "int32")
    assert photo.shape == (30, 40, 3)
    # Versions of the library may round differently.
    assert np.abs(photo - expected).max() <= 1


@pytest.mark.parametrize("transform", [None, 0, 2])
def test_cmyk_is_pillows_whatever_adobes_segment_says(transform):
    encoded = encode(picture("CMYK"), "JPEG", quality=95)
    start = encoded.index(b"\xff\xee")
    (length,) = struct.unpack(">H", encoded[start + 2 : start + 4])
    segment = encoded[start : start + 2 + length]
    assert segment[4:9] == b"Adobe"
    other = b"" if transform is None else segment[:-1] + bytes([transform])
    encoded = encoded.replace(segment, other)
    photo, problem = decode(encoded)
    assert problem == ""
    expected = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"), "int32")
    assert np.ptp(expected) > 100 and np.abs(photo - expected).max() <= 1


def test_pixels_stay_as_they_are_stored_whatever_exif_says():
    exif = Image.Exif()
    exif[0x0112] = 6
    photo, problem = decode(encode(picture(), "JPEG", exif=exif))
    assert problem == "" and photo.shape == (30, 40, 3)


def test_animated_png_is_its_still_picture():
    other = Image.new("RGB", (40, 30), "red")
    animated = encode(picture(), "PNG", save_all=True, append_images=[other])
    photo, problem = decode(animated)
    assert problem == ""
    np.testing.assert_array_equal(photo, np.asarray(picture()))


PNG, JPEG = encode(picture(), "PNG"), encode(picture(), "JPEG")


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        (b"", "empty"),
        (b"\x00", "neither a JPEG nor a PNG"),
        (b"no picture at all", "neither a JPEG nor a PNG"),
        (encode(picture(), "GIF"), "neither a JPEG nor a PNG"),
        (encode(picture(), "BMP"), "neither a JPEG nor a PNG"),
        (encode(picture(), "WEBP"), "neither a JPEG nor a PNG"),
        (PNG[:8], "broken"),
        (PNG[:20], "broken"),
        (PNG[: len(PNG) // 2], "broken"),
        (PNG[:60] + b"?" + PNG[61:], "broken"),
        (claim_size(PNG, 0, 30), "broken"),
        (claim_size(PNG, 2**31, 30), "broken"),
        (JPEG[:3], "broken"),
        (JPEG[:200], "broken"),
        (JPEG[: len(JPEG) // 2], "broken"),
    ],
)
def test_what_cannot_be_decoded_has_a_reason(encoded, message):
    photo, problem = decode(encoded)
    assert message in problem and photo.size == 0


@pytest.mark.parametrize(
    ("encoded", "size"),
    [
        # Had it tried, it would have found too few pixels: broken.
        (claim_size(PNG, 100_000, 100_000), "100000 x 100000"),
        (claim_size(PNG, 8000, 6251), "8000 x 6251"),
        (claim_jpeg_size(JPEG, 65_500, 65_500), "65500 x 65500"),
        (encode(Image.new("L", (MAX_SIDE + 1, 1)), "PNG"), "10001 x 1"),
    ],
)
def test_too_large_a_photo_is_refused_by_its_header(encoded, size):
    photo, problem = decode(encoded)
    assert photo.size == 0
    assert "too large" in problem and size in problem
    assert "50 megapixels" in problem and "10000 pixels a side" in problem


@pytest.mark.parametrize("size", [(8000, 6250), (MAX_SIDE, 1)])
def test_a_photo_at_the_limit_is_tried(size):
    assert "broken" in decode(claim_size(PNG, *size))[1]
