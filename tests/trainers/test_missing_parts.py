"""Covering parts, and measuring where the croppers look for them."""

import json
import types

import numpy as np
import pytest
from PIL import Image

from stn_icnn_tf.class_sets import EIGHT_PARTS, HEAD
from stn_icnn_tf.geometry.affine import make_theta
from stn_icnn_tf.visualize import outline_windows, window_boxes
from tests.helpers import faces, photos, shake, small_model
from trainers import missing_parts
from trainers.common import data
from trainers.common.label_map import LabelMap
from trainers.evaluation.occlusion import choose_parts, cover_parts, part_box
from trainers.missing_parts import (
    Measure,
    compare_croppers,
    format_summary,
    summarize,
    window_errors,
)

LEFT_EYE, NOSE, MOUTH = 2, 4, 5


def rng():
    return np.random.default_rng(0)


def label():
    """A left eye, 20 x 10 pixels, and a mouth of three classes; no more."""
    mask = np.zeros((100, 80), "uint8")
    mask[30:40, 10:30] = 3
    mask[70:72, 30:50], mask[72:75, 30:50], mask[75:80, 30:50] = 6, 7, 8
    return mask


# === Covering ===


def test_a_parts_box_is_around_all_its_classes():
    assert part_box(label(), EIGHT_PARTS.parts[LEFT_EYE]) == (10, 30, 30, 40)
    assert part_box(label(), EIGHT_PARTS.parts[MOUTH]) == (30, 70, 50, 80)
    assert part_box(label(), EIGHT_PARTS.parts[NOSE]) is None


@pytest.mark.parametrize("fill", ["skin", "noise"])
def test_covering_hides_the_part_and_nothing_beyond_its_rectangle(fill):
    photo = np.full((100, 80, 3), (200, 150, 100), "uint8")
    mask = label()
    photo[mask > 0] = 255
    before = photo.copy()
    covered, boxes = cover_parts(photo, mask, (LEFT_EYE, NOSE), fill, rng())
    np.testing.assert_array_equal(photo, before)
    # 15 % of 20 pixels are 3.
    assert boxes == [(7, 27, 33, 43)]
    inside = np.zeros(mask.shape, bool)
    inside[27:43, 7:33] = True
    np.testing.assert_array_equal(covered[~inside], photo[~inside])
    assert not np.all(covered[mask == 3] == 255, axis=-1).any()
    if fill == "skin":
        # The colour around it; that of the part does not count.
        np.testing.assert_array_equal(covered[inside], [(200, 150, 100)] * 16 * 26)
    else:
        assert np.std(covered[inside]) > 50
        again, _ = cover_parts(photo, mask, (LEFT_EYE,), fill, rng())
        np.testing.assert_array_equal(again, covered)


def test_classes_that_are_no_part_are_skin_to_cover_with_and_no_face_to_measure():
    photo = np.full((100, 80, 3), (200, 150, 100), "uint8")
    mask = label()
    boxes = np.tile(np.float32([9, 29, 30, 41]), (6, 1))
    expected = cover_parts(photo, mask, (LEFT_EYE,), "skin", rng())[0]
    errors = window_errors(boxes, mask)
    photo[mask == 0] = (20, 30, 40)
    photo[90:] = 255
    head = np.where(mask == 0, HEAD.id_of("skin"), mask)
    covered = cover_parts(photo, head, (LEFT_EYE,), "skin", rng(), HEAD)[0]
    assert (covered[mask == 3] == (20, 30, 40)).all()
    assert (expected[mask == 3] == (200, 150, 100)).all()
    assert window_errors(boxes, head, HEAD) == errors


def test_skin_is_the_mean_of_the_frame_around_without_other_parts():
    photo = np.zeros((100, 80, 3), "uint8")
    mask = label()
    photo[24:27, 4:36] = 90  # The upper side of the frame, 32 x 3 pixels.
    mask[43:46, 4:36] = 1  # On its lower side is another part.
    photo[mask == 1] = 255
    covered, _ = cover_parts(photo, mask, (LEFT_EYE,), "skin", rng())
    sides = 2 * 3 * 16
    expected = round(90 * 96 / (96 + sides))
    np.testing.assert_array_equal(covered[35, 20], [expected] * 3)


def test_a_part_at_the_border_is_covered_up_to_it():
    mask = np.zeros((20, 20), "uint8")
    mask[:, :] = 5
    covered, boxes = cover_parts(photos(20, 20), mask, (NOSE,), "skin", rng())
    assert boxes == [(0, 0, 20, 20)]
    assert np.ptp(covered.reshape(-1, 3), axis=0).max() == 0


def test_parts_are_drawn_among_those_that_are_there():
    draws = [choose_parts(label(), 2, np.random.default_rng(i)) for i in range(40)]
    assert set(draws) == {(LEFT_EYE,), (MOUTH,), (LEFT_EYE, MOUTH)}
    assert choose_parts(np.zeros((9, 9), "uint8"), 2, rng()) == ()
    assert choose_parts(label(), 6, rng()) == choose_parts(label(), 6, rng())


def test_unknown_fill_is_refused():
    with pytest.raises(ValueError, match="`fill`.*hair"):
        cover_parts(photos(100, 80), label(), (LEFT_EYE,), "hair", rng())


# === Measuring ===


def test_boxes_are_the_centres_of_the_patches_corner_pixels():
    theta = np.array(make_theta([[0.5, 0.25]], [[0.0, 0.5]]))
    np.testing.assert_allclose(window_boxes(theta, (101, 201)), [[50, 62.5, 150, 87.5]])


def test_offsets_and_what_is_held_by_hand():
    boxes = np.zeros((6, 4))
    # The eye's centre is (19.5, 34.5), its pixels are 10..29 and 30..39.
    boxes[LEFT_EYE] = [10, 30, 35, 47]  # Centre (22.5, 38.5): off by 3 and 4.
    # The mouth's centre is (39.5, 74.5); right of pixel 30, so it is not all held.
    boxes[MOUTH] = [30.5, 60, 48.5, 89]
    errors = window_errors(boxes, label())
    assert [i for i, error in enumerate(errors) if error] == [LEFT_EYE, MOUTH]
    # The parts' box is 10..49 by 30..79: 50 pixels are its longer side.
    assert errors[LEFT_EYE] == pytest.approx((5 * 448 / 100, 5 / 50, True))
    assert errors[MOUTH] == pytest.approx((0, 0, False), abs=1e-6)
    boxes[LEFT_EYE] = [10, 30, 28.9, 39]
    assert window_errors(boxes, label())[LEFT_EYE][2] is False


def test_summary_means_each_part_and_keeps_covered_apart():
    measures = [
        Measure("centroid", LEFT_EYE, True, False, 10.0, 0.1, False),
        Measure("centroid", LEFT_EYE, True, True, 30.0, 0.3, True),
        Measure("centroid", MOUTH, True, False, 50.0, 0.2, False),
        Measure("centroid", NOSE, False, True, 2.0, 0.01, True),
        Measure("learned", LEFT_EYE, True, False, 4.0, 0.05, True),
    ]
    summary = summarize(measures)
    eye = {"parts": 2, "found": 0.5, "offset": 20, "face_offset": 0.2, "held": 0.5}
    assert summary["centroid"]["left_eye"] == pytest.approx(eye)
    assert summary["centroid"]["all_covered"]["offset"] == pytest.approx(30)
    assert summary["centroid"]["not_covered"]["offset"] == pytest.approx(2)
    assert set(summary["learned"]) == {"left_eye", "all_covered"}
    summary["learned"] = summary["centroid"]
    table = format_summary(summary)
    (line,) = [line for line in table.splitlines() if line.startswith("left_eye")]
    cells = ["20.0", "20.0%", "50.0%"]
    assert line.split() == ["left_eye", "2", "50.0%", "|", *cells, "|", *cells]


def test_both_croppers_are_measured_on_the_same_parts():
    model = small_model()
    shake(model)
    measures, pictures = compare_croppers(model, faces(2), "skin", 2, 0)
    parts = {
        cropper: [(m.part, m.covered) for m in measures if m.cropper == cropper]
        for cropper in ("centroid", "learned")
    }
    assert parts["centroid"] == parts["learned"]
    assert 2 <= sum(covered for _, covered in parts["learned"]) <= 4
    assert len(pictures) == 6
    assert all(np.isfinite(measure.offset) for measure in measures)
    offsets = {m.offset for m in measures if m.cropper == "centroid"}
    assert offsets != {m.offset for m in measures if m.cropper == "learned"}


def test_windows_are_drawn_in_the_colours_of_their_parts():
    boxes = np.tile([[10.0, 20.0, 30.0, 40.0]], (6, 1))
    picture = outline_windows(np.zeros((50, 50, 3), "uint8"), boxes, [NOSE])
    assert tuple(picture[20, 10]) == tuple(picture[40, 30]) == EIGHT_PARTS.palette[5]
    assert not picture[30, 20].any() and not picture[19].any()


def test_script_writes_numbers_and_picture(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(missing_parts, "load_model", lambda name: small_model())
    monkeypatch.setattr(data, "load_builder", lambda *names: None)
    monkeypatch.setattr(data, "load_split", lambda *names: faces(3))
    ids = LabelMap.of(range(9), EIGHT_PARTS)
    monkeypatch.setattr(data, "find_training_map", lambda *given: ids)
    namespace = types.SimpleNamespace(
        model="m",
        dataset="drawn",
        data_dir=None,
        manual_dir=None,
        split="test",
        output=str(tmp_path / "new" / "folder"),
        limit=1,
        fill="noise",
        max_covered=1,
        seed=3,
    )
    monkeypatch.setattr(missing_parts, "FLAGS", namespace)
    missing_parts.main(["missing_parts"])
    assert "all_covered" in capsys.readouterr().out
    record = json.loads((tmp_path / "new/folder/missing_parts.json").read_text())
    assert record["seed"] == 3 and record["canvas"] == 448
    assert record["photos"] == 1
    for summary in record["croppers"].values():
        assert summary["all_covered"]["parts"] == 1
    with Image.open(tmp_path / "new/folder/missing_parts.png") as picture:
        assert picture.size == (3 * 320, 320)
