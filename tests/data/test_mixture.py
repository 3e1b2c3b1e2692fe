"""Several data sets in a batch, and photos of rare classes more often."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf.class_sets import EIGHT_PARTS, HEAD
from stn_icnn_tf.data.augment import AUGMENTATIONS
from stn_icnn_tf.data.batches import (
    evaluation_batches,
    examples_per_epoch,
    training_batches,
)
from stn_icnn_tf.data.mixture import (
    WHOLE,
    Mixture,
    Share,
    photos_of_each,
    repeat_factors,
    repeat_photos,
)
from stn_icnn_tf.data.preprocess import Framing
from tests.helpers import encode_picture, faces

FRAMING = Framing("letterbox", 8, 8, HEAD)


def plain(count, value, encoded=False):
    """Photos of one grey each, `value` and up, so that batches tell them."""
    masks = np.zeros((count, 8, 8, 1), "uint8")
    images = np.stack([np.full((8, 8, 3), value + k, "uint8") for k in range(count)])
    if encoded:
        images = np.array([encode_picture(image) for image in images])
        masks = np.array([encode_picture(mask[..., 0]) for mask in masks])
    return tf.data.Dataset.from_tensor_slices(
        {"image": images, "segmentation_mask": masks}
    )


def greys(photos, batch_size=1, seed=0, epoch=0, threshold=0.0, augmentation=None):
    batches = training_batches(
        photos, FRAMING, augmentation, batch_size, seed, epoch, threshold
    )
    return [int(g) for batch in batches for g in batch["image"][:, 0, 0, 0]]


def test_an_epoch_passes_over_the_first_and_has_the_shares_of_the_others():
    # 12 of the first; 0.2 and 0.2 of 20 photos of the others, one of which has but 3.
    mixture = Mixture(
        (plain(12, 0), plain(9, 100, encoded=True), plain(3, 200)), (0.2, 0.2)
    )
    assert examples_per_epoch(mixture, None) == 20
    drawn = np.array(greys(mixture))
    assert len(drawn) == 20
    assert sorted(drawn[drawn < 100]) == list(range(12))
    second = drawn[(drawn >= 100) & (drawn < 200)]
    assert len(second) == len(set(second)) == 4
    third = drawn[drawn >= 200]
    assert len(third) == 4 and set(third) == {200, 201, 202}
    # Mixed, not one after another.
    assert len(set(np.digitize(drawn[:10], (100, 200)))) == 3


def test_the_same_seed_and_epoch_give_the_same_photos():
    mixture = Mixture((plain(12, 0), plain(9, 100)), (0.4,))
    assert greys(mixture, seed=3, epoch=5) == greys(mixture, seed=3, epoch=5)
    assert greys(mixture, seed=3, epoch=5) != greys(mixture, seed=3, epoch=6)
    assert greys(mixture, seed=3, epoch=5) != greys(mixture, seed=4, epoch=5)
    # Of the second set, other photos in other epochs.
    others = {g for epoch in range(4) for g in greys(mixture, epoch=epoch) if g >= 100}
    assert len(others) >= 8 and others <= set(range(100, 109))


def test_variants_are_mixed_too():
    mixture = Mixture((plain(4, 0), plain(4, 100)), (0.5,))
    augmentation = AUGMENTATIONS["helen"]
    variants = augmentation.variants
    assert examples_per_epoch(mixture, augmentation) == 8 * variants
    batches = training_batches(mixture, FRAMING, augmentation, 8, 0, 0)
    assert sum(1 for _ in batches) == variants


def test_a_data_set_alone_is_a_mixture_of_one():
    assert greys(plain(7, 0)) == greys(Mixture((plain(7, 0),)))


@pytest.mark.parametrize("shares", [(), (0.5, 0.2), (0.0,), (-0.1,), (1.0,)])
def test_shares_that_cannot_be(shares):
    with pytest.raises(ValueError, match="`shares`"):
        Mixture((plain(1, 0), plain(1, 1)), shares)


# === Rare classes ===


def presence(*photos):
    table = np.zeros((len(photos), HEAD.num_classes), bool)
    for row, names in zip(table, photos, strict=True):
        row[[HEAD.id_of(name) for name in ("background", *names)]] = True
    return table


def test_the_rarest_class_of_a_photo_says_how_often_it_is_drawn():
    table = presence(
        ("nose", "skin", "hat", "glasses"),
        ("nose", "skin", "glasses", "left_ear"),
        *[("nose", "skin")] * 6,
        ("skin",),
        ("skin",),
    )
    factors = repeat_factors(table, 0.4, HEAD)
    # A hat is on a tenth of the photos, glasses on a fifth; noses and ears do not ask.
    np.testing.assert_allclose(factors, [2.0, np.sqrt(2.0), *[1.0] * 8])
    np.testing.assert_allclose(repeat_factors(table, 1.0, HEAD)[0], 3.0)
    assert np.all(repeat_factors(table, 0.05, HEAD) == 1.0)
    assert np.all(repeat_factors(table[:, :9], 0.9, EIGHT_PARTS) == 1.0)


def test_the_length_of_an_epoch_is_known_and_each_photo_has_its_chance():
    table = presence(("hat",), ("glasses",), ("glasses",), *[()] * 7)
    # Factors sqrt(4), sqrt(2), sqrt(2), 1: 11.83 in all.
    mixture = Mixture((plain(10, 0),), presence=(table,))
    assert examples_per_epoch(mixture, None, HEAD, 0.4) == 11
    assert examples_per_epoch(mixture, None, HEAD) == 10
    drawn = greys(mixture, threshold=0.4)
    assert len(drawn) == 11 and drawn == greys(mixture, threshold=0.4)
    factors = repeat_factors(table, 0.4, HEAD)
    counts = np.zeros((300, 10))
    for seed, row in enumerate(counts):
        rng = np.random.default_rng(seed)
        photos = repeat_photos(tf.data.Dataset.range(10), factors, rng)
        photos = list(photos.as_numpy_iterator())
        assert len(photos) in (11, 12)
        row[:] = np.bincount(photos, minlength=10)
    assert np.all(np.abs(counts - factors) < 1)
    np.testing.assert_allclose(counts.mean(axis=0), factors, atol=0.1)


def test_repeats_and_shares_together():
    factors = [np.array([2.0, 1.5, 1.0]), np.ones(5)]
    assert photos_of_each(factors, (0.5,)) == [4, 4]
    assert photos_of_each([np.ones(3), np.ones(5), np.ones(2)], (0.2, 0.3)) == [3, 1, 2]
    table = presence(("hat",), (), (), ())
    mixture = Mixture(
        (plain(4, 0), plain(5, 100)), (0.5,), (table, presence(*[()] * 5))
    )
    drawn = np.array(greys(mixture, threshold=1.0))
    assert (drawn == 0).sum() == 2
    assert (drawn < 100).sum() == (drawn >= 100).sum() == 5


# ------------------------------------------------------------------------------- shares


def drawn(count):
    return faces(count, class_set=HEAD)


def numbers_of(batches):
    return [batch["image"].sum(axis=(1, 2, 3)) for batch in batches.as_numpy_iterator()]


@pytest.mark.parametrize("workers", [2, 3])
def test_multi_worker_shares_are_together_what_one_worker_makes(workers):
    mixture = Mixture((drawn(9), drawn(4)), (0.25,))
    for photos in (drawn(9), mixture):

        def make(share, photos=photos):
            augmentation = dataclasses.replace(AUGMENTATIONS["helen"], variants=2)
            return training_batches(photos, FRAMING, augmentation, 6, 0, 1, share=share)

        whole = numbers_of(make(WHOLE))
        parts = [numbers_of(make(Share(i, workers))) for i in range(workers)]
        assert len(whole) >= 3 and {len(part) for part in parts} == {len(whole)}
        for batch, *own in zip(whole, *parts):
            assert {len(share) for share in own} == {6 // workers}
            np.testing.assert_array_equal(np.concatenate(own), batch)


def test_multi_worker_shares_of_what_is_evaluated_do_not_overlap():
    def weights_and_photos(share):
        batches = evaluation_batches(drawn(7), FRAMING, 4, share).as_numpy_iterator()
        return [(b["weight"], b["image"].sum(axis=(1, 2, 3))) for b in batches]

    whole = weights_and_photos(WHOLE)
    own = [weights_and_photos(Share(i, 2)) for i in range(2)]
    assert len(whole) == 2
    for batch, *shares in zip(whole, *own, strict=True):
        for one, parts in zip(batch, zip(*shares)):
            np.testing.assert_array_equal(np.concatenate(parts), one)


def test_multi_worker_share_of_several_replicas_comes_in_their_order():
    def make(share):
        return numbers_of(
            training_batches(drawn(8), FRAMING, None, 8, 0, 0, 0.0, share)
        )

    (whole,) = make(WHOLE)
    own = [b for i in range(2) for b in make(Share(i, workers=2, replicas=2))]
    assert [len(b) for b in own] == [2, 2, 2, 2]
    np.testing.assert_array_equal(np.concatenate(own), whole)
