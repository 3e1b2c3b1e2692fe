"""The fused model against the Keras model, step by step and whole."""

import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf.class_sets import EIGHT_PARTS
from stn_icnn_tf.geometry.affine import (
    affine_grid,
    grid_sample,
    invert_theta,
    make_theta,
)
from stn_icnn_tf.geometry.paste_back import paste_back
from stn_icnn_tf.inference.blocks import block_kernel, inside, to_blocks
from stn_icnn_tf.inference.folded import FoldedIcnn, FoldedLocalization
from stn_icnn_tf.inference.fused import FusedModel
from stn_icnn_tf.inference.rectangles import (
    paste_back_by_face,
    paste_probabilities,
    sample_boxes,
)
from stn_icnn_tf.layers.convolution import from_blocks
from stn_icnn_tf.layers.icnn import InterlinkedCNN
from stn_icnn_tf.layers.learned_crop import LearnedCrop
from stn_icnn_tf.layers.localization import LocalizationNetwork
from tests.helpers import photos, shake, small_model

RNG = np.random.default_rng(0)


def _shake_all(layer):
    """Moves every weight, batch norm statistics too, to some value."""
    rng = np.random.default_rng(1)
    for variable in layer.variables:
        variable.assign_add(np.abs(rng.normal(0, 0.1, variable.shape)))


@pytest.mark.parametrize("size", [(8, 6), (7, 9)])
@pytest.mark.parametrize("kernel_size", [5, 9])
def test_conv_over_blocks_equals_the_conv_over_pixels(size, kernel_size):
    pixels = tf.constant(RNG.normal(size=(2, *size, 3)), tf.float32)
    kernel = RNG.normal(size=(kernel_size, kernel_size, 3, 4)).astype("float32")
    blocks = tf.nn.conv2d(to_blocks(pixels), block_kernel(kernel), 1, "SAME")
    expected = tf.nn.conv2d(pixels, kernel, 1, "SAME")
    np.testing.assert_allclose(from_blocks(blocks, size), expected, atol=1e-4)


def test_blocks_know_their_pixels_outside_the_picture():
    marks = inside((5, 4))
    ones = to_blocks(tf.ones((1, 5, 4, 1)))
    np.testing.assert_array_equal(marks[..., 0], ones)
    assert inside((4, 4)) is None


@pytest.mark.parametrize("size", [(16, 16), (17, 21)])
@pytest.mark.parametrize("classes", [2, 9])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_folded_icnn_equals_the_net(size, classes, activation):
    net = InterlinkedCNN(classes, (4, 6, 8), activation=activation)
    net.build((None, *size, 3))
    _shake_all(net)
    images = tf.constant(RNG.normal(size=(2, *size, 3)), tf.float32)
    expected = np.array(net(images))
    result = FoldedIcnn(net, size)(images)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(result, expected, atol=1e-5 * scale)


def test_folded_localization_equals_the_network():
    net = LocalizationNetwork(filters=(4, 4, 4, 4))
    net.build((None, 32, 32, 9))
    shake(net)
    probabilities = tf.nn.softmax(tf.constant(RNG.normal(size=(2, 32, 32, 9))))
    probabilities = tf.cast(probabilities, tf.float32)
    expected = net(probabilities)
    result = FoldedLocalization(net, "float32")(probabilities)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


def _thetas(batch):
    """Windows inside, across the border, and wholly outside."""
    scale = RNG.uniform(0.05, 0.6, (batch, len(EIGHT_PARTS.parts), 2))
    shift = RNG.uniform(-1.1, 1.1, (batch, len(EIGHT_PARTS.parts), 2))
    shift[0, 0], scale[0, 0] = 3.0, 0.1
    return make_theta(scale.astype("float32"), shift.astype("float32"))


def test_boxes_are_sampled_as_the_learned_crop_samples():
    image = tf.constant(RNG.uniform(0, 255, (2, 40, 31, 3)), tf.float32)
    theta = _thetas(2)
    expected = LearnedCrop(17)(image, theta)
    result = tf.reshape(sample_boxes(image, theta, (17, 17)), expected.shape)
    np.testing.assert_allclose(result, expected, atol=0.05)


@pytest.mark.parametrize("size", [(50, 64), (33, 20)])
def test_pasting_by_face_gives_the_same_mask(size):
    theta = _thetas(3)
    probabilities = [
        tf.nn.softmax(RNG.normal(size=(3, 17, 17, 1 + len(part.classes)), scale=3.0))
        for part in EIGHT_PARTS.parts
    ]
    probabilities = [tf.cast(values, tf.float32) for values in probabilities]
    foreground = [values[..., 1:] for values in probabilities]
    expected = np.array(paste_back(foreground, theta, size))
    result = paste_back_by_face(foreground, theta, size).numpy()
    assert result.shape == expected.shape and result.dtype == np.uint8
    assert len(np.unique(expected)) == 9
    assert np.mean(result == expected) > 0.9999


def _random_parts(batch):
    scores = [
        RNG.normal(size=(batch, 17, 17, 1 + len(part.classes)), scale=3.0)
        for part in EIGHT_PARTS.parts
    ]
    return [tf.cast(tf.nn.softmax(values), tf.float32)[..., 1:] for values in scores]


@pytest.mark.parametrize("size", [(50, 64), (33, 20)])
def test_pasted_probabilities_are_the_definition_on_full_canvases(size):
    theta, foreground = _thetas(3), _random_parts(3)
    grid = affine_grid(invert_theta(theta), size)
    canvases = [
        grid_sample(values, grid[:, index]) for index, values in enumerate(foreground)
    ]
    background = np.prod([1.0 - np.sum(canvas, -1) for canvas in canvases], axis=0)
    expected = np.concatenate([background[..., None], *canvases], axis=-1)
    expected /= expected.sum(-1, keepdims=True)
    result = paste_probabilities(foreground, theta, size).numpy()
    assert result.shape == (3, *size, 9) and result.dtype == np.float32
    # Positions on a patch of 17 pixels are off by some 1e-6 of its side.
    np.testing.assert_allclose(result, expected, atol=1e-4)
    mask = paste_back_by_face(foreground, theta, size).numpy()
    assert len(np.unique(mask)) == 9
    assert np.mean(result.argmax(-1) == mask) > 0.9999


RESIDUAL = {"coarse_net": "residual", "part_net": "residual", "patch_size": 16}


@pytest.mark.parametrize("shape", [(1, 70, 51), (2, 33, 90)])
@pytest.mark.parametrize(
    "arguments", [{"framing": "letterbox"}, {"framing": "stretch"}, RESIDUAL]
)
def test_inference_form_gives_the_models_mask(arguments, shape):
    model = small_model(**arguments)
    shake(model)
    photo = photos(*shape)
    expected = model(photo)
    result = FusedModel(model)(tf.constant(photo))
    assert np.mean(result["mask"].numpy() == np.array(expected["mask"])) > 0.9999
    np.testing.assert_allclose(result["theta"], expected["theta"], atol=1e-4)
    np.testing.assert_allclose(
        result["coarse_scores"], expected["coarse_scores"], rtol=1e-3, atol=1e-3
    )


def test_bfloat16_form_stays_close():
    model = small_model()
    shake(model)
    photo = photos(1, 70, 51)
    expected = np.array(model(photo)["mask"])
    result = FusedModel(model, "bfloat16")(tf.constant(photo))["mask"].numpy()
    assert np.mean(result == expected) > 0.9


def test_paste_back_allocates_no_canvas_of_scores():
    """Counts the bytes that each operation really asks for."""
    batch, side, channels = 2, 1024, 9
    corner = make_theta(
        np.full((batch, len(EIGHT_PARTS.parts), 2), 0.1, "float32"),
        RNG.uniform(-0.5, -0.3, (batch, len(EIGHT_PARTS.parts), 2)).astype("float32"),
    )
    with tf.Graph().as_default():
        foreground = [
            tf.random.uniform((batch, 17, 17, len(p.classes)))
            for p in EIGHT_PARTS.parts
        ]
        theta = tf.constant(np.array(corner))
        mask = paste_back_by_face(foreground, theta, (side, side))
        record = tf.compat.v1.RunMetadata()
        options = tf.compat.v1.RunOptions(
            trace_level=tf.compat.v1.RunOptions.FULL_TRACE
        )
        with tf.compat.v1.Session() as session:
            result = session.run(mask, options=options, run_metadata=record)
    assert result.shape == (batch, side, side) and result.any()
    sizes = [
        output.tensor_description.allocation_description.requested_bytes
        for device in record.step_stats.dev_stats
        for node in device.node_stats
        for output in node.output
    ]
    # The masks themselves, one byte a pixel, are the largest thing there is.
    assert max(sizes) == batch * side**2
    # All planes and windows of all faces together, ever, take no such canvas.
    assert sum(sizes) < batch * side**2 * channels * 4 / 4


def test_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="float64"):
        FusedModel(small_model(), "float64")
