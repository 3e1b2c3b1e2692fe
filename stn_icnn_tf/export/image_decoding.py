"""Encoded photos inside a graph: the pixels of a JPEG or PNG, or why there are none.

An operation that fails, fails the whole call, and with it every other photo of the
batch. So each photo is decoded in a dataset of its own, which ignores errors.
"""

import tensorflow as tf

# Larger photos are refused by their header, before any pixel is decoded. The side
# is limited, too: letterboxing makes a square of the longer one.
MAX_MEGAPIXELS = 50
MAX_SIDE = 10_000

_JPEG = b"\xff\xd8\xff"
# Start of a JPEG, and Adobe's segment: its colours are stored as they are.
_JPEG_OF_ADOBE = b"\xff\xd8\xff\xee\x00\x0eAdobe\x00\x64" + bytes(5)
_PNG = b"\x89PNG\r\n\x1a\n"


def decode_photo(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes a JPEG or PNG of any size and kind to RGB; never fails.

    Alpha is dropped and 16 bits become 8. Pixels stay as they are stored, whatever
    their EXIF orientation.

    Args:
        encoded: string `()`.

    Returns:
        photo: uint8 `(height, width, 3)`; no pixels where there is a problem.
        problem: string `()`, in English; empty where there is none.
    """
    nothing = tf.zeros((0, 0, 3), tf.uint8), tf.zeros((2,), tf.int64)

    @tf.autograph.experimental.do_not_convert
    def decode(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        size = _read_size(encoded)
        photo = tf.cond(_fits(size), lambda: _read_pixels(encoded), lambda: nothing[0])
        return tf.ensure_shape(photo, (None, None, 3)), size

    # Every function of a dataset costs milliseconds at each call, `filter` and
    # `reduce` too; so does optimizing one that has a single element.
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    options.autotune.enabled = False
    decoded = tf.data.Dataset.from_tensors(encoded).map(decode).ignore_errors()
    decoded = decoded.concatenate(tf.data.Dataset.from_tensors(nothing)).take(1)
    photo, size = decoded.with_options(options).get_single_element()

    known = _starts_with(encoded, _JPEG) | _starts_with(encoded, _PNG)
    broken = "The photo is broken or truncated: it cannot be decoded."
    problem = tf.where(tf.size(photo) > 0, "", broken)
    problem = tf.where(tf.reduce_all(size > 0) & ~_fits(size), _excess(size), problem)
    problem = tf.where(known, problem, "The data are neither a JPEG nor a PNG.")
    return photo, tf.where(tf.equal(encoded, ""), "The data are empty.", problem)


def _starts_with(encoded: tf.Tensor, start: bytes) -> tf.Tensor:
    return tf.equal(tf.strings.substr(encoded, 0, len(start)), start)


def _read_size(encoded: tf.Tensor) -> tf.Tensor:
    """Reads `(height, width)`, int64, from the header; may fail. 0: no JPEG or PNG."""

    def png_size() -> tf.Tensor:
        # Width and height are the first fields of the first chunk.
        numbers = tf.strings.substr(encoded, 16, 8)
        return tf.io.decode_raw(numbers, tf.int32, little_endian=False)[::-1]

    size = tf.case(
        [
            (_starts_with(encoded, _PNG), png_size),
            (
                _starts_with(encoded, _JPEG),
                lambda: tf.image.extract_jpeg_shape(encoded)[:2],
            ),
        ],
        default=lambda: tf.zeros((2,), tf.int32),
    )
    return tf.cast(tf.ensure_shape(size, (2,)), tf.int64)


def _read_pixels(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a PNG or JPEG; may fail."""
    return tf.cond(
        _starts_with(encoded, _PNG),
        lambda: tf.io.decode_png(encoded, 3),
        # The exact transform, which other decoders use as well: their pixels, sent
        # to another signature, are the same.
        lambda: tf.io.decode_jpeg(
            _said_to_be_adobes(encoded), 3, dct_method="INTEGER_ACCURATE"
        ),
    )


def _said_to_be_adobes(jpeg: tf.Tensor) -> tf.Tensor:
    """Puts Adobe's segment into a JPEG of four colours.

    With it TensorFlow takes them for stored inverted, as Pillow does in any case. If
    the file has such a segment itself, that one counts: it comes later.
    """
    return tf.cond(
        tf.equal(tf.image.extract_jpeg_shape(jpeg)[2], 4),
        lambda: tf.strings.join([_JPEG_OF_ADOBE, tf.strings.substr(jpeg, 2, -1)]),
        lambda: jpeg,
    )


def _fits(size: tf.Tensor) -> tf.Tensor:
    return (
        (tf.reduce_min(size) > 0)
        & (tf.reduce_max(size) <= MAX_SIDE)
        & (tf.reduce_prod(size) <= MAX_MEGAPIXELS * 1_000_000)
    )


def _excess(size: tf.Tensor) -> tf.Tensor:
    height, width = tf.unstack(tf.strings.as_string(size))
    limits = f"{MAX_MEGAPIXELS} megapixels and {MAX_SIDE} pixels a side"
    return tf.strings.join(
        ["The photo is too large: ", width, " x ", height, "; at most ", limits, "."]
    )
