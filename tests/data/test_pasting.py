"""What people wear, pasted from photo to photo and recoloured."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf.class_sets import EIGHT_PARTS, HEAD
from stn_icnn_tf.data.augment import Augmentation
from stn_icnn_tf.data.batches import training_batches
from stn_icnn_tf.data.pasting import paste_worn, recolor_worn
from stn_icnn_tf.data.preprocess import Framing

SIDE = 16
SKIN, HAT, CLOTH = (HEAD.id_of(name) for name in ("skin", "hat", "cloth"))
ALWAYS = Augmentation(pasted=1.0, recolored=1.0)


def photo(grey, worn=0, side=SIDE):
    """A photo of one grey and of skin, its left half what is worn, another grey."""
    image = np.full((side, side, 3), grey, "uint8")
    mask = np.full((side, side, 1), SKIN, "uint8")
    if worn:
        image[:, : side // 2] = grey + 100
        mask[:, : side // 2] = worn
    return {"image": image, "segmentation_mask": mask}


def paste(photos, augmentation=ALWAYS, class_set=HEAD, key=(0, 0)):
    """Returns the photos after pasting; those given differ in size."""
    keys = photos[0].keys()
    signature = {k: tf.TensorSpec((None, None, None), tf.uint8) for k in keys}
    examples = tf.data.Dataset.from_generator(
        lambda: iter(photos), output_signature=signature
    ).map(lambda e: {k: tf.ensure_shape(e[k], (None, None, c)) for k, c in _DEPTHS})
    numbered = examples.map(lambda example: (7, example))
    pasted = list(paste_worn(numbered, class_set, augmentation, key))
    assert all(int(number) == 7 for number, _ in pasted)
    return [{k: v.numpy() for k, v in example.items()} for _, example in pasted]


_DEPTHS = (("image", 3), ("segmentation_mask", 1))


def is_same(one, other):
    return all(np.array_equal(one[name], other[name]) for name, _ in _DEPTHS)


def test_a_hat_of_the_photo_before_is_pasted_with_its_label():
    plain, giver = photo(50), photo(20, HAT)
    first, second, third, fourth = paste([plain, giver, photo(60), photo(70)])
    # Nobody gave yet; and the giver has its own hat alone.
    assert is_same(first, plain) and is_same(second, giver)
    for given, grey in ((third, 60), (fourth, 70)):
        hat = given["segmentation_mask"][..., 0] == HAT
        # One half of the photo or, mirrored, the other.
        assert hat.sum() == SIDE * SIDE // 2
        assert hat[:, : SIDE // 2].all() or hat[:, SIDE // 2 :].all()
        np.testing.assert_array_equal(given["image"][hat], 120)
        np.testing.assert_array_equal(given["image"][~hat], grey)


def test_what_is_given_may_be_mirrored_and_comes_in_its_share():
    photos = [photo(20, HAT)] + [photo(60)] * 200
    half = dataclasses.replace(ALWAYS, pasted=0.5)
    given = [g["segmentation_mask"] == HAT for g in paste(photos, half)[1:]]
    worn = [g for g in given if g.any()]
    assert 60 < len(worn) < 140
    left = sum(bool(g[0, 0]) for g in worn)
    assert 0.3 < left / len(worn) < 0.7
    # The seed decides, and another one decides otherwise.
    again = [g["segmentation_mask"] == HAT for g in paste(photos, half)[1:]]
    assert np.array_equal(given, again)
    other = [g["segmentation_mask"] == HAT for g in paste(photos, half, key=(0, 1))[1:]]
    assert not np.array_equal(given, other)


@pytest.mark.parametrize(
    "photos",
    [
        [photo(20, CLOTH), photo(60)],
        [photo(20, HAT, side=SIDE + 2), photo(60)],
    ],
    ids=["cloth is not pasted", "of another size"],
)
def test_photos_that_are_given_nothing_stay_as_they_are(photos):
    assert is_same(paste(photos)[1], photos[1])


def test_a_class_set_without_worn_things_has_its_photos_as_they_are():
    examples = tf.data.Dataset.from_tensors((0, photo(50)))
    assert paste_worn(examples, EIGHT_PARTS, ALWAYS, (0, 0)) is examples
    image = tf.ones((2, 2, 3))
    assert recolor_worn(ALWAYS, EIGHT_PARTS, image, image[..., :1], (0, 0)) is image


def test_cloth_alone_changes_its_colour():
    pictured = photo(60, CLOTH)
    mask = tf.constant(pictured["segmentation_mask"])
    colors = []
    for number in range(5):
        seed = tf.constant([0, 10 * number], tf.int64)
        image = tf.constant(pictured["image"], tf.float32)
        changed = recolor_worn(ALWAYS, HEAD, image, mask, seed).numpy()
        there = pictured["segmentation_mask"][..., 0] == CLOTH
        np.testing.assert_array_equal(changed[~there], 60.0)
        colors.append(changed[there][0])
        np.testing.assert_array_equal(changed[there], [colors[-1]] * there.sum())
    assert len(np.unique(colors, axis=0)) == 5 and np.max(colors) <= 255.0


def test_training_pastes_photos_decoded_or_not():
    photos = [photo(20, HAT), *(photo(60 + k) for k in range(7))]
    decoded = {name: np.stack([p[name] for p in photos]) for name, _ in _DEPTHS}
    encoded = {
        name: [tf.io.encode_png(picture).numpy() for picture in pictures]
        for name, pictures in decoded.items()
    }
    augmentation = Augmentation(probability=0.0, pasted=1.0)
    framing = Framing("letterbox", SIDE, SIDE, HEAD)
    drawn = [
        next(
            iter(
                training_batches(
                    tf.data.Dataset.from_tensor_slices(examples),
                    framing,
                    augmentation,
                    8,
                    seed=0,
                    epoch=epoch,
                )
            )
        )
        for examples, epoch in ((decoded, 0), (encoded, 0), (decoded, 1))
    ]
    hats = [np.sum(batch["mask"].numpy() == HAT, axis=(1, 2)) > 0 for batch in drawn]
    np.testing.assert_array_equal(drawn[0]["image"], drawn[1]["image"])
    np.testing.assert_array_equal(hats[0], hats[1])
    # All photos after the giver wear its hat, wherever in the epoch it came.
    for batch in hats:
        assert batch.any() and not np.any(np.diff(batch.astype(int)) < 0)


def test_shares_are_shares():
    with pytest.raises(ValueError, match=r"`pasted` and `recolored`.*pasted=1\.5"):
        Augmentation(pasted=1.5)
