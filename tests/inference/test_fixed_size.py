"""The geometry of photos of one size, against that of photos of any."""

import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf.class_sets import EIGHT_PARTS
from stn_icnn_tf.geometry.affine import make_theta
from stn_icnn_tf.geometry.paste_back import paste_back
from stn_icnn_tf.inference.fixed_size import (
    FixedSizeModel,
    paste_back_whole,
    resize_photo,
    triangle_weights,
)
from stn_icnn_tf.layers.learned_crop import LearnedCrop
from tests.helpers import small_model

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("size", "target"), [(50, 21), (21, 50), (33, 33), (8, 5)])
def test_rows_are_read_in_full(size, target):
    indices, weights = triangle_weights(size, target)
    assert indices.shape == weights.shape and indices.shape[1] == target
    assert indices.min() >= 0 and indices.max() < size
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, atol=1e-6)


@pytest.mark.parametrize("target", [(20, 31), (40, 90), (50, 64), (77, 11)])
def test_resizing_equals_tensorflows(target):
    photo = tf.constant(RNG.uniform(0, 255, (50, 64, 3)), tf.float32)
    expected = tf.image.resize(photo, target, antialias=True)
    np.testing.assert_allclose(resize_photo(photo, target), expected, atol=2e-3)


def _thetas():
    """Windows inside, across the border, and wholly outside."""
    scale = RNG.uniform(0.05, 0.6, (1, len(EIGHT_PARTS.parts), 2))
    shift = RNG.uniform(-1.1, 1.1, (1, len(EIGHT_PARTS.parts), 2))
    shift[0, 0], scale[0, 0] = 3.0, 0.1
    return make_theta(scale.astype("float32"), shift.astype("float32"))


def test_patches_are_sampled_as_the_learned_crop_samples():
    image = tf.constant(RNG.uniform(0, 255, (1, 40, 31, 3)), tf.float32)
    theta = _thetas()
    result = FixedSizeModel(small_model()).crop(image, theta)
    np.testing.assert_allclose(result, LearnedCrop(17)(image, theta), atol=0.02)


@pytest.mark.parametrize("size", [(50, 64), (33, 20)])
def test_pasting_whole_gives_the_same_mask(size):
    theta = _thetas()
    probabilities = [
        tf.cast(
            tf.nn.softmax(RNG.normal(size=(1, 17, 17, 1 + len(part.classes)), scale=3)),
            tf.float32,
        )
        for part in EIGHT_PARTS.parts
    ]
    foreground = [values[..., 1:] for values in probabilities]
    expected = np.array(paste_back(foreground, theta, size))
    result = paste_back_whole(foreground, theta, size).numpy()
    assert result.shape == expected.shape and result.dtype == np.uint8
    assert len(np.unique(expected)) >= 8
    assert np.mean(result == expected) > 0.999
