"""Pasting in NumPy, against what the fused model does in TensorFlow."""

import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf.class_sets import EIGHT_PARTS, HEAD
from stn_icnn_tf.geometry.affine import frame_theta, make_theta
from stn_icnn_tf.inference import rectangles
from stn_icnn_tf.onnx_engine import pasting

PATCH, COARSE = 17, 12


def random_said(class_set, seed=0):
    """What networks could say: windows inside, across the border, and outside."""
    rng = np.random.default_rng(seed)
    shape = (class_set.num_parts, 2)
    scale, shift = rng.uniform(0.05, 0.6, shape), rng.uniform(-1.4, 1.4, shape)
    theta = make_theta(scale.astype("float32"), shift.astype("float32")).numpy()

    def shares(count, side):
        scores = rng.normal(0, 2, (count, side, side)).astype("float32")
        return np.exp(scores) / np.exp(scores).sum(axis=0)

    patches = [shares(1 + len(part.classes), PATCH)[1:] for part in class_set.parts]
    base = class_set.base_classes
    return pasting.Networks(
        theta, patches, shares(len(base), COARSE) if len(base) > 1 else None
    )


def as_tensors(said, side):
    channels_last = [np.moveaxis(patch, 0, -1)[None] for patch in said.patches]
    frame = frame_theta(COARSE, (side, side), (0, 0), (side, side))[None, None]
    base = None if said.base is None else np.moveaxis(said.base, 0, -1)[None]
    return channels_last, tf.constant(said.theta[None]), base, frame


@pytest.mark.parametrize("class_set", [EIGHT_PARTS, HEAD])
@pytest.mark.parametrize(("side", "at_once"), [(40, 2**19), (97, 300), (8, 2**19)])
def test_masks_equal_tensorflows(class_set, side, at_once, monkeypatch):
    monkeypatch.setattr(pasting, "_PIXELS_AT_ONCE", at_once)
    for seed in range(3):
        said = random_said(class_set, seed)
        patches, theta, base, frame = as_tensors(said, side)
        expected = rectangles.paste_back_by_face(
            patches, theta, (side, side), class_set, base, frame
        )[0]
        mask = pasting.paste_back(said, side, class_set)
        assert mask.dtype == np.uint8 and len(np.unique(mask)) > 3
        assert np.mean(mask == expected) > 0.998


def test_windows_that_all_lie_outside_leave_the_base_layer():
    said = random_said(HEAD)
    said.theta[..., 2] = 5.0
    mask = pasting.paste_back(said, 30, HEAD)
    enlarged = pasting.enlarged_labels(said.base, 30, HEAD.base_classes)
    np.testing.assert_array_equal(mask, enlarged.labels)
    said = random_said(EIGHT_PARTS)._replace(theta=said.theta)
    assert not pasting.paste_back(said, 30, EIGHT_PARTS).any()


@pytest.mark.parametrize("class_set", [EIGHT_PARTS, HEAD])
def test_probabilities_equal_tensorflows(class_set):
    said, side = random_said(class_set), 45
    patches, theta, base, frame = as_tensors(said, side)
    expected = rectangles.paste_probabilities(
        patches, theta, (side, side), class_set, base, frame
    )[0]
    found = pasting.paste_probabilities(said, side, class_set)
    np.testing.assert_allclose(np.moveaxis(found, 0, -1), expected, atol=2e-5)


def test_the_base_layer_is_interpolated_everywhere():
    said = random_said(HEAD)
    enlarged = pasting.enlarged_labels(said.base, 100, HEAD.base_classes)
    taps = pasting._base_taps(100, COARSE)
    dense = pasting._sample(said.base, taps, taps)
    labels = np.array(HEAD.base_classes)[dense.argmax(axis=0)]
    assert (enlarged.labels == labels).mean() > 0.999
    down, across = slice(13, 80), slice(20, 91)
    np.testing.assert_allclose(
        enlarged.best_within(down, across), dense.max(axis=0)[down, across], atol=1e-6
    )
