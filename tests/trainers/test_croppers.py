"""The croppers by hand-made coarse scores and labels."""

import json
import types

import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf.class_sets import EIGHT_PARTS
from stn_icnn_tf.geometry.affine import frame_theta
from stn_icnn_tf.geometry.windows import part_centers
from stn_icnn_tf.layers.learned_crop import centroid_theta
from stn_icnn_tf.layers.localization import MEAN_CROP
from stn_icnn_tf.metrics import scores
from stn_icnn_tf.models.pipeline import Pipeline
from tests.helpers import faces, photos, shake, small_model
from trainers import evaluate
from trainers.common.label_map import LabelMap
from trainers.evaluation.croppers import CROPPERS, make_cropper
from trainers.evaluation.tables import read_evaluation

MEAN = np.asarray(MEAN_CROP)
# With a coarse image of 401 pixels, the mean face's centres are whole pixels.
SIZE = 401


def scores_of(mask):
    """Coarse scores `(1, size, size, 9)` whose argmax is a mask."""
    return np.eye(9, dtype="float32")[mask][None]


def mask_with(pixels, size):
    """A mask of single pixels: (x, y) -> class."""
    mask = np.zeros((size, size), int)
    for (x, y), class_id in pixels.items():
        mask[y, x] = class_id
    return mask


def mean_face(ratio, but=()):
    """The mean face, `ratio` times as large, one pixel a part."""
    pixels = {
        tuple(np.round(200 + 200 * ratio * center).astype(int)): part.classes[0]
        for index, (part, center) in enumerate(
            zip(EIGHT_PARTS.parts, MEAN[:, 1:], strict=True)
        )
        if index not in but
    }
    return mask_with(pixels, SIZE)


def windows(coarse_scores, source=None, patch=17, window="fixed", scale_range=1.0):
    """Theta of the centroid crop, as centre in source pixels and scale."""
    coarse = coarse_scores.shape[1]
    source = (source or coarse,) * 2
    frame = np.array(frame_theta(coarse, source, (0, 0), source))[None, None]
    theta = np.array(
        centroid_theta(
            coarse_scores, frame, source, patch, window, MEAN_CROP, scale_range
        )
    )
    np.testing.assert_array_equal(theta[..., [0, 1], [1, 0]], 0)
    return (theta[..., 2] + 1) / 2 * (source[0] - 1), theta[..., [0, 1], [0, 1]]


def test_part_centers_of_a_batch_are_those_of_each_mask():
    masks = np.random.default_rng(0).integers(0, 9, (3, 7, 5))
    masks[1] = np.where(masks[1] == 5, 0, masks[1])
    centers, present = part_centers(masks)
    for mask, center, there in zip(masks, centers, present, strict=True):
        alone, alone_there = part_centers(mask)
        np.testing.assert_allclose(center, alone, rtol=1e-6)
        np.testing.assert_array_equal(there, alone_there)
    assert not present[1][4] and np.all(present[0])


def test_windows_lie_on_the_centroids_in_whole_pixels():
    mask = np.zeros((33, 33), int)
    mask[4:7, 10:13] = 3  # The left eye, around (11, 5).
    mask[20, 16], mask[20, 17], mask[21, 17] = 5, 5, 5  # (16.67, 20.33).
    mask[25, 8], mask[27, 9], mask[29, 10] = 6, 7, 8  # The mouth, around (9, 27).
    center, scale = windows(scores_of(mask))
    np.testing.assert_allclose(center[0, 2], [11, 5], atol=1e-4)
    np.testing.assert_allclose(center[0, 4], [17, 20], atol=1e-4)
    np.testing.assert_allclose(center[0, 5], [9, 27], atol=1e-4)
    # A patch pixel is a source pixel.
    np.testing.assert_allclose(scale, 16 / 32, rtol=1e-6)


def test_windows_are_brought_to_the_source():
    # A coarse pixel covers 3 x 3 of the source: pixel 11 is 33, 34 and 35.
    center, scale = windows(scores_of(mask_with({(11, 5): 3}, 32)), source=96)
    np.testing.assert_allclose(center[0, 2], [34, 16], atol=1e-4)
    np.testing.assert_allclose(scale, 16 / 95, rtol=1e-6)


def test_width_and_height_of_the_source_are_each_their_own():
    # Three times as high as wide: row 5 of the coarse mask is 15 to 17 of the source.
    size, coarse = (96, 32), 32
    frame = np.array(frame_theta(coarse, size, (0, 0), size))[None, None]
    scores = scores_of(mask_with({(11, 5): 3}, coarse))
    theta = centroid_theta(scores, frame, size, 17, "fixed", MEAN_CROP, 1.0)
    center = (np.array(theta)[0, 2, :, 2] + 1) / 2 * np.array([31, 95])
    np.testing.assert_allclose(center, [11, 16], atol=1e-4)


def test_face_windows_grow_with_the_spread_of_what_was_found():
    eyes = mask_with({(200 - 54, 140): 3, (200 + 54, 140): 4}, SIZE)
    center, scale = windows(scores_of(eyes), window="face")
    ratio = 54 / (200 * 0.18)
    np.testing.assert_allclose(scale[0, :, 0], MEAN[:, 0] * ratio, rtol=1e-5)
    np.testing.assert_allclose(scale[0, :, 1], MEAN[:, 0] * ratio, rtol=1e-5)
    np.testing.assert_allclose(center[0, 3], [254, 140], atol=1e-3)


@pytest.mark.parametrize("window", ["fixed", "face"])
@pytest.mark.parametrize("absent", [0, 3, 5])
def test_an_absent_part_falls_back_and_moves_nothing_else(window, absent):
    whole = windows(scores_of(mean_face(2)), window=window)
    # In a batch, beside a whole face.
    both = np.concatenate(
        [scores_of(mean_face(2, but=[absent])), scores_of(mean_face(2))]
    )
    center, scale = windows(both, window=window)
    others = [part for part in range(6) if part != absent]
    np.testing.assert_allclose(center[0, others], whole[0][0, others], atol=1e-3)
    np.testing.assert_allclose(scale[0], whole[1][0], rtol=1e-4)
    np.testing.assert_allclose(center[1], whole[0][0], atol=1e-3)
    prior = 200 + 200 * MEAN[absent, 1:]
    np.testing.assert_allclose(center[0, absent], prior, atol=1e-3)
    assert np.abs(prior - whole[0][0, absent]).max() > 5


def test_an_empty_mask_gives_the_mean_crop():
    center, scale = windows(scores_of(np.zeros((SIZE, SIZE), int)), window="face")
    np.testing.assert_allclose(center[0], 200 + 200 * MEAN[:, 1:], atol=1e-3)
    np.testing.assert_allclose(scale[0, :, 0], MEAN[:, 0], rtol=1e-5)


def test_stray_pixels_do_not_make_a_face_of_no_size():
    stray = mask_with({(50, 60): 3, (51, 60): 4}, SIZE)
    _, scale = windows(scores_of(stray), window="face", scale_range=0.5)
    np.testing.assert_allclose(scale[0, :, 0], MEAN[:, 0] * np.exp(-0.5), rtol=1e-5)


# === In the model ===


@pytest.mark.parametrize(
    ("framing", "window"), [("letterbox", "face"), ("stretch", "fixed")]
)
def test_ground_truth_windows_lie_on_the_labels_parts(framing, window):
    model = small_model(framing=framing, window=window)
    mask = np.zeros((1, 61, 91), "uint8")
    mask[0, 20:31, 40:43] = 5
    mask[0, 50, 30:51] = 6
    cropper = make_cropper(model, "ground_truth", tf.constant(mask))
    theta = np.array(model.parse(photos(1, 61, 91), cropper=cropper)["theta"])[0]
    center = (theta[..., 2] + 1) / 2 * np.array([90, 60])
    np.testing.assert_allclose(center[4], [41, 25], atol=1e-3)
    np.testing.assert_allclose(center[5], [40, 50], atol=1e-3)
    half = theta[4, [0, 1], [0, 1]] * np.array([90, 60]) / 2
    if window == "fixed":
        np.testing.assert_allclose(half, 8, rtol=1e-4)
    np.testing.assert_allclose(half[0], half[1], rtol=1e-4)


def test_the_centroid_windows_are_those_of_the_models_own_coarse_scores():
    model = small_model(framing="stretch", window="fixed")
    shake(model)
    outputs = model.parse(photos(2, 48, 48), cropper=make_cropper(model, "centroid"))
    expected, _ = windows(np.array(outputs["coarse_scores"]), source=48)
    center = (np.array(outputs["theta"])[..., 2] + 1) / 2 * 47
    np.testing.assert_allclose(center, expected, atol=1e-3)
    np.testing.assert_allclose(center, np.round(center), atol=1e-3)


def test_the_learned_cropper_is_the_models_default():
    model = small_model()
    shake(model)
    photo = photos(1, 40, 52)
    outputs = model.parse(photo, cropper=make_cropper(model, "learned"))
    np.testing.assert_array_equal(outputs["mask"], model(photo)["mask"])


def test_bad_croppers_are_named():
    with pytest.raises(ValueError, match="`cropper`.*nonsense"):
        make_cropper(small_model(), "nonsense")
    with pytest.raises(ValueError, match="`mask`"):
        make_cropper(small_model(), "ground_truth")


# === In the script ===


def test_evaluate_parses_with_the_cropper_of_the_photos_label(monkeypatch):
    asked = []

    def cropper_of(model, name, mask):
        asked.append((name, len(mask.shape)))
        return lambda scores, framed: mask

    class Echo(Pipeline):
        framing, coarse_size, class_set = "stretch", 8, EIGHT_PARTS

        def enlarge_scores(self, scores, frame, size):
            return scores

        def parse(self, photo, cropper):
            mask = cropper(None, None)
            return {"mask": mask, "coarse_scores": tf.one_hot(mask * 0, 9)}

    monkeypatch.setattr(evaluate, "make_cropper", cropper_of)
    results = evaluate.evaluate(Echo(), faces(1), "ground_truth")
    assert asked[0] == ("ground_truth", 3)
    assert results["stn_icnn"]["overall_strict"] == 1
    assert results["coarse"]["overall"] == 0


@pytest.mark.parametrize("cropper", CROPPERS)
def test_evaluate_names_the_cropper_and_keeps_the_defaults_file(
    cropper, tmp_path, monkeypatch, capsys
):
    def scored(model, dataset, cropper, label_map, groups, find_faces):
        assert groups is None and not find_faces
        return {"stn_icnn": scores(np.eye(9, dtype=int)), "asked": cropper}

    model = types.SimpleNamespace(class_set=EIGHT_PARTS)
    monkeypatch.setattr(evaluate, "load_model", lambda name: model)
    monkeypatch.setattr(evaluate, "load_builder", lambda *names: None)
    monkeypatch.setattr(evaluate, "load_split", lambda *names: None)
    ids = LabelMap.of(range(9), EIGHT_PARTS)
    monkeypatch.setattr(evaluate, "find_label_map", lambda *given: ids)
    monkeypatch.setattr(evaluate, "evaluate", scored)
    monkeypatch.setattr(evaluate, "format_table", lambda *given: "the table")
    namespace = types.SimpleNamespace(
        model=str(tmp_path),
        dataset="drawn/tiny",
        data_dir=None,
        manual_dir=None,
        split="test",
        json=None,
        table=None,
        cropper=cropper,
        form="keras",
        subgroups=False,
        find_faces=False,
    )
    monkeypatch.setattr(evaluate, "FLAGS", namespace)
    monkeypatch.setattr(evaluate, "refuse_flags", lambda *given: None)
    evaluate.main(["evaluate"])
    assert f"Cropper: {cropper}\nthe table\n" in capsys.readouterr().out
    suffix = "" if cropper == "learned" else f"_{cropper}"
    record = json.loads((tmp_path / f"scores_drawn_tiny_test{suffix}.json").read_text())
    assert record["cropper"] == record["scores"]["asked"] == cropper
    # What tables are made of.
    path = str(next(tmp_path.iterdir()))
    assert read_evaluation(path)[1].method == f"ours: {tmp_path.name}, {cropper}"
