import numpy as np
import pytest

from stn_icnn_tf.geometry import frame_theta
from stn_icnn_tf.localization import MEAN_CROP
from stn_icnn_tf.windows import face_ratio, part_centers, target_theta, window_theta

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
