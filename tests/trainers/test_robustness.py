import json
import types

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from stn_icnn_tf.class_sets import EIGHT_PARTS, HEAD
from stn_icnn_tf.drawn_faces.drawing import draw_face
from stn_icnn_tf.parsed_face import ParsedFace
from tests.helpers import faces, small_model
from trainers import robustness
from trainers.common import data
from trainers.common.label_map import LabelMap


@pytest.fixture(scope="module")
def face():
    return draw_face(np.random.default_rng(3), (120, 88))


@pytest.mark.parametrize("name", list(robustness.CHANGES))
def test_photo_and_label_change_alike(face, name):
    _, mask = face
    # A photo that shows its own label: after any change it still must.
    photo = np.repeat(mask[..., None] * 20, 3, axis=-1)
    changed, label = robustness.CHANGES[name](photo, mask)
    assert changed.shape == (*label.shape, 3)
    assert changed.dtype == label.dtype == np.uint8
    same = np.corrcoef(changed[..., 0].ravel(), label.ravel())[0, 1]
    assert same > 0.75
    assert set(np.unique(label)) <= set(np.unique(mask))


def test_changes_have_the_size_they_say(face):
    photo, mask = face
    changes = robustness.CHANGES
    assert changes["0.25 times the size"](photo, mask)[1].shape == (30, 22)
    assert changes["4 times the size"](photo, mask)[1].shape == (480, 352)
    wide, label = changes["border, three times as wide in all"](photo, mask)
    assert label.shape == (360, 264)
    np.testing.assert_array_equal(wide[120:240, 88:176], photo)
    np.testing.assert_array_equal(label[120:240, 88:176], mask)
    left = changes["rolled 30 degrees left"](photo, mask)[1]
    # Its right eye rises when the head rolls to the image's left.
    rise = [
        np.nonzero(m == 4)[0].mean() - np.nonzero(m == 3)[0].mean()
        for m in (mask, left)
    ]
    assert rise[1] < rise[0] - 5
    # Nothing is cut off.
    assert abs(np.sum(left > 0) - np.sum(mask > 0)) < 0.1 * np.sum(mask > 0)


def test_perfect_model_loses_nothing_and_covered_windows_are_measured(monkeypatch):
    truths = []

    class Knower:
        """Knows each label; its windows flee from the last part if it is covered."""

        def __init__(self, model):
            pass

        def __call__(self, photo):
            theta = np.zeros((6, 2, 3), "float32")
            theta[:, 0, 0] = theta[:, 1, 1] = 1.0
            if len(truths) > 1:  # Something is hidden.
                theta += np.float32([[0, 0, 0.5], [0, 0, 0.0]])
            return ParsedFace(photo, truths[-1], theta=theta)

    for name, change in robustness.CHANGES.items():

        def spy(photo, mask, change=change):
            changed, label = change(photo, mask)
            truths[:] = [label]
            return changed, label

        monkeypatch.setitem(robustness.CHANGES, name, spy)
    cover = robustness.cover_parts

    def cover_spy(*args):
        truths[:] = [truths[-1]] * 2
        return cover(*args)

    monkeypatch.setattr(robustness, "cover_parts", cover_spy)
    monkeypatch.setattr(robustness, "FaceParser", Knower)
    scores, windows, pictures = robustness.measure(small_model(), faces(1))
    for row in scores.values():
        assert row["overall"] == pytest.approx(1.0) and row["lost"] == pytest.approx(
            0.0
        )
    assert windows["parts"] == 6 and windows["held_uncovered"] == 1.0
    assert windows["moved"] == pytest.approx(0.25)
    assert windows["held"] < 1.0
    assert len(pictures) == len(robustness.CHANGES)


def test_what_the_labels_do_not_draw_is_no_error(monkeypatch):
    class Knower:
        def __init__(self, model):
            pass

        def __call__(self, photo):
            """Hair all around the parts."""
            mask = np.where(photo[..., 0] > 0, photo[..., 0] // 20, 12).astype("uint8")
            theta = np.float32([[[1, 0, 0], [0, 1, 0]]] * 6)
            return ParsedFace(photo, mask, theta=theta, class_set=HEAD)

    def shows_its_label(example):
        label = example["segmentation_mask"]
        return {**example, "image": tf.repeat(label * 20, 3, axis=-1)}

    monkeypatch.setattr(robustness, "FaceParser", Knower)
    monkeypatch.setattr(
        robustness, "CHANGES", {"as it is": robustness.CHANGES["as it is"]}
    )
    model = small_model(class_set="head")
    for undrawn, expected in ((HEAD.base_classes[1:], 1.0), ((), 17 / 18)):
        scores, *_ = robustness.measure(model, faces(1).map(shows_its_label), undrawn)
        assert scores["as it is"]["mean_f1"] == pytest.approx(expected)


def test_script_writes_numbers_and_picture(tmp_path, monkeypatch):
    model = small_model()
    monkeypatch.setattr(robustness, "load_model", lambda name: model)
    monkeypatch.setattr(data, "load_builder", lambda *args: None)
    monkeypatch.setattr(data, "load_split", lambda *args: faces(2))
    ids = LabelMap.of(range(9), EIGHT_PARTS)
    monkeypatch.setattr(data, "find_training_map", lambda *given: ids)
    given = types.SimpleNamespace(
        model="m",
        dataset="drawn",
        data_dir=None,
        manual_dir=None,
        split="test",
        output=str(tmp_path),
        limit=1,
    )
    monkeypatch.setattr(robustness, "FLAGS", given)
    robustness.main(["robustness"])
    record = json.loads((tmp_path / "robustness.json").read_text())
    assert record["photos"] == 1
    assert set(record["scores"]) == set(robustness.CHANGES)
    assert Image.open(tmp_path / "robustness.png").size == (
        240 * len(robustness.CHANGES),
        240,
    )
