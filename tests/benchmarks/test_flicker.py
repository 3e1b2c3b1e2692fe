"""What `benchmarks.flicker` measures, on masks and motions that are known."""

import numpy as np
import pytest

pytest.importorskip("skimage", reason="the photo comes with the extra `demo`")
pytest.importorskip("av", reason="the extra `video`")

from benchmarks import flicker
from benchmarks.moving_face import (
    BORDER,
    SIDE,
    Pose,
    film,
    gentle,
    mean_f1,
    misplaced,
    on_photo,
    render,
    seen_from,
    still,
)
from benchmarks.moving_face import flicker as changes


def disk(middle=(180, 170), radius=80):
    y, x = np.mgrid[:SIDE, :SIDE]
    mask = np.zeros((SIDE, SIDE), "uint8")
    mask[(x - middle[0]) ** 2 + (y - middle[1]) ** 2 < radius**2] = 9
    return mask


def test_a_pose_moves_and_enlarges_the_photo():
    middle = render(Pose())
    np.testing.assert_array_equal(render(Pose(x=10.0, y=-4.0))[:-4, 10:],
                                  middle[4:, :-10])  # fmt: skip
    # Back to where it was, but for what a pixel grid cannot say.
    larger = seen_from(disk(radius=88), Pose(zoom=1.1, y=17.0 * 0.1), Pose())
    assert mean_f1(larger, disk(middle=(179.5, 169))) > 0.97


def test_a_mask_that_moves_with_the_face_does_not_flicker():
    poses = [gentle(time) for time in range(5)]
    masks = [seen_from(disk(), poses[0], pose) for pose in poses]
    assert misplaced(masks, poses) == 0.0
    # What a grid makes of an edge is less than by nearest pixel.
    nearest = np.mean(seen_from(masks[1], poses[1], poses[2]) != masks[2])
    assert changes(masks, poses).mean() * on_photo(masks[0], poses[0]).size < 0.02
    assert nearest > 0


def test_flicker_is_the_share_of_the_face_that_changes():
    shown, poses = disk(), [still(time) for time in range(3)]
    assert changes([shown] * 3, poses).sum() == 0.0
    spot = shown.copy()
    spot[160:180, 160:180] = 5
    counts = changes([shown, spot, shown], poses)
    assert counts.shape == (SIDE - 2 * BORDER,) * 2
    share = 400 / np.count_nonzero(shown)
    assert abs(counts.sum() - share) < 0.1 * share
    assert misplaced([shown, spot, shown], poses) > 0.8 * share
    # Its picture shows the spot, before and not after.
    panels = np.asarray(flicker.picture([counts, np.zeros_like(counts)]))
    side = SIDE - 2 * BORDER
    assert panels.shape == (side, 2 * side + 8, 3)
    yellow = (panels[..., 0] > 240) & (panels[..., 2] < 90)
    assert yellow[:, :side].sum() > 300 and not yellow[:, side + 8 :].any()


def test_films_are_noisy_and_seeded():
    first, second = film(still, 3), film(still, 3)
    np.testing.assert_array_equal(first, second)
    assert np.abs(first[0].astype(int) - render(Pose())).mean() > 1
    assert np.any(first[0] != first[1])
