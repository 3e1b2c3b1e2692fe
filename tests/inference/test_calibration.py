import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf.inference.calibration import calibrate_search
from stn_icnn_tf.inference.face_search import FaceSearch
from stn_icnn_tf.models.search_thresholds import SearchThresholds
from tests.inference.test_face_search import Seer, blocks, scores_of


class Doubter(Seer):
    """Is the surer, the brighter the photo's first pixel is; all of them are dark."""

    def parse(self, photos):
        confidence = 0.3 + tf.cast(photos[0, 0, 0, 0], tf.float32) / 100.0
        odds = tf.math.log(8.0 * confidence / (1.0 - confidence))
        shown = tf.constant(scores_of(0.9) / np.log(72.0), tf.float32)
        placed = tf.where(photos[:1, 0, 0, 0] < 20, 0.5, 5 / 6)
        known = {"coarse_scores": odds * shown, "placed": tf.cast(placed, tf.float32)}
        return super().parse(photos) | known


def portraits():
    """Faces of many sizes and places; two of them far from the others."""
    rng = np.random.default_rng(0)
    for index in range(200):
        half, x, y = 100 * rng.uniform(0.9, 1.1), *rng.uniform(195, 205, 2)
        brightness = rng.integers(55, 66)
        if index in (50, 150):
            half, x, y, brightness = 40, 300, 100, index // 5
        photo, _ = blocks((401, 401), (round(x), round(y)), half)
        photo[0, 0] = brightness
        yield photo


def test_thresholds_are_those_that_the_photos_pass_but_for_outliers():
    thresholds = calibrate_search(Doubter(), portraits())
    # The squares are 180 to 220 of 401 pixels, at most 5 pixels off the middle.
    assert thresholds.smallest == pytest.approx(0.45 / 1.1, abs=0.01)
    assert thresholds.largest == pytest.approx(0.55 * 1.1, abs=0.01)
    assert thresholds.shift == pytest.approx(5 / 401 + 0.05, abs=0.005)
    assert 5 <= thresholds.roll < 7
    assert thresholds.confidence == pytest.approx(0.85 - 0.01, abs=0.005)
    assert thresholds.placed == 0.833
    search = FaceSearch(Doubter(), thresholds)
    passed = [bool(search.parse_framed(p[None])["fits"][0]) for p in portraits()]
    assert [index for index, good in enumerate(passed) if not good] == [50, 150]


def test_weak_nets_whose_parts_lie_anywhere_are_not_asked_for_more():
    class Weak(Doubter):
        def parse(self, photos):
            return super().parse(photos) | {"placed": tf.constant([4 / 6])}

    photo, _ = blocks((401, 401), (200, 200), 100)
    assert calibrate_search(Weak(), [photo]).placed == 0.666


def test_rolled_face_is_cut_out_whatever_the_photos_are():
    photo, _ = blocks((301, 301), (150, 150), 150)
    turned = np.ascontiguousarray(np.rot90(photo))
    turned[0, 0] = 60
    thresholds = calibrate_search(Doubter(), [turned])
    assert thresholds.roll == 15.0


def test_photos_are_needed():
    with pytest.raises(ValueError, match="`photos`"):
        calibrate_search(Seer(), [])
    assert SearchThresholds(confidence=0.0).confidence == 0.0
