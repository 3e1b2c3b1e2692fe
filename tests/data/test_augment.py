import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf.data.augment import (
    AUGMENTATIONS,
    Augmentation,
    chosen_operations,
    random_pixels,
    random_warp,
)

COUNTED = AUGMENTATIONS["helen_combined"]
PAPER = ("helen", "helen_combined", "helen_alone", "celebamask_hq")


def seeds(count):
    """Seeds as the training input makes them."""
    return tf.stack(
        [tf.zeros(count, tf.int64), tf.range(count, dtype=tf.int64) * 10], 1
    )


def draw_operations(augmentation, count):
    draw = tf.function(
        lambda keys: tf.map_fn(
            lambda key: chosen_operations(augmentation, key),
            keys,
            fn_output_signature=tf.bool,
        )
    )
    return draw(seeds(count)).numpy()


def draw_warps(augmentation, count, height=60.0, width=80.0):
    """Angles in degrees, shifts as parts of the size and scales of many warps."""
    draw = tf.function(
        lambda keys: tf.map_fn(
            lambda key: random_warp(augmentation, (height, width), key)[0],
            keys,
            fn_output_signature=tf.float32,
        )
    )
    matrices = draw(seeds(count)).numpy().astype("float64")
    linear, offset = matrices[:, :2, :2], matrices[:, :2, 2]
    center = np.array([width - 1, height - 1]) / 2
    # The centre of the photo is shown where it was shifted to.
    shown = np.linalg.solve(linear, (center - offset)[..., None])[..., 0]
    shifts = (shown - center) / [width, height]
    angles = np.degrees(np.arctan2(linear[:, 0, 1], linear[:, 0, 0]))
    return angles, shifts, 1 / np.sqrt(np.linalg.det(linear))


def test_counted_draws_one_to_four_operations_all_alike():
    chosen = draw_operations(COUNTED, 4000)
    counts = chosen.sum(axis=1)
    shares = np.bincount(counts, minlength=5) / len(counts)
    np.testing.assert_allclose(shares, [0, 0.25, 0.25, 0.25, 0.25], atol=0.03)
    for count in (1, 2, 3):  # Then which: none is preferred.
        rows = chosen[counts == count]
        np.testing.assert_allclose(rows.mean(axis=0), count / 4, atol=0.06)


def test_independent_draws_each_with_its_probability():
    chosen = draw_operations(Augmentation(probability=0.3), 4000)
    np.testing.assert_allclose(chosen.mean(axis=0), 0.3, atol=0.03)
    assert not draw_operations(Augmentation(probability=0.0), 50).any()


@pytest.mark.parametrize("name", PAPER)
def test_ranges_are_kept_and_used(name):
    augmentation = AUGMENTATIONS[name]
    widest = augmentation.alone or augmentation
    angles, shifts, scales = draw_warps(augmentation, 1500)
    assert 0.9 < np.abs(angles).max() / augmentation.rotation <= 1 + 1e-4
    assert 0.9 < np.abs(shifts).max() / widest.shift <= 1 + 1e-4
    assert widest.scale[0] - 1e-4 <= scales.min() < widest.scale[0] + 0.03
    assert widest.scale[1] - 0.06 < scales.max() <= widest.scale[1] + 1e-4


def test_only_an_operation_alone_has_the_wide_range():
    augmentation = AUGMENTATIONS["helen"]
    alone = draw_operations(augmentation, 1500).sum(axis=1) == 1
    _, shifts, scales = draw_warps(augmentation, 1500)
    assert np.abs(shifts[~alone]).max() <= augmentation.shift + 1e-4
    assert scales[~alone].max() <= augmentation.scale[1] + 1e-4
    assert np.abs(shifts[alone]).max() > 0.25
    assert scales[alone].max() > 1.4


def test_operation_not_drawn_changes_nothing():
    chosen = draw_operations(COUNTED, 40)
    angles, shifts, scales = draw_warps(COUNTED, 40)
    for changed, drawn in zip(
        [
            np.abs(angles) > 1e-3,
            np.abs(shifts).max(axis=1) > 1e-5,
            np.abs(scales - 1) > 1e-5,
        ],
        chosen.T[:3],
        strict=True,
    ):
        np.testing.assert_array_equal(changed, drawn)
    image = tf.fill((8, 8, 3), 128.0)
    noisy = [np.std(random_pixels(COUNTED, image, key)) > 0 for key in seeds(40)]
    np.testing.assert_array_equal(noisy, chosen[:, 3])


def test_blur_takes_detail_from_the_share_asked_for_and_keeps_the_size():
    stripes = np.tile(np.array([0.0, 200.0], "float32"), (40, 25))[..., None]
    image = tf.constant(np.repeat(stripes, 3, -1))
    blurring = Augmentation(noise=0.0, blur=4.0, blurred=0.5)
    results = [random_pixels(blurring, image, key) for key in seeds(60)]
    assert {result.shape for result in results} == {image.shape}
    lost = [np.std(result) < 0.9 * np.std(image) for result in results]
    assert 0.3 < np.mean(lost) < 0.7
    assert min(np.std(result) for result in results) < 0.1 * np.std(image)


def test_draws_depend_on_the_seed_alone():
    key = tf.constant([3, 70], tf.int64)
    once, again = (random_warp(COUNTED, (64, 64), key)[0] for _ in range(2))
    np.testing.assert_array_equal(once, again)
    operations = draw_operations(COUNTED, 40)
    assert len(np.unique(operations, axis=0)) > 5


def test_named_augmentations_are_the_papers():
    for name in PAPER:
        assert AUGMENTATIONS[name].operations == "counted"
        assert AUGMENTATIONS[name].variants == 5
        assert not AUGMENTATIONS[name].mirror and not AUGMENTATIONS[name].color
    assert AUGMENTATIONS["ours"].variants == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"blur": 0.5}, "`blur`"),
        ({"blurred": 1.5}, "`blur` and `blurred`"),
        ({"operations": "both"}, "`operations`.*both"),
        ({"variants": 0}, "`variants`.*0"),
        ({"alone": Augmentation()}, "`alone`.*independent"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(Augmentation(), **arguments)
