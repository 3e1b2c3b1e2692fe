"""Videos: when a face is searched for, and what is steadied and what is not."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf.class_sets import HEAD
from stn_icnn_tf.face_parser import FaceParser
from stn_icnn_tf.video_parser import VideoParser
from tests.helpers import photos, shake, small_model
from tests.test_face_parser import AS_IT_IS

SIZE = 60, 80


def smooth(seed):
    """A picture without edges, which the small model sees as large blots."""
    rng = np.random.default_rng(seed)
    small = tf.constant(rng.uniform(0, 255, (1, 5, 6, 3)), tf.float32)
    return tf.image.resize(small, SIZE, "bicubic")[0].numpy().clip(5, 250)


def noisy(picture, count, level=6.0):
    rng = np.random.default_rng(9)
    frames = picture + rng.normal(0, level, (count, *picture.shape))
    return frames.clip(0, 255).round().astype("uint8")


def changes(masks):
    return np.mean([np.mean(a != b) for a, b in itertools.pairwise(masks)])


@pytest.fixture(scope="module", params=["parts", "head"])
def parser(request):
    kwargs = {}
    if request.param == "head":
        kwargs = {
            "class_set": HEAD,
            "coarse_net": "residual",
            "coarse_filters": (4, 4, 4),
            "coarse_image_size": 64,
        }
    model = small_model(search_thresholds={**AS_IT_IS, "roll": 180.0}, **kwargs)
    shake(model)
    return FaceParser(model)


@pytest.fixture(scope="module")
def video(parser):
    return VideoParser(parser)


@pytest.fixture(scope="module")
def unsteady(parser):
    return VideoParser(parser, steady=False)


@pytest.fixture(autouse=True)
def another(request):
    """Each test begins another video."""
    for name in {"video", "unsteady"} & set(request.fixturenames):
        request.getfixturevalue(name).reset()


def test_a_still_picture_has_the_mask_of_the_photo(parser, video):
    photo = noisy(smooth(1), 1)[0]
    expected = parser(photo)
    assert len(np.unique(expected.mask)) > 2
    for _ in range(3):
        face = video(photo)
        assert face.mask.dtype == np.uint8 and face.class_set == parser.class_set
        np.testing.assert_array_equal(face.photo, photo)
        assert np.mean(face.mask == expected.mask) > 0.999
        np.testing.assert_allclose(face.theta, expected.theta, atol=1e-4)


def test_noise_changes_fewer_pixels(video, unsteady):
    frames = noisy(smooth(2), 8)
    before = [unsteady(frame).mask for frame in frames]
    after = [video(frame).mask for frame in frames]
    assert changes(before) > 0
    assert changes(after[1:]) < 0.7 * changes(before[1:])


def test_what_changes_counts_at_once(video, unsteady):
    first, second = (noisy(smooth(seed), 3) for seed in (3, 4))
    for frame in first:
        video(frame)
    # A cut: nothing is left of the frames before, in the very first frame.
    assert np.mean(video(second[0]).mask == unsteady(second[0]).mask) > 0.98
    assert np.mean(video(first[0]).mask == unsteady(first[0]).mask) > 0.98


def test_frames_of_another_size_begin_anew(parser, video):
    video(noisy(smooth(5), 1)[0])
    photo = photos(40, 90)
    np.testing.assert_array_equal(video(photo).mask.shape, (40, 90))
    assert video.searches == 1
    assert np.mean(video(photo).mask == parser(photo).mask) > 0.99


# ---------------------------------------------------------------------------- searching


@pytest.fixture
def scripted(monkeypatch):
    """A `VideoParser` whose frames are as a test says: gives it, and what it did."""
    model = small_model()
    video = VideoParser(FaceParser(model))
    did, said = [], []

    def find_square(frame):
        did.append("search")
        return np.float32([30, 30, 60, 0])

    def parse(frame, square, before, is_first):
        is_sure, fits = said.pop(0)
        did.append(f"{'first' if is_first else 'next'} at {square[0]:g}")
        outputs = {"mask": np.zeros(frame.shape[:2], "uint8"), "theta": np.zeros((6,))}
        outputs = {name: tf.constant(value) for name, value in outputs.items()}
        own = np.float32([50, 30, 60, 0])
        known = {"own_square": own, "is_sure": is_sure, "fits": fits, "state": {}}
        return {**outputs, **known}

    monkeypatch.setattr(video.parser, "find_square", find_square)
    monkeypatch.setattr(video, "_parse", parse)

    def frame(*outcomes):
        did.clear()
        said[:] = outcomes
        video(photos(20, 20))
        return list(did)

    return video, frame


HELD, LEAVES, LOST = (True, True), (True, False), (False, True)


def test_nothing_is_searched_for_while_the_face_is_held(scripted):
    video, frame = scripted
    assert frame(HELD) == ["search", "first at 30"]
    for _ in range(3):
        assert frame(HELD) == ["next at 30"]
    # It leaves the square, which is moved after it; what was before does not count.
    assert frame(LEAVES, HELD) == ["next at 30", "first at 50"]
    assert frame(HELD) == ["next at 50"]
    assert video.searches == 1


def test_a_lost_face_is_searched_for_at_once_and_then_more_and_more_seldom(scripted):
    video, frame = scripted
    frame(HELD)
    assert frame(LOST, HELD) == ["next at 30", "search", "first at 30"]
    # No search finds one.
    searched = [at for at in range(48) if "search" in frame(LOST, LOST)]
    assert np.diff(searched).tolist() == [2, 4, 8, 16, 16] and searched[0] == 0
    # Once it is seen again, it is held, and missed at once.
    assert frame(HELD) == ["next at 30"]
    assert "search" in frame(LOST, HELD)
    video.reset()
    assert frame(HELD)[0] == "search" and video.searches == 1


def test_a_face_that_is_not_to_be_found_stays_in_its_square(scripted):
    video, frame = scripted
    video.parser.find_faces = False
    frame(HELD)
    assert frame(LEAVES) == frame(LOST) == ["next at 30"]
