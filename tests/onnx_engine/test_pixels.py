"""Squares, views and warps in Pillow, against TensorFlow's."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from stn_icnn_tf.inference import candidates, squares
from stn_icnn_tf.onnx_engine import pixels
from tests.helpers import photos

ROLL = np.radians(7.5)


def smooth(height, width):
    """A photo without edges, so that a place between pixels has one value."""
    small = Image.fromarray(photos(5, 6))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("target", [(20, 31), (40, 90), (50, 64), (77, 11)])
def test_resizing_equals_tensorflows(target):
    photo = photos(50, 64)
    expected = tf.image.resize(photo, target, antialias=True)
    found = pixels.resized(photo, target)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-3)


@pytest.mark.parametrize(
    "square",
    [
        (30.2, 20.4, 31.0, 0.05),  # Inside, and upright enough.
        (30.2, 20.4, 80.3, 0.0),  # Larger than the photo.
        (-5.0, 60.0, 20.0, 0.0),  # Across a corner.
        (-90.0, 20.0, 30.0, 0.0),  # Beside it.
        (35.0, 30.0, 40.0, 0.7),
        (20.0, 40.0, 51.0, np.pi),
        (8.0, 6.0, 30.0, -2.1),
    ],
)
def test_cuts_equal_tensorflows(square):
    photo = smooth(57, 70)
    square, size = np.float32(square), np.float32([70, 57])
    ours, theirs = pixels.Cut(square, size, ROLL), squares.Cut(square, size, ROLL)
    assert ours.side == theirs.side
    cut, expected = ours.pixels(photo), theirs.pixels(tf.constant(photo)).numpy()
    assert cut.shape == expected.shape
    # The photo's outermost half pixel is faded by one, and repeated by the other.
    close = np.abs(cut - expected).max(axis=-1) < 0.02
    assert close.mean() > (0.999 if abs(square[3]) < 0.1 else 0.94)
    plane = (cut[..., 0] // 32).astype("uint8")
    back = ours.to_photo(plane)
    expected = theirs.to_photo(tf.constant(plane)[..., None]).numpy()[..., 0]
    assert back.dtype == np.uint8 and (back == expected).mean() > 0.995
    whole = ours.to_photo(np.ones(plane.shape, "float32"))
    assert whole.dtype == np.float32
    assert np.abs(whole - (back > 0)).mean() < 1  # Of the photo's size.


@pytest.mark.parametrize("size", [(30, 50), (80, 80), (151, 90), (3, 200)])
def test_candidate_views_equal_tensorflows(size):
    photo = smooth(*size)
    expected = candidates.candidate_views(tf.constant(photo), 32).numpy()
    views = pixels.candidate_views(photo, 32)
    assert views.dtype == np.float32 and views.shape == expected.shape
    assert (np.abs(views - expected) < 0.02).mean() > 0.98
