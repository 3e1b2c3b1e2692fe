"""The `synthetic_faces` data set: its examples, its drawings, their masks."""

import dataclasses
import tempfile
from typing import ClassVar

import numpy as np
import pytest
import tensorflow_datasets as tfds

from stn_icnn_tf.class_sets import EIGHT_PARTS, HEAD
from stn_icnn_tf.drawn_faces import features
from stn_icnn_tf.drawn_faces.canvas import Canvas, Pose, curve, ellipse, ribbon
from stn_icnn_tf.drawn_faces.drawing import draw_face, draw_pose
from stn_icnn_tf.drawn_faces.look import Look
from tfds_builders import synthetic_faces
from tfds_builders.synthetic_faces.synthetic_faces_dataset_builder import (
    SyntheticFacesConfig,
)
from trainers.common.data import find_training_map

SIZE = (190, 171)
POSE = Pose(center=(80.3, 70.9), eye_distance=70.0, roll=0.3, yaw=0.2, pitch=-0.1)


class SyntheticFacesTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = synthetic_faces.Builder
    BUILDER_CONFIG_NAMES_TO_TEST: ClassVar = ["tiny"]
    SPLITS: ClassVar = {"train": 16, "validation": 4, "test": 4}
    # Nothing is read, but the test case asks for a folder.
    EXAMPLE_DIR = tempfile.gettempdir()


@pytest.fixture(scope="module")
def drawings():
    return [draw_face(np.random.default_rng((0, index)), SIZE) for index in range(40)]


def build(data_dir, **kwargs):
    kwargs = {"num_train": 3, "num_validation": 1, "num_test": 1, **kwargs}
    config = SyntheticFacesConfig(name="custom", sides=(64, 80), **kwargs)
    builder = synthetic_faces.Builder(data_dir=data_dir, config=config)
    builder.download_and_prepare()
    return {
        split: list(tfds.as_numpy(builder.as_dataset(split=split)))
        for split in builder.info.splits
    }


def inside(outline, height, width):
    """Pixels whose centres an outline goes round, by crossings of a ray."""
    y, x = np.mgrid[:height, :width]
    odd = np.zeros((height, width), bool)
    for (x0, y0), (x1, y1) in zip(outline, np.roll(outline, -1, axis=0)):
        if y0 != y1:
            crosses = (y0 > y) != (y1 > y)
            odd ^= crosses & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    return odd


def test_examples_have_names_and_sizes_of_their_own(tmp_path):
    splits = build(tmp_path)

    assert {split: len(examples) for split, examples in splits.items()} == {
        "train": 3,
        "validation": 1,
        "test": 1,
    }
    for split, examples in splits.items():
        for index, example in enumerate(examples):
            assert example["name"].decode() == f"{split}_{index:05d}"
            assert example["image"].shape[:2] == example["segmentation_mask"].shape[:2]
            assert all(64 <= side <= 80 for side in example["image"].shape[:2])
            assert example["segmentation_mask"].shape[2:] == (1,)


def test_same_config_gives_the_same_bytes(tmp_path):
    for folder in ("one", "other"):
        build(tmp_path / folder)

    for file in (tmp_path / "one").rglob("*.tfrecord*"):
        other = tmp_path / "other" / file.relative_to(tmp_path / "one")
        assert file.read_bytes() == other.read_bytes()


def test_example_depends_on_seed_split_and_index_alone(tmp_path):
    few = build(tmp_path / "few")
    more = build(tmp_path / "more", num_train=4, num_validation=0)
    seeded = build(tmp_path / "seeded", seed=1)

    assert set(more) == {"train", "test"}
    for split in more:
        for one, other in zip(few[split], more[split]):
            np.testing.assert_array_equal(one["image"], other["image"])
    one, other = few["train"][0]["image"], seeded["train"][0]["image"]
    assert one.shape != other.shape or (one != other).any()


@pytest.mark.parametrize("name", ["num_train", "num_validation", "num_test", "seed"])
def test_negative_number_is_refused(name):
    with pytest.raises(ValueError, match=f"`{name}` must be .* Received: {name}=-1"):
        SyntheticFacesConfig(name="bad", **{name: -1})


@pytest.mark.parametrize("sides", [(63, 100), (100, 99), (100,)])
def test_bad_sides_are_refused(sides):
    with pytest.raises(ValueError, match=r"`sides` must be .* Received: sides=\("):
        SyntheticFacesConfig(name="bad", sides=sides)


@pytest.mark.parametrize("size", [(63, 100), (100, 0)])
def test_small_size_is_refused(size):
    with pytest.raises(ValueError, match=r"`size` must be .* Received: size=\("):
        draw_face(np.random.default_rng(0), size)


@pytest.mark.parametrize("size", [(64, 64), (65, 203), (301, 77)])
def test_drawing_has_the_size_asked_for(size):
    image, mask = draw_face(np.random.default_rng(0), size)

    assert image.shape == (*size, 3)
    assert image.dtype == np.uint8
    assert mask.shape == size
    assert mask.dtype == np.uint8


def test_same_seed_gives_the_same_drawing(drawings):
    image, mask = draw_face(np.random.default_rng((0, 3)), SIZE)

    np.testing.assert_array_equal(image, drawings[3][0])
    np.testing.assert_array_equal(mask, drawings[3][1])
    assert (image != drawings[4][0]).any()


def test_all_classes_and_no_others_occur(drawings):
    counts = np.array(
        [np.bincount(m.ravel(), minlength=EIGHT_PARTS.num_classes) for _, m in drawings]
    )

    assert counts.shape[1] == EIGHT_PARTS.num_classes
    # A part may be hidden by hair; most are not.
    assert (np.mean(counts[:, [1, 2, 3, 4, 5, 6, 8]] > 0, axis=0) > 0.8).all()
    # The mouth is open in some drawings and shut in others.
    assert 0.2 < np.mean(counts[:, 7] > 0) < 0.9


def test_faces_fill_from_a_third_to_all_of_a_drawing():
    # A face is 3.1 eye distances high.
    poses = [draw_pose(np.random.default_rng(i), (300, 400)) for i in range(200)]
    shares = np.array([pose.eye_distance for pose in poses]) * 3.1 / 300
    rolls = np.degrees([pose.roll for pose in poses])

    assert 0.35 <= shares.min() < 0.4
    assert 0.9 < shares.max() <= 0.95
    assert 15 < abs(rolls).max() <= 28


def test_left_is_the_left_of_the_image(drawings):
    # No head rolls far enough to swap sides.
    for _, mask in drawings:
        for left, right in ((1, 2), (3, 4)):
            if (mask == left).any() and (mask == right).any():
                centers = [np.argwhere(mask == c)[:, 1].mean() for c in (left, right)]
                assert centers[0] < centers[1]


def test_parts_lie_under_each_other(drawings):
    def height(mask, *classes):
        rows = np.argwhere(np.isin(mask, classes))[:, 0]
        return rows.mean() if len(rows) else np.nan

    rows = np.array(
        [
            (height(m, 1, 2), height(m, 3, 4), height(m, 5), height(m, 6), height(m, 8))
            for _, m in drawings
        ]
    )

    assert (np.diff(np.nanmean(rows, axis=0)) > 0).all()


@pytest.mark.parametrize("side", [-1, 1])
def test_mask_of_an_eye_is_its_outline_filled(side):
    look = Look.draw(np.random.default_rng(0))
    look = dataclasses.replace(look, eye_width=0.45, eye_open=0.2)
    canvas = Canvas(np.zeros((*SIZE, 3), "uint8"), POSE)
    features.draw_eye(canvas, np.random.default_rng(5), look, side)
    upper, lower = features.eye_outline(np.random.default_rng(5), look, side)

    outline = POSE(curve(upper + lower))
    expected = inside(outline, *SIZE)
    received = canvas.mask == (3 if side < 0 else 4)

    assert expected.sum() > 150
    # They differ only where the outline all but runs through a pixel's centre.
    for y, x in np.argwhere(expected != received):
        steps = np.linspace(0, 1, 50)[:, None, None]
        along = outline + steps * (np.roll(outline, -1, axis=0) - outline)
        assert np.linalg.norm(along - (x, y), axis=-1).min() < 0.25


def test_later_label_hides_an_earlier_one():
    canvas = Canvas(np.zeros((*SIZE, 3), "uint8"), POSE)
    canvas.label(ellipse(0, 0, 0.5, 0.5), "nose")
    before = (canvas.mask == 5).sum()
    canvas.label(ellipse(0.5, 0, 0.5, 0.5), "hair")

    assert 0 < (canvas.mask == 5).sum() < before


def test_a_label_may_leave_parts_alone():
    canvas = Canvas(np.zeros((*SIZE, 3), "uint8"), POSE, HEAD)
    canvas.label(ellipse(0, 0, 0.5, 0.5), "skin")
    canvas.label(ellipse(0.5, 0, 0.5, 0.5), "nose")
    before = canvas.mask.copy()
    canvas.label(ellipse(0.25, 0, 0.5, 0.5), "glasses", over_parts=False)
    names = [HEAD.names[k] for k in np.unique(canvas.mask)]
    assert names == ["background", "nose", "skin", "glasses"]
    np.testing.assert_array_equal(canvas.mask == 5, before == 5)
    # What has no class of its own hides all the same.
    canvas.label(ellipse(0, 0, 9, 9), "scarf", over_parts=False)
    np.testing.assert_array_equal(canvas.mask, np.where(before == 5, 5, 0))


def test_a_ribbon_runs_along_its_line():
    line = np.array([(0.0, 0.0), (1.0, 0.0), (2.0, 0.0)])
    expected = [(0, 0.1), (1, 0.1), (2, 0.1), (2, -0.1), (1, -0.1), (0, -0.1)]
    np.testing.assert_allclose(ribbon(line, 0.2), expected, atol=1e-9)


# === The whole head ===


@pytest.fixture(scope="module")
def heads():
    return [
        draw_face(np.random.default_rng((0, index)), SIZE, HEAD) for index in range(40)
    ]


def test_a_head_is_the_same_drawing_with_the_same_parts(heads, drawings):
    for (image, mask), (plain, parts) in zip(heads, drawings, strict=True):
        np.testing.assert_array_equal(image, plain)
        np.testing.assert_array_equal(np.where(mask > 8, 0, mask), parts)


def test_what_is_drawn_of_a_head_is_labelled(heads):
    counts = np.array([np.bincount(m.ravel(), minlength=19) for _, m in heads])
    share = dict(zip(HEAD.names, np.mean(counts > 0, axis=0), strict=True))
    for name in ("skin", "left_ear", "right_ear", "hair", "cloth"):
        assert share[name] > 0.8, name
    assert 0.05 < share["glasses"] < 0.4 and share["neck"] > 0.5
    assert share["hat"] == share["earring"] == share["necklace"] == 0
    for _, mask in heads:
        rows = {
            name: np.argwhere(mask == HEAD.id_of(name)).mean(axis=0)
            for name in ("hair", "left_ear", "right_ear", "skin", "cloth")
            if (mask == HEAD.id_of(name)).sum() > 50
        }
        if {"left_ear", "right_ear"} <= set(rows):
            assert rows["left_ear"][1] < rows["right_ear"][1]
        if "cloth" in rows:
            assert rows["skin"][0] < rows["cloth"][0]


def test_skin_lies_around_the_parts(heads):
    """Nearly all pixels beside a nose are skin: at its tip, and where it is shaded."""
    beside = np.zeros(19)
    for _, mask in heads:
        nose = mask == 5
        edge = np.zeros_like(nose)
        edge[1:] |= nose[:-1]
        edge[:-1] |= nose[1:]
        edge[:, 1:] |= nose[:, :-1]
        edge[:, :-1] |= nose[:, 1:]
        beside += np.bincount(mask[edge & ~nose], minlength=19)
    assert beside[HEAD.id_of("skin")] / beside.sum() > 0.85


def test_heads_are_built_with_the_names_of_their_ids(tmp_path):
    splits = build(tmp_path, class_set=HEAD)
    plain = build(tmp_path / "parts")
    for one, other in zip(splits["train"], plain["train"], strict=True):
        np.testing.assert_array_equal(one["image"], other["image"])
        mask = one["segmentation_mask"]
        assert mask.max() > 8
        expected = np.where(mask > 8, 0, mask)
        np.testing.assert_array_equal(expected, other["segmentation_mask"])
    builder = synthetic_faces.Builder(data_dir=tmp_path, config="head")
    assert tuple(builder.info.metadata["class_names"]) == HEAD.names
    assert find_training_map(builder, HEAD).undrawn == ()
    assert find_training_map(builder, EIGHT_PARTS).table == (*range(9), *[0] * 10)
    builder = synthetic_faces.Builder(data_dir=tmp_path)
    assert builder.builder_config.name == "default" and not builder.info.metadata


def test_parts_beyond_the_photo_are_cut_off():
    pose = Pose(center=(0.0, 0.0), eye_distance=60.0, roll=0.0, yaw=0.0, pitch=0.0)
    canvas = Canvas(np.zeros((*SIZE, 3), "uint8"), pose)
    for cx in (-9, 0, 9):
        for blur in (0, 0.05):
            canvas.paint(ellipse(cx, 0, 0.5, 0.5), (255, 255, 255), blur=blur)
        canvas.label(ellipse(cx, 0, 0.5, 0.5), "nose")

    assert canvas.mask[:20, :20].all()
    assert not canvas.mask[60:].any()
    assert (canvas.shrink(blur=0)[:20, :20] > 250).all()


def test_pose_has_an_inverse():
    points = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    pixels = POSE(points)
    back = np.stack(POSE.inverse(pixels[:, 0], pixels[:, 1]), axis=-1)

    np.testing.assert_allclose(back, points, atol=0.03)
