import sys
import types

import numpy as np
import pytest
import tensorflow as tf
from absl import app
from PIL import Image

from stn_icnn_tf.class_sets import EIGHT_PARTS
from stn_icnn_tf.inference.face_search import FaceSearch
from stn_icnn_tf.layers.localization import MEAN_CROP
from tests.helpers import small_model
from trainers import predict

MEAN = np.asarray(MEAN_CROP)


@pytest.fixture(scope="module")
def detector():
    pytest.importorskip("mtcnn", reason="mtcnn is not installed: extra `detect`")
    from stn_icnn_tf.inference.detection import FaceDetector

    return FaceDetector(MEAN_CROP)


@pytest.fixture(scope="module")
def astronaut():
    data = pytest.importorskip("skimage.data", reason="extra `demo`")
    return data.astronaut()


def test_square_puts_the_eyes_where_the_mean_face_has_them(detector, astronaut):
    (square,) = detector(astronaut)
    x, y, side, roll = square
    assert abs(roll) < 0.15
    for name, eye in (("left_eye", (204, 100)), ("right_eye", (245, 102))):
        mean = MEAN[EIGHT_PARTS.part_names.index(name), 1:]
        place = (x, y) + mean / 2.0 * (side - 1.0)
        assert np.hypot(*(place - eye)) < 8


def test_every_face_is_found_largest_first_and_one_at_the_border_too(
    detector, astronaut
):
    # The face is cut by the right border of the second photo; its copy is small.
    photo = np.zeros((512, 800, 3), "uint8")
    photo[:, :512] = astronaut
    photo[100:356, 520:776] = astronaut[::2, ::2]
    squares = detector(photo)
    assert len(squares) == 2
    assert squares[0][2] > 1.7 * squares[1][2]
    (cut,) = detector(np.ascontiguousarray(astronaut[:, :248]))
    assert abs(cut[2] - detector(astronaut)[0][2]) < 0.25 * cut[2]
    assert detector(np.zeros((90, 120, 3), "uint8")) == []


class Painter(FaceSearch):
    """Labels the square it is given with its size: a stand-in for a model."""

    def __init__(self, parser):
        pass

    surest = tf.constant([14.5, 9.5, 6.0, 0.0])

    def __call__(self, photo, square=surest):
        rows = tf.range(tf.shape(photo)[0])[:, None]
        columns = tf.range(tf.shape(photo)[1])[None]
        x, y, side, _ = tf.unstack(square)
        left, top = (tf.cast(v - (side - 1) / 2, tf.int32) for v in (x, y))
        side = tf.cast(side, tf.int32)
        inside = (
            (columns >= left)
            & (columns < left + side)
            & (rows >= top)
            & (rows < top + side)
        )
        return {"mask": tf.cast(tf.where(inside, side, 0), tf.uint8)}


def test_faces_are_pasted_into_one_mask_the_larger_in_front(monkeypatch):
    monkeypatch.setattr(predict, "FaceSearch", Painter)
    photo = np.zeros((20, 30, 3), "uint8")
    squares = np.float32([[5.5, 5.5, 8, 0], [10, 10, 5, 0], [26.5, 1.5, 4, 0]])
    mask, faces = predict.make_parser(small_model(), lambda photo: squares)(photo)
    assert faces == 3
    expected = np.zeros((20, 30), "uint8")
    expected[0:4, 25:29] = 4
    expected[8:13, 8:13] = 5
    expected[2:10, 2:10] = 8
    np.testing.assert_array_equal(mask, expected)
    mask, faces = predict.make_parser(small_model(), lambda photo: [])(photo)
    assert faces == 0 and not mask.any()


def test_without_a_detector_the_one_face_is_looked_for_where_it_is_surest(monkeypatch):
    monkeypatch.setattr(predict, "FaceSearch", Painter)
    mask, faces = predict.make_parser(small_model())(np.zeros((20, 30, 3), "uint8"))
    assert faces == 1
    np.testing.assert_array_equal(np.argwhere(mask == 6).min(axis=0), [7, 12])
    assert (mask == 6).sum() == 36


def test_missing_detector_is_a_usage_error(tmp_path, monkeypatch):
    Image.fromarray(np.zeros((20, 30, 3), "uint8")).save(tmp_path / "wall.png")
    small_model().save(tmp_path / "model.keras")
    given = types.SimpleNamespace(
        input=str(tmp_path / "wall.png"),
        model=str(tmp_path),
        output=str(tmp_path),
        detect_faces=True,
    )
    monkeypatch.setattr(predict, "FLAGS", given)
    monkeypatch.setitem(sys.modules, "mtcnn", None)
    with pytest.raises(app.UsageError, match="extra `detect`"):
        predict.main(["predict"])


def test_photo_without_a_face_is_named_and_gets_an_empty_mask(tmp_path, capsys):
    Image.fromarray(np.zeros((20, 30, 3), "uint8")).save(tmp_path / "wall.png")
    parse = predict.make_parser(small_model(), lambda photo: [])
    assert predict.parse_photos(parse, [tmp_path / "wall.png"], tmp_path / "out") == []
    assert "wall.png: no face found" in capsys.readouterr().err
    mask = np.asarray(Image.open(tmp_path / "out" / "wall_mask.png"))
    assert mask.shape == (20, 30) and not mask.any()
