import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.helpers import mirrored
from trainers.training.optimizer import FusedAdam, Muon, orthogonalize


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


@pytest.mark.parametrize("shape", [(200, 8), (6, 40), (9, 9)])
def test_orthogonalized_matrix_keeps_its_singular_vectors(shape):
    matrix = np.random.default_rng(1).normal(size=shape).astype("float32")
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    ours = orthogonalize(tf.constant(matrix)).numpy()
    values = left.T @ ours @ right.T
    inner = np.diagonal(values)
    assert np.all((inner > 0.6) & (inner < 1.3))
    np.testing.assert_allclose(values - np.diag(inner), 0.0, atol=1e-3)


@pytest.mark.parametrize("devices", [["CPU:0"], ["CPU:0", "CPU:1"]])
def test_muon_moves_kernels_along_orthogonalized_momentum(devices):
    rng = np.random.default_rng(0)
    start = rng.normal(size=(3, 3, 2, 4)).astype("float32")
    gradients = rng.normal(size=(3, *start.shape)).astype("float32")
    expected, average = start.reshape(18, 4), 0.0
    for gradient in gradients.reshape(3, 18, 4):
        average = 0.95 * average + gradient
        update = orthogonalize(tf.constant(gradient + 0.95 * average)).numpy()
        expected = expected - 1e-2 * 0.2 * np.sqrt(18) * update
    ours = run(Muon, devices, start, gradients)[0]
    np.testing.assert_allclose(ours.reshape(18, 4), expected, atol=1e-5)


def test_muon_is_adam_for_all_but_kernels():
    rng = np.random.default_rng(0)
    start = rng.normal(size=(3, 4)).astype("float32")
    gradients = rng.normal(size=(3, 3, 4)).astype("float32")
    muon = run(Muon, ["CPU:0"], start, gradients)
    for a, b in zip(muon, run(FusedAdam, ["CPU:0"], start, gradients), strict=True):
        np.testing.assert_array_equal(a, b)


def test_kernels_of_one_shape_share_a_step_and_move_as_each_alone_would():
    rng = np.random.default_rng(0)
    starts = [rng.normal(size=(3, 3, 2, 4)).astype("float32") for _ in range(5)]
    gradients = [rng.normal(size=(3, 3, 2, 4)).astype("float32") for _ in starts]
    variables = [keras.Variable(start) for start in starts]
    muon = Muon(1e-2)
    muon.build(variables)

    @tf.function(autograph=False)
    def step(gradients):
        muon.apply(gradients, [variable.value for variable in variables])

    step(gradients)
    for start, gradient, variable in zip(starts, gradients, variables, strict=True):
        alone = run(Muon, ["CPU:0"], start, gradient[None])[0]
        np.testing.assert_allclose(variable, alone, atol=1e-6)
    operations = step.get_concrete_function(gradients).graph.get_operations()
    kinds = [operation.type for operation in operations]
    # Three products a step of the iteration, of which there are five.
    assert kinds.count("BatchMatMulV2") == 15
    assert "MatMul" not in kinds
