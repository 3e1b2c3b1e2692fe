"""Labels that lie beside what they mark: in training, in parsing, and measured."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

import stn_icnn_tf
from benchmarks.label_shift import score_shifts
from stn_icnn_tf.data.augment import Augmentation
from stn_icnn_tf.data.preprocess import Framing, frame_example
from stn_icnn_tf.geometry.affine import to_pixels
from stn_icnn_tf.inference.fused import FusedModel
from tests.helpers import faces, small_model
from trainers.configs.stages import Stage
from trainers.evaluate import upscale_coarse
from trainers.training.loop import Trainer


def moved(mask, pixels):
    """A mask moved to the right, background coming in."""
    return np.pad(mask, ((0, 0), (pixels, 0)))[:, : mask.shape[1]]


@pytest.mark.parametrize("framing, width", [("letterbox", 60), ("stretch", 50)])
@pytest.mark.parametrize("form", [lambda model: model, FusedModel])
def test_windows_are_pasted_to_the_right(framing, width, form):
    photo = np.zeros((1, 60, 50, 3), "uint8")
    plain = small_model(framing=framing)
    shifted = small_model(framing=framing, label_shift=0.03)
    shifted.set_weights(plain.get_weights())
    before, after = (form(model)(photo)["theta"] for model in (plain, shifted))
    size = np.array([50.0, 60.0], "float32")
    difference = to_pixels(after[..., 2], size) - to_pixels(before[..., 2], size)
    expected = np.broadcast_to([0.03 * width, 0.0], difference.shape)
    np.testing.assert_allclose(difference, expected, atol=1e-4)
    np.testing.assert_array_equal(after[..., :2], before[..., :2])


@pytest.mark.parametrize("framing", ["letterbox", "stretch"])
@pytest.mark.parametrize("shape", [(40, 50), (50, 40)])
def test_training_sees_labels_where_what_they_mark_lies(framing, shape):
    image = np.zeros((*shape, 3), "uint8")
    mask = np.zeros(shape, "uint8")
    image[10:30, 6:26], mask[10:30, 6:26] = 200, 5
    aside = moved(mask, 4)
    source_width = max(shape) if framing == "letterbox" else shape[1]
    framing = Framing(framing, 32, 100)
    shifted = dataclasses.replace(framing, label_shift=4 / source_width)
    warps = Augmentation(rotation=20, noise=0, mirror=True, probability=1.0)
    mirrored = []
    for augmentation in (None, warps):
        for number in range(6):
            key = tf.constant([number, 1], tf.int64)
            expected, got = (
                frame_example(
                    {"image": image, "segmentation_mask": label[..., None]},
                    how,
                    augmentation,
                    key,
                )
                for label, how in ((mask, framing), (aside, shifted))
            )
            np.testing.assert_array_equal(got["image"], expected["image"])
            # Nearest pixels: one on the very edge may round the other way.
            assert np.mean(got["mask"] != expected["mask"]) < 2e-3
            assert np.mean(got["coarse_mask"] != expected["coarse_mask"]) < 5e-3
            mirrored.append(float(expected["centers"][4, 0]) > 0)
    assert set(mirrored) == {True, False}


def test_coarse_scores_are_moved_as_far():
    scores = np.zeros((1, 10, 10, 9), "float32")
    scores[0, :, 4, 5] = 1.0
    plain = upscale_coarse(tf.constant(scores), (50, 50), "letterbox")
    shifted = upscale_coarse(tf.constant(scores), (50, 50), "letterbox", 0.1)
    np.testing.assert_allclose(shifted[:, :, 15:], plain[:, :, 10:-5], atol=1e-5)


def test_the_shift_of_labels_is_found():
    parser = FusedModel(stn_icnn_tf.load_model("celebamask_hq"))
    side = 256
    examples = []
    for example in faces(2, side=side):
        image = tf.image.resize(example["image"], (side, side)).numpy().astype("uint8")
        mask = parser(image[None])["mask"][0].numpy()
        assert (mask > 0).sum() > 500
        examples.append(
            {"image": image, "segmentation_mask": moved(mask, 3)[..., None]}
        )
    dataset = tf.data.Dataset.from_tensor_slices(
        {name: np.stack([e[name] for e in examples]) for name in examples[0]}
    )
    shifts = [0.0, 2 / side, 3 / side, 4 / side, -3 / side]
    overall = {
        s: row["overall"] for s, row in score_shifts(parser, dataset, shifts).items()
    }
    assert max(overall, key=overall.get) == 3 / side
    assert overall[3 / side] > 0.99
    assert parser.label_shift == 0.0


def test_shift_is_saved_with_the_model_and_checked(tmp_path):
    model = small_model(label_shift=0.01)
    model.save(tmp_path / "model.keras")
    assert stn_icnn_tf.load_model(tmp_path).label_shift == 0.01
    stage = Stage("coarse", 1, coarse_rate=0.1)
    trainer = Trainer(model, stage, tf.distribute.get_strategy(), tmp_path)
    assert trainer.framing.label_shift == 0.01
    with pytest.raises(ValueError, match="label_shift=0.7"):
        small_model(label_shift=0.7)
