"""Scores of a model's masks: of whole heads, by unions of classes, searched for."""

import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from stn_icnn_tf.class_sets import EIGHT_PARTS, HEAD
from tests.helpers import call_script, faces, shake, small_model
from trainers import evaluate
from trainers.common.label_map import LabelMap


def test_with_find_faces_the_mask_of_the_search_is_scored(monkeypatch):
    class Search:
        """Reads the label off the photo."""

        def __init__(self, model):
            assert model == "the model"

        def __call__(self, photo):
            return {"mask": photo[..., 0] // 20}

    def shows_its_label(example):
        label = example["segmentation_mask"]
        return {**example, "image": tf.repeat(label * 20, 3, axis=-1)}

    monkeypatch.setattr(evaluate, "FaceSearch", Search)
    photos, label_map = (
        faces(2).map(shows_its_label),
        LabelMap.of(range(9), EIGHT_PARTS),
    )
    results = evaluate.evaluate(
        "the model", photos, label_map=label_map, find_faces=True
    )
    # There is no one coarse image of a face that is searched for.
    assert list(results) == ["stn_icnn"]
    assert results["stn_icnn"]["overall_strict"] == 1.0


def test_a_head_is_scored_by_what_the_labels_draw():
    model = small_model(class_set="head")
    shake(model)
    everything = LabelMap.of(range(19), HEAD)
    parts = LabelMap.of(range(9), HEAD)
    heads = faces(1, class_set=HEAD)
    result = evaluate.evaluate(model, heads, label_map=everything)
    for row in (result["stn_icnn"], result["coarse"]):
        assert {f"{name}_f1" for name in HEAD.names} <= set(row)
        assert "ears" in row and "parts_mean_f1" in row
    alone = evaluate.evaluate(model, faces(1), label_map=parts)["stn_icnn"]
    assert "skin_f1" not in alone and "ears" not in alone
    # Skin and hair where the labels have background cost nothing then.
    assert alone["overall"] == pytest.approx(result["stn_icnn"]["overall"])
    assert alone["background_precision"] > result["stn_icnn"]["background_precision"]


def test_masks_are_brought_to_labels_that_mean_several_classes(tmp_path, capsys):
    model = small_model(class_set="head")
    shake(model)
    model.save(tmp_path / "model.keras")
    folder = tmp_path / "mine"
    folder.mkdir()
    face = [name for name in HEAD.names[1:] if name not in ("hair", "hat", "cloth")]
    content = {"names": ["background", "face", "hair"], "map": {"face": face}}
    (folder / "classes.json").write_text(json.dumps(content))
    ids = [{"hair": 2}.get(name, int(name in face)) for name in HEAD.names]
    for index, drawn in enumerate(faces(2).as_numpy_iterator()):
        mask = np.array(model(drawn["image"][None])["mask"])[0]
        Image.fromarray(drawn["image"]).save(folder / f"{index}.png")
        label = np.array(ids, "uint8")[mask]
        Image.fromarray(label).save(folder / f"{index}_mask.png")
    arguments = [f"--model={tmp_path}", f"--dataset={folder}", "--split=all"]
    call_script(evaluate, *arguments, "--subgroups")
    assert "face " in capsys.readouterr().out
    record = json.loads((tmp_path / "scores_mine_all.json").read_text())
    result = record["scores"]["stn_icnn"]
    assert result["face_f1"] == result["hair_f1"] == result["mean_f1"] == 1.0
    assert record["scores"]["coarse"]["face_f1"] < 1.0
    assert "nose_f1" not in result and record["find_faces"] is False
