import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf.class_sets import EIGHT_PARTS
from stn_icnn_tf.data.augment import (
    AUGMENTATIONS,
    Augmentation,
    random_pixels,
    random_warp,
    warp,
)
from stn_icnn_tf.data.batches import evaluation_batches, training_batches
from stn_icnn_tf.data.preprocess import Framing, frame_example
from stn_icnn_tf.geometry.affine import affine_grid, grid_sample
from tests.helpers import faces, framing_of, small_model

NOTHING = Augmentation(rotation=0, shift=0, scale=(1, 1), noise=0)
FRAMING = Framing("letterbox", 32, 64)
SEED = tf.constant([3, 7], tf.int64)


def square_example(height, width):
    image = np.zeros((height, width, 3), "uint8")
    mask = np.zeros((height, width, 1), "uint8")
    image[10:30, 6:26], mask[10:30, 6:26] = 200, 5
    return {"image": tf.constant(image), "segmentation_mask": tf.constant(mask)}


@pytest.mark.parametrize("framing", ["letterbox", "stretch"])
def test_training_and_model_frame_a_photo_alike(framing):
    model = small_model(framing=framing, canvas_size=100)
    example = next(iter(faces(1, side=80)))
    framed = frame_example(example, framing_of(model))
    coarse, source, frame, _ = model.frame_photos(example["image"][None])
    # A resize on one side, a bilinear warp on the other: alike, not equal.
    difference = np.abs(framed["coarse_image"] - coarse[0])
    assert difference.mean() < 4.0
    # A position of the coarse frame is the same spot of the two sources.
    theta = np.array([[[[0.4, 0, 0.1], [0, 0.4, -0.1]]]], "float32")
    from stn_icnn_tf.geometry.windows import window_theta

    def patch(image, frame):
        image = tf.cast(image, tf.float32)
        theta_there = window_theta(theta, frame, image.shape[1:3], 25, "face")
        return np.array(grid_sample(image, affine_grid(theta_there, (25, 25))))

    ours = patch(framed["image"][None], framed["frame"][None])
    theirs = patch(source, frame)
    assert np.abs(ours - theirs).mean() < 4.0


def test_image_and_label_move_together_and_centres_follow():
    augmentation = Augmentation(rotation=20, shift=0.1, scale=(0.8, 1.3), noise=0)
    augmentation = dataclasses.replace(augmentation, probability=1.0)
    for number in range(5):
        framed = frame_example(
            square_example(40, 50),
            FRAMING,
            augmentation,
            tf.constant([number, 1], tf.int64),
        )
        bright = framed["image"][..., 0] > 100
        labelled = framed["mask"] == 5
        assert np.mean(bright != labelled) < 0.02
        ys, xs = np.nonzero(labelled)
        expected = 2 * np.array([xs.mean(), ys.mean()]) / 63 - 1
        np.testing.assert_allclose(framed["centers"][4], expected, atol=1e-3)
        assert list(framed["present"].numpy()) == [False] * 4 + [True, False]


def test_mirroring_swaps_left_and_right_ids():
    example = next(iter(faces(1)))
    plain = frame_example(example, FRAMING)
    mirror = dataclasses.replace(NOTHING, mirror=True)
    seeds = [tf.constant([n, 0], tf.int64) for n in range(8)]
    results = [frame_example(example, FRAMING, mirror, seed) for seed in seeds]
    expected = np.array(EIGHT_PARTS.mirrored_classes)[plain["mask"].numpy()[:, ::-1]]
    same = [np.mean(r["mask"] == plain["mask"]) > 0.99 for r in results]
    flipped = [np.mean(r["mask"] == expected) > 0.97 for r in results]
    assert any(same) and any(flipped)
    assert all(a != b for a, b in zip(same, flipped, strict=True))


def test_no_operation_is_the_identity():
    matrix, mirrored = random_warp(NOTHING, (64, 64), SEED)
    np.testing.assert_allclose(matrix, np.eye(3), atol=1e-5)
    assert not mirrored


def test_scale_above_one_enlarges():
    larger = Augmentation(0, 0, (1.5, 1.5), noise=0, probability=1.0)
    before = frame_example(square_example(50, 50), FRAMING)["mask"]
    after = frame_example(square_example(50, 50), FRAMING, larger, SEED)["mask"]
    ratio = np.sum(after == 5) / np.sum(before == 5)
    assert ratio == pytest.approx(1.5**2, rel=0.1)


def test_noise_is_in_the_image_alone_and_stays_in_range():
    noisy = Augmentation(0, 0, (1, 1), noise=40.0, color=0.5, probability=1.0)
    image = tf.fill((16, 16, 3), 128.0)
    result = random_pixels(noisy, image, SEED)
    assert np.std(result) > 1
    assert np.min(result) >= 0 and np.max(result) <= 255
    plain = frame_example(square_example(40, 40), FRAMING)
    changed = frame_example(square_example(40, 40), FRAMING, noisy, SEED)
    np.testing.assert_array_equal(plain["mask"], changed["mask"])
    assert np.any(plain["image"] != changed["image"])


def test_warp_by_whole_pixels_is_exact():
    image = np.random.default_rng(0).integers(0, 255, (9, 9, 3)).astype("float32")
    matrix = np.array([[1, 0, 2], [0, 1, -1], [0, 0, 1]], "float32")
    warped = warp(tf.constant(image), tf.constant(matrix), (9, 9))
    np.testing.assert_array_equal(warped[1:, :7], image[:-1, 2:])


def first_images(seed, epoch):
    augmentation = Augmentation(mirror=True, color=0.3)
    batches = training_batches(faces(6), FRAMING, augmentation, 2, seed, epoch)
    return np.concatenate([batch["image"] for batch in batches])


def test_batches_depend_on_seed_and_epoch_alone():
    once = first_images(0, 0)
    np.testing.assert_array_equal(once, first_images(0, 0))
    assert np.any(once != first_images(1, 0))
    assert np.any(once != first_images(0, 1))


def test_photo_gives_itself_and_four_variants_an_epoch():
    photos = faces(4)
    plain = [frame_example(photo, FRAMING) for photo in photos]

    def epoch(seed, number):
        batches = training_batches(
            photos, FRAMING, AUGMENTATIONS["helen"], 10, seed, number
        )
        assert int(batches.cardinality()) == 2  # 4 photos, 5 variants, by 10.
        batches = list(batches)
        assert len(batches) == 2
        return {k: np.concatenate([b[k] for b in batches]) for k in batches[0]}

    examples = epoch(0, 0)
    places = []
    for one in plain:
        same = [np.array_equal(one["image"], image) for image in examples["image"]]
        assert sum(same) == 1
        (place,) = np.flatnonzero(same)
        np.testing.assert_array_equal(one["mask"], examples["mask"][place])
        np.testing.assert_array_equal(one["frame"], examples["frame"][place])
        places.append(place)
    assert len(np.unique(examples["image"], axis=0)) == 20
    assert places != [0, 5, 10, 15]  # Shuffled.
    np.testing.assert_array_equal(examples["image"], epoch(0, 0)["image"])
    assert np.any(examples["image"] != epoch(0, 1)["image"])
    assert np.any(examples["image"] != epoch(1, 0)["image"])


def test_evaluation_sees_every_photo_once_and_fills_the_last_batch():
    batches = list(evaluation_batches(faces(5), FRAMING, 4))
    weights = np.concatenate([batch["weight"] for batch in batches])
    np.testing.assert_array_equal(weights, [1, 1, 1, 1, 1, 0, 0, 0])


def test_no_iterator_waits_for_the_thread_that_tunes_it():
    for batches in (
        training_batches(faces(2), FRAMING, None, 2, 0, 0),
        evaluation_batches(faces(2), FRAMING, 2),
    ):
        assert not batches.options().autotune.enabled


def test_photo_larger_than_a_stretch_canvas_is_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError, match="larger than the canvas"):
        frame_example(square_example(80, 40), Framing("stretch", 32, 64))


def test_photo_far_larger_than_the_canvas_is_shrunk_first():
    # Stripes of one pixel, six times finer than the canvas: aliasing would show.
    stripes = np.tile(np.array([0, 255], "uint8"), (384, 192))[..., None]
    example = {
        "image": tf.constant(np.repeat(stripes, 3, -1)),
        "segmentation_mask": tf.zeros((384, 384, 1), tf.uint8),
    }
    framed = frame_example(example, FRAMING)
    assert np.std(framed["image"].numpy()[4:-4, 4:-4].astype(float)) < 12


@pytest.mark.parametrize("size", [(339, 134), (134, 339), (270, 203)])
def test_a_shrunk_photo_stays_under_its_label(size):
    # Shrunk to whole pixels, the sides of these photos keep different ratios.
    height, width = size
    image = np.zeros((*size, 3), "uint8")
    image[height - 60 : height - 20, width - 60 : width - 20] = 250
    mask = (image[..., :1] > 0).astype("uint8")
    framed = frame_example(
        {"image": tf.constant(image), "segmentation_mask": tf.constant(mask)}, FRAMING
    )
    assert max(size) // FRAMING.canvas_size > 1
    for axis in (0, 1):
        weights = tf.cast(framed["image"][..., 0], tf.float32).numpy().sum(axis)
        labels = framed["mask"].numpy().sum(axis)
        places = np.arange(64)
        seen, labelled = (np.average(places, weights=w) for w in (weights, labels))
        assert abs(seen - labelled) < 0.25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"scale": (0.0, 1.0)}, "`scale`"), ({"probability": 2.0}, "`probability`")],
)
def test_bad_ranges_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Augmentation(**arguments)
