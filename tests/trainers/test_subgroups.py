import types

import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf.class_sets import EIGHT_PARTS, HEAD
from stn_icnn_tf.metrics import confusion_matrix
from stn_icnn_tf.models.pipeline import Pipeline
from tests.helpers import faces
from tfds_builders.celeb_a_mask_hq import layout
from trainers import evaluate
from trainers.common import data
from trainers.evaluation.subgroups import (
    SubgroupScores,
    format_subgroups,
    head_roll,
    photo_subgroups,
)

# The parts' names, by their ids here.
OURS = {layout.CLASS_MAP[part]: part for part in layout.PARTS}
PARTS = tuple(OURS[name] for name in EIGHT_PARTS.names[1:])
NAMES = ("background", "skin", "eye_g", *PARTS)


def builder_of(names, **attributes):
    info = types.SimpleNamespace(metadata={"class_names": list(names)}, full_name="x/y")
    return types.SimpleNamespace(info=info, **attributes)


def label(side=300, drop=0, inner=4):
    """A face of `side` pixels whose right eye is `drop` pixels lower than the left."""
    mask = np.zeros((400, 400), "uint8")
    mask[100:104, 20:40] = 3
    mask[100 + drop : 104 + drop, side : side + 20] = 4
    mask[300:310, 100:200] = 6
    mask[310 : 310 + inner, 100:200] = 7
    return mask


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (label(), "mouth open"),
        (label(inner=1), "mouth closed"),
        (label(), "face from 250 px"),
        (label()[:, :200][:250], "face below 150 px"),
        (label(side=200)[:250], "face 150 to 250 px"),
        (label(), "head rolled less than 10 degrees"),
        (label(drop=80), "head rolled 10 degrees or more"),
    ],
)
def test_photo_is_in_its_group(mask, expected):
    groups = list(photo_subgroups(mask))
    assert expected in groups
    kind = expected.split()[0]
    assert sum(name.startswith(kind) for name in groups) == 1
    assert not any("glasses" in name for name in groups)


def test_roll_is_the_angle_of_the_eyes():
    assert head_roll(label(drop=0)) == pytest.approx(0.0)
    assert head_roll(label(side=240, drop=220)) == pytest.approx(45.0)
    assert head_roll(np.zeros((9, 9), "uint8")) is None
    assert list(photo_subgroups(np.zeros((9, 9), "uint8"))) == []


def test_hats_and_long_hair_make_groups():
    mask = label()
    nothing, some = np.zeros(mask.shape, bool), mask == 3
    bottom = np.nonzero(mask)[0].max()

    def groups(**shown):
        return {*photo_subgroups(mask, shown)} - {*photo_subgroups(mask)}

    def hair_to(row):
        hair = np.zeros(mask.shape, bool)
        hair[bottom - 49 : row] = True
        return hair

    assert groups(hat=some, glasses=nothing) == {"hat", "no glasses"}
    assert groups(hair=nothing) == groups(hair=hair_to(bottom)) == {"no long hair"}
    # 50 rows down to the mouth's last; 5 of 55 are less than a tenth, 6 of 56 more.
    assert groups(hair=hair_to(bottom + 6)) == {"no long hair"}
    assert groups(hair=hair_to(bottom + 7)) == {"long hair"}
    # Nothing says where the mouth is.
    nobody = np.zeros_like(mask)
    assert list(photo_subgroups(nobody, {"hair": hair_to(399)})) == []


def test_groups_are_scored_apart():
    groups = SubgroupScores()
    mask = label()
    nothing, some = np.zeros(mask.shape, bool), np.ones(mask.shape, bool)
    right = np.asarray(confusion_matrix(mask, mask))
    wrong = np.asarray(confusion_matrix(mask, np.zeros_like(mask)))
    for matrix, glasses in ((right, nothing), (right, nothing), (wrong, some)):
        groups.update(matrix, mask, {"glasses": glasses})
    rows = groups.result()
    assert rows["no glasses"] == {"photos": 2, "overall": 1.0, "mean_f1": 1.0}
    assert rows["glasses"]["overall"] == 0.0 and rows["glasses"]["photos"] == 1
    assert rows["mouth open"]["photos"] == 3
    assert not any("hat" in name or "hair" in name for name in rows)
    assert rows["mouth open"]["overall"] == pytest.approx(0.8)
    assert "| mouth open | 3 | 0.800 |" in format_subgroups(rows)


@pytest.mark.parametrize("class_set", [EIGHT_PARTS, HEAD], ids=["parts", "head"])
def test_classes_tell_groups_by_their_names_to_every_model(monkeypatch, class_set):
    builder = builder_of(NAMES, CLASS_MAP=layout.CLASS_MAP)
    label_map = data.find_label_map(builder, class_set)
    table = label_map.table
    skin = 0 if class_set is EIGHT_PARTS else HEAD.id_of("skin")
    expected = [skin, 3, 8]
    assert [table[NAMES.index(n)] for n in ("skin", "r_eye", "l_lip")] == expected

    class Echo(Pipeline):
        framing, coarse_size = "stretch", 8

        def parse(self, photo, cropper=None):
            mask = cropper(None, None)
            scores = tf.one_hot(mask * 0, class_set.num_classes)
            return {"mask": mask, "coarse_scores": scores}

        def enlarge_scores(self, scores, frame, size):
            return scores

    monkeypatch.setattr(
        evaluate, "make_cropper", lambda model, name, mask: lambda *args: mask
    )

    def to_all(example):
        # Ours, by the ids of `NAMES`; the first pixel is glasses.
        ids = [0, *(NAMES.index(n) for n in PARTS)]
        mask = tf.gather(
            tf.constant(ids, tf.uint8), tf.cast(example["segmentation_mask"], tf.int32)
        )
        glasses = tf.one_hot([0], tf.size(mask), dtype=tf.uint8) * NAMES.index("eye_g")
        mask += tf.reshape(glasses, tf.shape(mask))
        return {**example, "segmentation_mask": mask}

    groups, model = SubgroupScores(class_set), Echo()
    model.class_set = class_set
    results = evaluate.evaluate(
        model, faces(1).map(to_all), "learned", label_map, groups
    )
    assert results["stn_icnn"]["overall_strict"] == 1
    assert results["stn_icnn"]["mean_f1"] == 1
    assert groups.photos["glasses"] == 1 and "no glasses" not in groups.photos
