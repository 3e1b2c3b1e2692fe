"""The conv over half-size features against the plain one over upsampled features."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from stn_icnn_tf.layers.convolution import conv_upsampled
from stn_icnn_tf.layers.icnn import ConvUnit


def _plain(coarser: tf.Tensor, kernel: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Upsamples, with a spare pixel, then convolves and trims."""
    padded = tf.pad(coarser, [[0, 0], [1, 1], [1, 1], [0, 0]])
    upsampled = tf.repeat(tf.repeat(padded, 2, axis=1), 2, axis=2)
    result = tf.nn.conv2d(upsampled, kernel, 1, "VALID")
    return result[:, : size[0], : size[1]]


@pytest.mark.parametrize("size", [(16, 12), (15, 12), (11, 9)])
def test_upsampled_conv_and_its_gradients_equal_the_plain_ones(size):
    rng = np.random.default_rng(0)
    low = (-(-size[0] // 2), -(-size[1] // 2))
    coarser = tf.constant(rng.normal(size=(2, *low, 3)), tf.float32)
    kernel = tf.constant(rng.normal(size=(5, 5, 3, 4)), tf.float32)
    weights = tf.constant(rng.normal(size=(2, *size, 4)), tf.float32)

    def values(conv):
        with tf.GradientTape() as tape:
            tape.watch([coarser, kernel])
            result = conv(coarser, kernel, size)
            loss = tf.reduce_sum(result * weights)
        return result, *tape.gradient(loss, [coarser, kernel])

    for got, expected in zip(values(conv_upsampled), values(_plain), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_unit_equals_a_conv_over_the_concatenation():
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(1, 8, 6, 2)).astype("float32")
    coarser = rng.normal(size=(1, 4, 3, 5)).astype("float32")
    unit = ConvUnit(4, 5, coarser_filters=5)
    result = unit(inputs, coarser)
    upsampled = ops.repeat(ops.repeat(coarser, 2, axis=1), 2, axis=2)
    seen = ops.concatenate([inputs, upsampled], axis=-1)
    expected = ops.relu(unit.norm(ops.conv(seen, unit.kernel, padding="same")))
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


def test_unit_refuses_other_kernels_over_coarser_features():
    with pytest.raises(ValueError, match="kernel_size=3"):
        ConvUnit(4, 3, coarser_filters=5)


def test_unit_survives_its_config():
    unit = ConvUnit(4, 5, "tanh", coarser_filters=5)
    again = keras.layers.deserialize(keras.layers.serialize(unit))
    assert again.get_config() == unit.get_config()
