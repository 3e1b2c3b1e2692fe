"""Photos that are parsed as a shrunk copy, and the face from its own pixels."""

import resource

import keras
import numpy as np
import pytest
from PIL import Image

from stn_icnn_tf.face_parser import FaceParser
from stn_icnn_tf.inference import large_photos
from stn_icnn_tf.inference.face_search import FaceSearch
from tests.helpers import photos, shake, small_model

SURE = {
    **{"confidence": 0.0, "found": 0.0, "placed": 0.0},
    **{"smallest": 0.0, "largest": 9.0, "shift": 9.0},
}


def parser(**thresholds):
    keras.utils.set_random_seed(0)  # The seed of a test comes after its fixtures.
    model = small_model(search_thresholds={**SURE, "roll": 90.0, **thresholds})
    shake(model)
    return FaceParser(model)


@pytest.fixture(scope="module")
def searcher():
    return parser(confidence=0.99)


@pytest.fixture
def from_100(monkeypatch):
    """Photos are large from 100 pixels on."""
    monkeypatch.setattr(large_photos, "MOST_SIDE", 100)
    monkeypatch.setattr(large_photos, "SHRUNK_SIDE", 100)


def smooth(height, width):
    """A photo that loses nothing when it is halved."""
    return photos(height // 2, width // 2).repeat(2, axis=0).repeat(2, axis=1)


def in_pixels(theta, axis, size):
    """Middle and half side of windows along an axis; a pixel is an area."""
    middle = (theta[:, axis, 2] + 1) / 2 * (size - 1) + 0.5
    return np.stack([middle, theta[:, axis, axis] * (size - 1) / 2])


def test_a_photo_is_shrunk_some_rows_at_a_time(from_100, monkeypatch):
    photo = photos(83, 205)
    expected = Image.fromarray(photo).reduce(3)
    monkeypatch.setattr(large_photos, "_PIXELS_AT_ONCE", 205 * 8)
    copy, factor = large_photos.shrunk(photo)
    assert factor == 3
    np.testing.assert_array_equal(copy, expected)


def test_the_whole_photo_is_parsed_as_its_copy_is(from_100):
    parse, photo = parser(), smooth(80, 160)
    face = parse(photo)
    copy = parse(photo[::2, ::2])
    assert len(np.unique(copy.mask)) > 2
    expected = copy.mask.repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(face.mask, expected)
    # The windows lie on the same pixels: edges, not the centres of pixels, agree.
    for axis, size in enumerate((80, 40)):
        found = in_pixels(face.theta, axis, 2 * size)
        np.testing.assert_allclose(found, 2 * in_pixels(copy.theta, axis, size), 1e-4)


def test_a_face_that_is_found_is_parsed_from_the_photos_own_pixels(from_100, searcher):
    parse, photo = searcher, photos(80, 160)
    found = parse._large.parse(photo)
    assert found["is_cut"]
    face = parse(photo)
    np.testing.assert_array_equal(face.mask, found["mask"])
    # From where its square was found, as FaceSearch parses it in the whole photo.
    square = np.float32([50, 40, 48, 0.2])
    expected = FaceSearch(parse.engine.model)(photo, square)
    found = parse._large.parse_square(photo, square)
    assert np.mean(found["mask"] == expected["mask"]) > 0.99
    np.testing.assert_allclose(found["theta"], expected["theta"], atol=2e-3)
    np.testing.assert_allclose(found["square"], expected["square"], atol=0.05)
    for square in ([50, 40, 101, 0], [900, 40, 50, 0]):
        assert parse._large.parse_square(photo, np.float32(square)) is None


def test_detected_faces_of_a_large_photo(from_100):
    seen = []

    def detect(photo):
        seen.append(photo.shape)
        return [np.float32([25, 20, 20, 0])]

    model = small_model()
    shake(model)
    parse, photo = FaceParser(model, detect_faces=detect), photos(80, 160)
    mask = parse(photo).mask
    assert seen == [(40, 80, 3)] and mask.shape == (80, 160)
    expected = FaceSearch(parse.engine.model)(photo, np.float32([50.5, 40.5, 40, 0]))[
        "mask"
    ]
    assert np.mean(mask == expected) > 0.99


def test_memory_grows_with_the_photo_and_not_with_its_square(searcher):
    parse = searcher
    parse(photos(60, 90))
    photo = np.zeros((300, 20_000, 3), "uint8")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert parse(photo).overlay().size == (20_000, 300)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    # Its square would take 4.8 GB.
    assert grown < 2**20
