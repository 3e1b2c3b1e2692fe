"""Colours, mattes, tint, smoothing and cut-outs, on pixels whose answer is known."""

import numpy as np
import pytest

from benchmarks import mattes
from stn_icnn_tf import effects, matting
from stn_icnn_tf.class_groups import class_ids, known_names
from stn_icnn_tf.class_sets import EIGHT_PARTS, HEAD
from stn_icnn_tf.color import read_color, to_lab, to_rgb
from tests.helpers import photos


def test_cielab_of_known_colors_and_back():
    colors = np.uint8([[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 0, 255]])
    known = [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86]]
    np.testing.assert_allclose(to_lab(colors), known, atol=0.02)
    every = photos(50, 50)
    np.testing.assert_array_equal(to_rgb(to_lab(every)), every)


def test_colors_are_read():
    assert read_color("#a03020") == read_color((160, 48, 32)) == (160, 48, 32)
    assert read_color("crimson") == (220, 20, 60)
    for bad in ("reddish", "#11223344", (1, 2), (1, 2, 300), (0.1, 0.2, 0.3), None):
        with pytest.raises(ValueError, match="`color` must be"):
            read_color(bad)


def test_names_of_classes_parts_columns_and_groups():
    assert class_ids(HEAD, ["hat", "hair"]) == (12, 15)
    assert class_ids(HEAD, ["ears"]) == (10, 11)
    assert class_ids(EIGHT_PARTS, ["mouth", "lips"]) == (6, 7, 8)
    assert class_ids(HEAD, ["all"]) == tuple(range(1, 19))
    assert "background" not in known_names(HEAD)
    # An eight-part model has no skin: what it knows is no whole face.
    for name in ("hair", "face", "background", ""):
        with pytest.raises(ValueError, match=r"`names` must be of \('left_brow'.*lips"):
            class_ids(EIGHT_PARTS, [name])
    with pytest.raises(ValueError, match="`names`"):
        class_ids(HEAD, [])


def test_box_mean_is_of_the_pixels_that_are_there():
    plane = np.random.default_rng(0).random((5, 7))
    means = matting.box_mean(plane, 1)
    assert means[2, 3] == pytest.approx(plane[1:4, 2:5].mean())
    assert means[0, 6] == pytest.approx(plane[:2, 5:].mean())
    np.testing.assert_allclose(matting.box_mean(plane, 99), plane.mean())


@pytest.mark.parametrize("seed", range(3))
def test_refined_alpha_is_nearer_to_the_true_one(seed):
    """Drawn hair with loose strands; a third of the error goes, at least."""
    errors = mattes.errors(*mattes.draw_matte(seed, 256))
    assert errors["probability, refined"] < 0.8 * errors["probability"]
    assert errors["mask, refined"] < 0.8 * errors["mask"]


def test_refine_leaves_what_is_certain_and_takes_a_small_matte():
    photo = photos(40, 60)
    for value in (0.0, 1.0):
        matte = matting.refine(np.full((40, 60), value), photo, 3)
        np.testing.assert_allclose(matte, value, atol=1e-5)
    # Two colours, and a matte of a fourth of the size that is a little off.
    photo = np.full((64, 64, 3), 40, "uint8")
    photo[:, 34:] = 200
    small = np.zeros((16, 16), "float32")
    small[:, 8:] = 1.0
    matte = matting.refine(small, photo, 4)
    assert matte.shape == (64, 64) and matte.dtype == np.float32
    assert matte[:, 30].max() < 0.1 and matte[:, 40].min() > 0.9


def test_tint_changes_color_alone_and_only_where_it_may():
    photo = photos(30, 40) // 2 + 60
    matte = np.zeros((30, 40), "float32")
    matte[5:20, 5:30] = 1.0
    tinted = effects.tint(photo, matte, "#a03020", 0.7)
    np.testing.assert_array_equal(tinted[matte == 0], photo[matte == 0])
    before, after = to_lab(photo[matte > 0]), to_lab(tinted[matte > 0])
    assert np.abs(after - before)[:, 0].mean() < 1.0
    target = to_lab(np.uint8([160, 48, 32]))
    assert after[:, 1].mean() > before[:, 1].mean() + 10
    np.testing.assert_array_equal(effects.tint(photo, matte, "teal", 0.0), photo)
    # What is as light as the colour becomes it.
    grey = to_rgb(np.float32([[[target[0], 0, 0]]]))
    whole = effects.tint(grey, np.ones((1, 1)), (160, 48, 32), 1.0)
    np.testing.assert_allclose(whole[0, 0], (160, 48, 32), atol=4)
    # Black and white stay, where a tint would be a blemish.
    ends = np.uint8([[[0, 0, 0], [255, 255, 255]]])
    np.testing.assert_allclose(effects.tint(ends, np.ones((1, 2)), "red", 1), ends)


@pytest.mark.parametrize("strength", [-0.1, 1.5, float("nan")])
def test_strengths_are_of_0_to_1(strength):
    photo, matte = photos(4, 4), np.ones((4, 4))
    for run in (
        lambda: effects.tint(photo, matte, "red", strength),
        lambda: effects.smooth(photo, matte, 1, strength),
    ):
        with pytest.raises(ValueError, match="`strength` must be of 0..1"):
            run()


def test_smoothing_flattens_skin_and_keeps_edges():
    rng = np.random.default_rng(0)
    clean = np.full((60, 80, 3), 150.0)
    clean[:, 40:] = 60.0  # A shadow's edge within the skin.
    photo = np.uint8(np.clip(clean + rng.normal(0, 6, clean.shape), 0, 255))
    photo[:5] = 255  # Not skin, and bright: it must not bleed in.
    matte = np.ones((60, 80), "float32")
    matte[:5] = 0.0
    smooth = effects.smooth(photo, matte, 4, 1.0)
    np.testing.assert_array_equal(smooth[:5], photo[:5])
    for side in (slice(0, 30), slice(50, 80)):
        assert smooth[10:, side].std() < 0.5 * photo[10:, side].std()
    step = smooth[10:, 41].mean() - smooth[10:, 38].mean()
    assert step == pytest.approx(-90, abs=10)
    assert smooth[5:8, :30].mean() == pytest.approx(150, abs=2)
    np.testing.assert_array_equal(effects.smooth(photo, matte, 4, 0.0), photo)


def test_cut_outs_have_the_colors_of_what_covers():
    alpha = np.zeros((40, 40))
    alpha[:, 20:] = 1.0
    alpha = matting.box_mean(alpha, 2)
    mixed = alpha[..., None] * (200, 40, 40) + (1 - alpha)[..., None] * (0, 0, 255)
    photo = np.uint8(np.round(mixed))
    cut = effects.cut_out(photo, alpha, 6)
    assert cut.shape == (40, 40, 4)
    np.testing.assert_allclose(cut[..., 3], alpha * 255, atol=0.51)
    half = (alpha > 0.2) & (alpha < 0.99)
    off, was_off = (
        np.abs(pixels[half].astype(float) - (200, 40, 40)).mean()
        for pixels in (cut[..., :3], photo)
    )
    assert off < 0.5 * was_off
    np.testing.assert_array_equal(cut[alpha == 1, :3], photo[alpha == 1])
