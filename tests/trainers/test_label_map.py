"""What the labels of a data set mean to a model, and what they leave open."""

import types

import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf.class_sets import EIGHT_PARTS, HEAD
from stn_icnn_tf.data.batches import evaluation_batches, training_batches
from stn_icnn_tf.data.preprocess import Framing, decode_example
from tests.helpers import encode_picture
from tfds_builders.celeb_a_mask_hq import layout
from trainers.common import data
from trainers.common.label_map import LabelMap

ALL = ("background", *layout.PARTS)
BASE = HEAD.base_classes[1:]


def builder_of(names=None, **attributes):
    metadata = names and {"class_names": list(names)}
    info = types.SimpleNamespace(metadata=metadata, full_name="x/y")
    return types.SimpleNamespace(info=info, **attributes)


def test_names_of_others_are_translated_by_the_builders_map():
    celeb = builder_of(ALL, CLASS_MAP=layout.CLASS_MAP)
    head = data.find_training_map(celeb, HEAD)
    for name, class_id in zip(ALL[1:], head.table[1:], strict=True):
        assert HEAD.names[class_id] == layout.CLASS_MAP[name]
    assert head.undrawn == () and head.table[0] == 0
    np.testing.assert_array_equal(head.background, np.eye(19)[0])
    # Eight parts: the rest is background, and background nothing else.
    eight = data.find_training_map(celeb, EIGHT_PARTS)
    assert eight.undrawn == ()
    for name, one, other in zip(ALL, head.table, eight.table, strict=True):
        assert other == (one if one < 9 else 0), name


def test_background_of_a_set_that_draws_less_may_be_all_the_rest():
    helen = data.find_training_map(builder_of(), HEAD)
    assert helen.table == tuple(range(9)) and helen.undrawn == BASE
    np.testing.assert_array_equal(np.flatnonzero(helen.background), [0, *BASE])
    alone = data.find_training_map(builder_of(), EIGHT_PARTS)
    assert alone.table == tuple(range(9)) and alone.undrawn == ()


def test_a_foreign_name_is_refused_unless_it_is_mapped():
    names = (*EIGHT_PARTS.names, "beard", "hair")
    for class_set in (EIGHT_PARTS, HEAD):
        with pytest.raises(ValueError, match=r"`dataset`.*\['beard'\].*x/y"):
            data.find_label_map(builder_of(names), class_set)
    mapped = builder_of(names, CLASS_MAP={"beard": "background"})
    assert data.find_label_map(mapped, EIGHT_PARTS).table == (*range(9), 0, 0)
    hair = HEAD.id_of("hair")
    assert data.find_label_map(mapped, HEAD).table == (*range(9), 0, hair)


def test_a_part_that_is_not_drawn_is_refused_for_training_alone():
    builder = builder_of(EIGHT_PARTS.names[:-1])
    with pytest.raises(ValueError, match=r"x/y without \['lower_lip'\]"):
        data.find_training_map(builder, EIGHT_PARTS)
    assert data.find_label_map(builder, EIGHT_PARTS).undrawn == (8,)


def example(mask, encoded):
    photo = np.zeros((*mask.shape, 3), "uint8")
    if encoded:
        photo, mask = encode_picture(photo), encode_picture(mask)
    else:
        mask = mask[..., None]
    return {"image": photo, "segmentation_mask": mask, "name": "a"}


def dataset_of(mask, encoded=True, count=1):
    one = tf.data.Dataset.from_tensors(example(mask, encoded)).repeat(count)
    return one.apply(tf.data.experimental.assert_cardinality(count))


@pytest.mark.parametrize("encoded", [True, False])
def test_the_map_rides_with_the_examples(encoded):
    mask = np.array([[0, 1, 2, 3]] * 4, "uint8")
    label_map = LabelMap.of((0, 9, 3, 12), HEAD)
    photos = label_map.attach(dataset_of(mask, encoded))
    (decoded,) = photos.map(decode_example)
    np.testing.assert_array_equal(decoded["segmentation_mask"][0, :, 0], [0, 9, 3, 12])
    assert "label_table" not in decoded
    np.testing.assert_array_equal(decoded["background"], label_map.background)
    framing = Framing("letterbox", 4, 4, HEAD)
    for batches in (
        evaluation_batches(photos, framing, 2),
        training_batches(photos, framing, None, 1, 0, 0),
    ):
        (batch,) = batches
        assert set(np.unique(batch["mask"])) == {0, 3, 9, 12}
        np.testing.assert_array_equal(batch["background"][0], label_map.background)
    (plain,) = evaluation_batches(dataset_of(mask, encoded), framing, 1)
    np.testing.assert_array_equal(plain["background"], np.eye(19)[:1])


def test_an_id_without_a_name_is_an_error():
    photos = LabelMap.of(range(3), HEAD).attach(dataset_of(np.full((4, 4), 3, "uint8")))
    with pytest.raises(tf.errors.InvalidArgumentError):
        list(photos.map(decode_example))


def test_a_mirrored_photo_leaves_the_other_ear_open():
    from stn_icnn_tf.data.augment import Augmentation

    left, right = HEAD.id_of("left_ear"), HEAD.id_of("right_ear")
    drawn = set(range(1, 19)) - {left}
    label_map = LabelMap.of(range(19), HEAD, drawn)
    mirror = Augmentation(rotation=0, shift=0, scale=(1, 1), noise=0, mirror=True)
    mask = np.array([[right, 0, 0, 0]] * 4, "uint8")
    photos = label_map.attach(dataset_of(mask, count=8))
    framing = Framing("letterbox", 4, 4, HEAD)
    sides = set()
    for batch in training_batches(photos, framing, mirror, 1, 0, 0):
        hidden = set(np.flatnonzero(batch["background"][0]))
        shown = set(np.unique(batch["mask"])) - {0}
        assert (hidden, shown) in (({0, left}, {right}), ({0, right}, {left}))
        sides |= shown
    assert sides == {left, right}
