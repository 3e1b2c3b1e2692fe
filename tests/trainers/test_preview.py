import types

import numpy as np
import pytest
from absl import app
from PIL import Image

from stn_icnn_tf.class_sets import HEAD
from stn_icnn_tf.data.augment import AUGMENTATIONS
from stn_icnn_tf.data.preprocess import Framing, frame_example
from stn_icnn_tf.visualize import overlay
from tests.helpers import faces
from trainers import preview
from trainers.common import data
from trainers.configs.schedules import CPU

SIDE = 48
FLAGS = {
    "dataset": "synthetic_faces",
    "data_dir": None,
    "manual_dir": None,
    "split": "train",
    "count": 2,
    "variants": 4,
    "augmentation": None,
    "schedule": "cpu",
    "stage": "all",
    "side": SIDE,
    "seed": 0,
    "class_set": "eight_parts",
}


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """Runs the script on three drawn faces; gives the sheet's pictures."""
    info = types.SimpleNamespace(metadata=None, full_name="drawn")
    builder = types.SimpleNamespace(info=info)
    monkeypatch.setattr(data, "load_builder", lambda *_: builder)
    monkeypatch.setattr(data, "load_split", lambda *_: faces(3))

    def run(**kwargs):
        values = {**FLAGS, "output": str(tmp_path / "new" / "a.png"), **kwargs}
        monkeypatch.setattr(preview, "FLAGS", types.SimpleNamespace(**values))
        preview.main(["preview"])
        with Image.open(values["output"]) as image:
            sheet = np.asarray(image)
        rows, columns = sheet.shape[0] // SIDE, sheet.shape[1] // SIDE
        cells = sheet.reshape(rows, SIDE, columns, SIDE, 3).swapaxes(1, 2)
        return cells

    return run


def test_rows_are_photos_as_they_are_then_their_variants(draw):
    cells = draw(augmentation="helen")
    assert cells.shape[:2] == (2, 5)
    for row, photo in zip(cells, faces(2), strict=True):
        plain = frame_example(photo, Framing("letterbox", SIDE, SIDE))
        expected = overlay(plain["image"].numpy(), plain["mask"].numpy())
        np.testing.assert_array_equal(row[0], expected)
        assert np.any(row[0] != plain["image"].numpy())  # The label is on it.
        assert len(np.unique(row, axis=0)) == 5


def test_seed_and_augmentation_choose_the_variants(draw):
    first = draw(augmentation="helen")
    np.testing.assert_array_equal(first, draw(augmentation="helen"))
    assert np.any(first != draw(augmentation="helen", seed=1))
    assert np.any(first != draw(augmentation="celebamask_hq"))
    # Without a name, the schedule's.
    np.testing.assert_array_equal(draw(), draw(augmentation="wide"))
    assert CPU[0].augmentation == AUGMENTATIONS["wide"]


def test_more_photos_than_there_are_and_no_variants(draw):
    assert draw(count=9, variants=0).shape[:2] == (3, 1)


def test_preview_of_a_schedule_has_the_augmentation_of_the_stage(draw):
    np.testing.assert_array_equal(draw(schedule="cpu"), draw(augmentation="wide"))
    joint = draw(schedule="cpu", stage="end_to_end")
    np.testing.assert_array_equal(joint, draw(augmentation="ours"))
    with pytest.raises(app.UsageError, match="`stage`.*end_to_end.*stage=coarse"):
        draw(schedule="hybrid", stage="coarse")


def test_whole_heads_are_drawn_with_all_their_classes(draw, monkeypatch):
    info = types.SimpleNamespace(
        metadata={"class_names": list(HEAD.names)}, full_name="heads"
    )
    builder = types.SimpleNamespace(info=info)
    monkeypatch.setattr(data, "load_builder", lambda *_: builder)
    monkeypatch.setattr(data, "load_split", lambda *_: faces(2, class_set=HEAD))
    cells = draw(class_set="head", augmentation="head_worn")
    assert cells.shape[:2] == (2, 5)
    framing = Framing("letterbox", SIDE, SIDE, HEAD)
    for row, photo in zip(cells, faces(2, class_set=HEAD), strict=True):
        plain = frame_example(photo, framing)
        assert len(np.unique(plain["mask"])) > 8
        pair = plain["image"].numpy(), plain["mask"].numpy()
        np.testing.assert_array_equal(row[0], overlay(*pair, class_set=HEAD))
        assert len(np.unique(row, axis=0)) == 5
    # To eight parts the rest is background.
    parts = draw(variants=0)
    for cell, photo in zip(parts[:, 0], faces(2), strict=True):
        plain = frame_example(photo, Framing("letterbox", SIDE, SIDE))
        expected = overlay(plain["image"].numpy(), plain["mask"].numpy())
        np.testing.assert_array_equal(cell, expected)


def test_labels_of_other_classes_are_refused(draw, monkeypatch):
    names = {"class_names": ["background", "beard"]}
    info = types.SimpleNamespace(metadata=names, full_name="drawn")
    builder = types.SimpleNamespace(info=info)
    monkeypatch.setattr(data, "load_builder", lambda *_: builder)
    with pytest.raises(app.UsageError, match="`dataset` must name.*beard.*drawn"):
        draw()
