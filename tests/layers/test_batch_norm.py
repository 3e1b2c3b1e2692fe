import keras
import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf.layers.batch_norm import FusedBatchNormalization

ARGUMENTS = {"momentum": 0.9, "epsilon": 1e-3, "gamma_initializer": "he_normal"}


def make(layer_class, channels=6, **kwargs):
    keras.utils.set_random_seed(0)
    layer = layer_class(**ARGUMENTS, **kwargs)
    layer.build((None, None, None, channels))
    return layer


def train(layer, photos, target):
    """Returns outputs, gradients of the inputs and of the weights, and statistics."""
    inputs = tf.Variable(photos)
    with tf.GradientTape() as tape:
        outputs = layer(inputs, training=True)
        loss = tf.reduce_sum(tf.cast(outputs, "float32") * target)
    weights = [weight.value for weight in layer.trainable_weights]
    gradients = tape.gradient(loss, [inputs, *weights])
    return [outputs, *gradients, layer.moving_mean.value, layer.moving_variance.value]


def photos_and_target(shape=(3, 5, 4, 6)):
    rng = np.random.default_rng(1)
    return rng.normal(1.0, 2.0, shape).astype("float32"), rng.normal(size=shape)


def test_it_trains_as_keras_does():
    photos, target = photos_and_target()
    theirs = train(make(keras.layers.BatchNormalization), photos, target)
    ours = train(make(FusedBatchNormalization), photos, target)
    assert np.abs(theirs[-1] - 1.0).max() > 0.1
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_sizes_may_be_unknown():
    photos, _ = photos_and_target()
    layer, again = make(FusedBatchNormalization), make(FusedBatchNormalization)
    shape = tf.TensorSpec((None, None, None, 6), "float32")

    @tf.function(input_signature=[shape], autograph=False)
    def step(photos):
        return layer(photos, training=True)

    np.testing.assert_allclose(
        step(photos), again(photos, training=True), rtol=1e-5, atol=1e-5
    )
    for a, b in zip(layer.weights, again.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    assert np.abs(layer.moving_variance - 1.0).max() > 0.1


@pytest.mark.parametrize("channels", [6, 16])
def test_in_bfloat16_statistics_keep_their_digits(channels):
    photos, target = photos_and_target((8, 16, 16, channels))
    exact = train(make(FusedBatchNormalization, channels), photos, target)
    layer = make(FusedBatchNormalization, channels, dtype="mixed_bfloat16")
    ours = train(layer, tf.cast(photos, "bfloat16"), target)
    assert ours[0].dtype == tf.bfloat16
    assert layer.moving_variance.dtype == layer.gamma.dtype == "float32"
    for a, b in zip(ours[-2:], exact[-2:], strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3)


@pytest.mark.parametrize("trainable", [True, False])
def test_where_it_does_not_train_statistics_stay(trainable):
    photos, _ = photos_and_target()
    layer = make(FusedBatchNormalization)
    layer(photos, training=True)
    layer.trainable = trainable
    before = [weight.numpy() for weight in layer.weights]
    outputs = layer(photos, training=not trainable)
    for weight, value in zip(layer.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)
    plain = make(keras.layers.BatchNormalization)
    plain.set_weights(layer.get_weights())
    np.testing.assert_array_equal(outputs, plain(photos, training=False))


def test_it_serialises():
    layer = FusedBatchNormalization(**ARGUMENTS)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert isinstance(again, FusedBatchNormalization)
    assert again.get_config() == layer.get_config()
