import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.helpers import mirrored
from trainers.optimizer import FusedAdam


def run(optimizer_class, devices, start, gradients):
    strategy = mirrored(devices)
    with strategy.scope():
        variable = keras.Variable(start)
        optimizer = optimizer_class(1e-2)
        optimizer.build([variable])

    def replica_step(gradient):
        optimizer.apply([gradient / len(devices)], [variable.value])

    @tf.function(autograph=False)
    def step(gradient):
        strategy.run(replica_step, args=(gradient,))

    for gradient in gradients:
        step(tf.constant(gradient))
    return [variable.numpy(), *(slot.numpy() for slot in optimizer.variables)]


@pytest.mark.parametrize("devices", [["CPU:0"], ["CPU:0", "CPU:1"]])
def test_fused_adam_is_adam(devices):
    rng = np.random.default_rng(0)
    start = rng.normal(size=(3, 4)).astype("float32")
    gradients = rng.normal(size=(5, 3, 4)).astype("float32")
    expected = run(keras.optimizers.Adam, devices, start, gradients)
    ours = run(FusedAdam, devices, start, gradients)
    assert np.abs(expected[0] - start).max() > 1e-2
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
