"""The residual iCNN: what it gives, learns and refuses."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf.inference.folded import FoldedResidualIcnn
from stn_icnn_tf.layers.residual_icnn import ResidualInterlinkedCNN
from stn_icnn_tf.models.stn_icnn import StnIcnn
from tests.helpers import shake
from trainers import benchmark

RNG = np.random.default_rng(0)


def small_net(**kwargs):
    net = ResidualInterlinkedCNN(3, **{"row_filters": (4, 6, 8), **kwargs})
    net.build((None, 32, 32, 3))
    return net


@pytest.mark.parametrize(("fold", "size"), [(4, (16, 24)), (2, (32, 48))])
def test_labels_have_their_size_and_folding_keeps_them(fold, size):
    net = small_net(fold=fold)
    shake(net)
    pictures = RNG.normal(size=(2, 32, 48, 3)).astype("float32")
    logits = net(pictures)
    assert logits.shape == (2, *size, 3) == net.compute_output_shape(pictures.shape)
    np.testing.assert_allclose(FoldedResidualIcnn(net)(pictures), logits, atol=1e-4)
    half = small_net(fold=fold, dtype="mixed_bfloat16")(pictures)
    assert half.dtype == "float32"


def test_config_comes_back():
    net = small_net(num_interlinks=1, fold=2, head_filters=6)
    again = ResidualInterlinkedCNN.from_config(net.get_config())
    again.build((None, 32, 32, 3))
    assert [w.shape for w in again.weights] == [w.shape for w in net.weights]


def test_every_weight_learns():
    net = small_net()
    shake(net)  # The ends of the residuals start at zero, and hide what is before.
    with tf.GradientTape() as tape:
        logits = net(RNG.normal(size=(1, 32, 32, 3)).astype("float32"), training=True)
        loss = tf.reduce_sum(logits**2)
    variables = [v.value for v in net.trainable_variables]
    for variable, gradient in zip(variables, tape.gradient(loss, variables)):
        assert np.abs(gradient).max() > 0, variable.name


def test_a_place_sees_all_of_a_small_picture():
    net = small_net()
    shake(net)
    picture = tf.Variable(RNG.normal(size=(1, 32, 32, 3)), dtype=tf.float32)
    with tf.GradientTape() as tape:
        corner = tf.reduce_sum(net(picture)[:, 0, 0])
    seen = np.abs(tape.gradient(corner, picture)).max(axis=-1)[0]
    assert seen[-1, -1] > 0


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"multiple of 16.*\(None, 40, 32, 3\)"):
        ResidualInterlinkedCNN(3, (4, 6, 8)).build((None, 40, 32, 3))
    with pytest.raises(ValueError, match="`row_filters`"):
        ResidualInterlinkedCNN(3, (4,))
    with pytest.raises(ValueError, match="`num_classes`"):
        ResidualInterlinkedCNN(1)
    with pytest.raises(ValueError, match="`canvas_size`.*256"):
        StnIcnn(coarse_net="residual", canvas_size=255)
    with pytest.raises(ValueError, match=r"multiple of 16.*\(None, 81, 81, 3\)"):
        StnIcnn(part_net="residual")


@pytest.mark.parametrize("fold", [4, 2])
def test_multiply_adds_are_those_of_the_convs(fold):
    net = small_net(row_filters=(4, 6), num_interlinks=1, fold=fold)
    # Input units, merge, head, logits; then the links and the pairs of both rows.
    places = {0: (32 // fold) ** 2, 1: (16 // fold) ** 2}
    expected = places[0] * 9 * 3 * fold**2 * 4 + places[1] * 9 * 4 * 6
    expected += places[1] * 6 * 4 + places[0] * (9 * 4 * 64 + 64 * 12)
    expected += places[1] * (6 * 4 + 4 * 6)
    expected += places[0] * 2 * 9 * 16 + places[1] * 2 * 9 * 36
    assert benchmark.icnn_multiply_adds(net, 32) == expected


def test_it_is_saved_with_a_model(tmp_path):
    model = StnIcnn.from_preset("head", load_weights=False)
    assert model.coarse_image_size == 256 == 2 * model.coarse_size
    model.save(tmp_path / "head.keras")
    loaded = keras.saving.load_model(tmp_path / "head.keras")
    assert loaded.get_config() == model.get_config()
    kernels = (m.coarse.interlinks[2][3][2].kernel for m in (model, loaded))
    np.testing.assert_array_equal(*kernels)
