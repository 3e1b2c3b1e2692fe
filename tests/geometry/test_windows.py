import numpy as np
import pytest

from stn_icnn_tf.geometry.affine import (
    affine_grid,
    frame_theta,
    theta_from_centers,
    to_pixels,
)
from stn_icnn_tf.geometry.windows import (
    face_ratio,
    part_centers,
    placed_share,
    target_theta,
    window_boxes,
    window_edges,
    window_theta,
)
from stn_icnn_tf.layers.learned_crop import LearnedCrop
from stn_icnn_tf.layers.localization import MEAN_CROP

MEAN = np.asarray(MEAN_CROP, "float32")
EVERY = np.ones((1, 6), bool)


def test_part_centers_by_hand_and_the_mouth_is_three_classes():
    mask = np.zeros((10, 12), "uint8")
    mask[2:5, 3:6] = 3
    mask[7, 4], mask[8, 4], mask[9, 4] = 6, 7, 8
    centers, present = part_centers(mask)
    np.testing.assert_array_equal(present, [False, False, True, False, False, True])
    np.testing.assert_allclose(np.array(centers)[2], [4, 3])
    np.testing.assert_allclose(np.array(centers)[5], [4, 8])


def test_absent_part_neither_moves_nor_resizes_the_others():
    centers = MEAN[None, :, 1:] * 0.7 + 0.1
    present = EVERY.copy()
    present[0, 2] = False
    assert float(face_ratio(centers, present, MEAN_CROP)[0]) == pytest.approx(0.7)
    frame = np.array([[[[1, 0, 0], [0, 1, 0]]]], "float32")
    whole = np.array(target_theta(centers, EVERY, frame, MEAN_CROP, "face"))
    broken = centers.copy()
    broken[0, 2] = -1.0  # What an absent part's centre reads like.
    partial = np.array(target_theta(broken, present, frame, MEAN_CROP, "face"))
    np.testing.assert_allclose(partial[0, [0, 1, 3, 4, 5]], whole[0, [0, 1, 3, 4, 5]])
    np.testing.assert_allclose(partial[0, 2, :, 2], MEAN[2, 1:])


def test_face_without_parts_has_the_mean_size():
    nothing = np.zeros((1, 6), bool)
    assert float(face_ratio(MEAN[None, :, 1:], nothing, MEAN_CROP)[0]) == 1.0


def test_target_theta_is_in_the_coarse_frame():
    frame = np.array(frame_theta(32, (64, 64), (0, 0), (64, 64)))[None, None]
    centers = np.full((1, 6, 2), 0.25, "float32")
    theta = np.array(target_theta(centers, EVERY, frame, MEAN_CROP, "fixed"))
    back = np.array(window_theta(theta, frame, (64, 64), 17, "fixed"))
    np.testing.assert_allclose(back[0, :, :, 2], 0.25, rtol=1e-5)
    np.testing.assert_allclose(back[0, :, 0, 0], 16 / 63, rtol=1e-5)


@pytest.mark.parametrize("patch_size", [17, 21, 16, 20])
def test_odd_fixed_patches_are_slices_and_even_ones_are_not(patch_size):
    # Section 3.3: with odd sizes the crop is that of the baseline, whose cropper
    # slices pixels around a centre in whole pixels.
    rng = np.random.default_rng(0)
    height, width = 60, 75
    image = rng.integers(0, 256, (1, height, width, 3)).astype("float32")
    middle = rng.integers(12, 48, (6, 2))  # (x, y)
    centers = (2.0 * middle / [width - 1, height - 1] - 1.0)[None].astype("float32")
    frame = np.array(frame_theta(32, (height, width), (0, 0), (height, width)))
    frame = frame[None, None]
    theta = target_theta(centers, EVERY, frame, MEAN_CROP, "fixed")
    theta = window_theta(theta, frame, (height, width), patch_size, "fixed")
    patches = np.array(LearnedCrop(patch_size)(image, theta))[0]
    first = middle - patch_size // 2
    slices = np.stack(
        [image[0, y : y + patch_size, x : x + patch_size] for x, y in first]
    )
    grid = np.array(affine_grid(theta, (patch_size, patch_size)))
    pixels = to_pixels(grid, np.array([width, height], "float32"))
    off = np.abs(pixels - np.round(pixels))
    if patch_size % 2:
        assert np.max(off) < 1e-4
        np.testing.assert_array_equal(patches, slices)
    else:
        # Every point is half a pixel off: the mean of four, not any one of them.
        assert np.min(off) > 0.49
        assert np.mean(np.abs(patches - slices)) > 10


def test_edges_are_those_of_the_pixels_that_a_patch_covers():
    # 9 pixels, 6..14 and 16..24, of a photo that is 61 high and 41 wide.
    theta = theta_from_centers(np.array([[10.0, 20.0]]), np.array([9.0]), (61, 41))
    edges = window_edges(theta, (61, 41), 9)
    np.testing.assert_allclose(edges, [[6, 16, 15, 25]], atol=1e-5)
    # Over the same corners, 5 patch pixels are 2 photo pixels wide each.
    edges = window_edges(theta, (61, 41), 5)
    np.testing.assert_allclose(edges, [[5.5, 15.5, 15.5, 25.5]], atol=1e-5)


def test_edges_of_the_whole_photo_are_its_own():
    theta = np.array([[[1, 0, 0], [0, 1, 0]]], "float32")
    np.testing.assert_allclose(window_edges(theta, (61, 61), 61), [[0, 0, 61, 61]])


# === By hand ===

# Coarse -> source: half as large across, a quarter down, and moved.
FRAME = np.array([[[[2.0, 0.0, 0.5], [0.0, 4.0, -0.25]]]], "float32")


def test_part_centers_of_a_batch_do_not_mix():
    masks = np.zeros((3, 7, 9), "uint8")
    masks[0, 1:4, 2:5] = 3
    masks[2, 5, 6:9] = 3
    masks[2, 1, 4] = 8  # The last class, and the last mask; one pixel.
    centers, present = map(np.array, part_centers(masks))
    np.testing.assert_allclose(centers[:, 2], [[3, 2], [0, 0], [7, 5]])
    np.testing.assert_allclose(centers[2, 5], [4, 1])
    expected = np.zeros((3, 6), bool)
    expected[0, 2] = expected[2, 2] = expected[2, 5] = True
    np.testing.assert_array_equal(present, expected)
    for mask, *one in zip(masks, centers, present, strict=True):
        for ours, alone in zip(one, part_centers(mask), strict=True):
            np.testing.assert_array_equal(ours, alone)


def test_face_ratio_compares_the_parts_that_are_there():
    mean = ((0.2, 0.0, 0.0), (0.2, 0.3, 0.4), (0.2, -0.6, 0.8))
    centers = np.array([[[0.1, 0.2], [0.7, 1.0], [9.0, 9.0]]], "float32")
    # 1 apart instead of 0.5; the third is not there, or alone.
    two = np.array([[True, True, False]])
    np.testing.assert_allclose(face_ratio(centers, two, mean), [2.0], rtol=1e-6)
    one = np.array([[False, False, True]])
    np.testing.assert_allclose(face_ratio(centers, one, mean), [1.0])
    # Each face of a batch is measured by itself.
    several = np.concatenate([centers, centers, 3 * centers])
    present = np.concatenate([two, one, two])
    ratios = face_ratio(several, present, mean)
    np.testing.assert_allclose(ratios, [2.0, 1.0, 6.0], rtol=1e-6)


def test_target_theta_by_hand():
    centers = np.array([[[0.5, -0.25], [1.7, 2.95], [5.0, 5.0]]], "float32")
    present = np.array([[True, True, False]])
    mean = ((0.2, 0.0, 0.0), (0.4, 0.3, 0.4), (0.2, -0.6, 0.8))
    # In the coarse frame they are at (0, 0) and (0.6, 0.8): twice the mean face.
    for window, ratio in (("face", 2.0), ("fixed", 1.0)):
        theta = np.array(target_theta(centers, present, FRAME, mean, window))[0]
        expected = [[0, 0], [0.6, 0.8], [-0.6, 0.8]]
        np.testing.assert_allclose(theta[..., 2], expected, atol=1e-6)
        scales = ratio * np.array([0.2, 0.4, 0.2])
        np.testing.assert_allclose(theta[:, 0, 0], scales, rtol=1e-6)
        np.testing.assert_allclose(theta[:, 1, 1], scales, rtol=1e-6)
        np.testing.assert_array_equal(theta[:, [0, 1], [1, 0]], 0)


def test_window_theta_by_hand():
    theta = np.array([[[[0.25, 0, 0.5], [0, 0.25, -1.0]]]], "float32")
    size = (11, 21)
    face = np.array(window_theta(theta, FRAME, size, 5, "face"))
    np.testing.assert_allclose(face, [[[[0.5, 0, 1.5], [0, 1.0, -4.25]]]], rtol=1e-6)
    # 4 steps of a patch are 4 of the source's 20 across, and 4 of its 10 down.
    fixed = np.array(window_theta(theta, FRAME, size, 5, "fixed"))
    np.testing.assert_allclose(fixed, [[[[0.2, 0, 1.5], [0, 0.4, -4.25]]]], rtol=1e-6)


def test_window_boxes_by_hand():
    theta = np.array([[0.5, 0, 0.25], [0, 0.25, -0.5]], "float32")
    # From x -0.25 to 0.75 of 0..20, from y -0.75 to -0.25 of 0..10.
    expected = [7.5, 1.25, 17.5, 3.75]
    np.testing.assert_allclose(window_boxes(theta, (11, 21)), expected, rtol=1e-6)


def test_parts_are_placed_if_they_lie_about_the_middle_of_their_windows():
    def shown(rows, columns, probability=0.9):
        patch = np.zeros((9, 9, 2), "float32")
        # The classes of a part count together.
        patch[rows, columns] = probability / 2
        return patch

    every = slice(None)
    patches = {
        "middle": shown(slice(3, 6), slice(3, 6)),
        "large": shown(every, every),
        "aside": shown(slice(3, 6), slice(5, 7)),  # .375 of half a side.
        "edge": shown(slice(3, 6), slice(6, 8)),  # .625.
        "corner": shown(slice(5, 7), slice(6, 7)),  # .375 and .5: .625.
        "unsure": shown(slice(3, 6), slice(3, 6), 0.4),
        "nothing": shown(slice(0), slice(0)),
    }
    placed = {name: float(placed_share([p[None]])[0]) for name, p in patches.items()}
    assert placed == dict.fromkeys(patches, 0.0) | {
        name: 1.0 for name in ("middle", "large", "aside", "unsure", "nothing")
    }
    several = [np.stack([patches["middle"], patches["edge"]]), patches["large"][None]]
    several[1] = np.repeat(several[1], 2, axis=0)
    np.testing.assert_allclose(placed_share(several), [1.0, 0.5])
