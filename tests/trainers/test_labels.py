"""The names of the ids in the labels of one's own folder."""

import json

import numpy as np
import pytest
from PIL import Image

from stn_icnn_tf.class_sets import EIGHT_PARTS, HEAD
from stn_icnn_tf.data.preprocess import decode_example
from trainers.common.data import find_label_map, find_training_map
from trainers.common.labelled_folder import LabelledFolder
from trainers.common.labels import read_label_map

CLASS_NAMES = EIGHT_PARTS.names


def write(folder, content):
    (folder / "classes.json").write_text(json.dumps(content))


def test_without_names_the_ids_are_the_models(tmp_path):
    assert read_label_map(tmp_path, EIGHT_PARTS).table == (*range(9),)


@pytest.mark.parametrize("form", [list, lambda names: {"names": names}])
def test_ids_are_mapped_by_name(tmp_path, form):
    write(tmp_path, form(list(CLASS_NAMES[::-1])))
    mask = np.arange(9, dtype="uint8").reshape(3, 3)
    Image.fromarray(mask).save(tmp_path / "a_mask.png")
    Image.new("RGB", (3, 3)).save(tmp_path / "a.png")
    source = LabelledFolder(tmp_path)
    photos = find_training_map(source, EIGHT_PARTS).attach(source.load("all"))
    (example,) = photos.map(decode_example)
    np.testing.assert_array_equal(example["segmentation_mask"][..., 0], 8 - mask)


def test_a_class_set_as_it_is_saved_names_the_ids_too(tmp_path):
    write(tmp_path, EIGHT_PARTS.get_config())
    assert read_label_map(tmp_path, EIGHT_PARTS).table == (*range(9),)


def test_names_of_ones_own_are_mapped_by_map(tmp_path):
    content = {"names": [*CLASS_NAMES, "hair", "iris"]}
    write(tmp_path, content)
    with pytest.raises(ValueError, match=r"classes\.json.*\['iris'\], which `map`"):
        read_label_map(tmp_path, EIGHT_PARTS)
    write(tmp_path, {**content, "map": {"hair": "background", "iris": "left_eye"}})
    assert read_label_map(tmp_path, EIGHT_PARTS).table == (*range(9), 0, 3)


def test_a_class_without_a_name_is_named(tmp_path):
    write(tmp_path, list(CLASS_NAMES[:7]))
    with pytest.raises(ValueError, match=r"Missing: \['inner_mouth', 'lower_lip'\]"):
        read_label_map(tmp_path, EIGHT_PARTS)


def test_classes_of_the_base_layer_may_be_left_undrawn(tmp_path):
    names = [*CLASS_NAMES, "skin", "hair", "beard"]
    write(tmp_path, {"names": names, "map": {"beard": "hair"}})
    mask = np.arange(12, dtype="uint8").reshape(3, 4)
    Image.fromarray(mask).save(tmp_path / "a_mask.png")
    Image.new("RGB", (4, 3)).save(tmp_path / "a.png")
    hair = HEAD.id_of("hair")
    assert read_label_map(tmp_path, HEAD).table == (*range(10), hair, hair)
    source = LabelledFolder(tmp_path, HEAD)
    label_map = find_training_map(source, HEAD)
    names = [HEAD.names[class_id] for class_id in label_map.undrawn]
    assert names == [
        *("left_ear", "right_ear", "neck", "glasses", "hat", "cloth"),
        *("earring", "necklace"),
    ]
    # To a model of eight parts hair is background.
    assert read_label_map(tmp_path, EIGHT_PARTS).table == (*range(9), 0, 0, 0)
    (example,) = label_map.attach(source.load("all")).map(decode_example)
    assert example["segmentation_mask"].numpy().max() == hair
    np.testing.assert_array_equal(example["background"], label_map.background)


@pytest.mark.parametrize(
    "content",
    [
        "nose",
        {"classes": list(CLASS_NAMES)},
        [*CLASS_NAMES, "nose"],
        [*CLASS_NAMES, 3],
        {"names": list(CLASS_NAMES), "map": ["nose"]},
        {"names": list(CLASS_NAMES), "map": {"nose": 5}},
        {"names": list(CLASS_NAMES), "map": {"nose": ["nose", "nose"]}},
        [],
    ],
)
def test_other_contents_are_refused(tmp_path, content):
    write(tmp_path, content)
    with pytest.raises(ValueError, match=r"classes\.json must be a list of names"):
        read_label_map(tmp_path, EIGHT_PARTS)


def test_what_is_no_json_is_named(tmp_path):
    (tmp_path / "classes.json").write_text("[nose")
    with pytest.raises(ValueError, match=r"classes\.json cannot be read"):
        read_label_map(tmp_path, EIGHT_PARTS)


# === Labels that each mean several classes ===

FACE = ["skin", "nose", "left_eye", "right_eye"]


def test_one_label_may_mean_several_classes(tmp_path):
    content = {"names": ["background", "face", "hair"], "map": {"face": FACE}}
    write(tmp_path, content)
    label_map = read_label_map(tmp_path, HEAD)
    assert label_map.class_set.names == ("background", "face", "hair")
    assert label_map.class_set.palette[2] == HEAD.palette[HEAD.id_of("hair")]
    assert label_map.table == (0, 1, 2) and label_map.undrawn == ()
    told = label_map.told(np.arange(19))
    for name, label in zip(HEAD.names, told, strict=True):
        assert label == (1 if name in FACE else 2 if name == "hair" else 0)
    # Hair is hair; what a face is in this project is not one class.
    assert label_map.names == ("background", "", "hair")


def test_a_label_may_mean_nothing_of_the_model(tmp_path):
    names = ["background", "face", "hair", "bag"]
    content = {"names": names, "map": {"face": FACE, "bag": "background"}}
    write(tmp_path, content)
    label_map = read_label_map(tmp_path, HEAD)
    assert label_map.table == (0, 1, 2, 0) and label_map.undrawn == (3,)
    assert label_map.told(np.array([HEAD.id_of("hat")])).tolist() == [0]


def test_labels_of_unions_are_refused_for_training(tmp_path):
    content = {"names": ["background", "face", "hair"], "map": {"face": FACE}}
    write(tmp_path, content)
    Image.new("L", (4, 3)).save(tmp_path / "a_mask.png")
    Image.new("RGB", (4, 3)).save(tmp_path / "a.png")
    source = LabelledFolder(tmp_path, HEAD)
    assert find_label_map(source, HEAD) is source.label_map
    with pytest.raises(ValueError, match=r"can only score.*'face', 'hair'"):
        find_training_map(source, HEAD)


@pytest.mark.parametrize(
    ("names", "meanings", "message"),
    [
        (["background", "face"], {"face": ["skin", "snout"]}, r"\['snout'\]"),
        (
            ["background", "face", "nose"],
            {"face": ["skin", "nose"]},
            "nose of face and nose",
        ),
        (["face", "background"], {"face": ["skin"]}, "must start with background"),
    ],
)
def test_bad_unions_are_named(tmp_path, names, meanings, message):
    write(tmp_path, {"names": names, "map": meanings})
    with pytest.raises(ValueError, match=rf"classes\.json.*{message}"):
        read_label_map(tmp_path, HEAD)


def test_a_model_that_lacks_a_class_of_a_union_is_not_scored_by_it(tmp_path):
    write(tmp_path, {"names": ["background", "face"], "map": {"face": FACE}})
    with pytest.raises(ValueError, match=r"must mean classes.*\['skin'\]"):
        read_label_map(tmp_path, EIGHT_PARTS)
