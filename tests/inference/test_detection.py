import sys

import numpy as np
import pytest
from absl import app
from PIL import Image

from stn_icnn_tf.class_sets import EIGHT_PARTS
from stn_icnn_tf.face_parser import FaceParser
from stn_icnn_tf.inference import detection
from stn_icnn_tf.layers.localization import MEAN_CROP
from tests.helpers import parsed_flags, small_model
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


@pytest.mark.parametrize("method", ["union", "min"])
def test_overlaps_are_suppressed_as_mtcnn_does_in_less_memory(method, monkeypatch):
    bboxes = pytest.importorskip("mtcnn.utils.bboxes", reason="extra `detect`")
    rng = np.random.default_rng(0)
    corner, size = rng.uniform(0, 100, (300, 2)), rng.uniform(5, 40, (300, 2))
    images, scores = rng.integers(0, 2, (300, 1)), rng.permutation(300)[:, None] / 300
    boxes = np.hstack([images, corner, corner + size, scores])
    for pairs, initial_sort in ((2**22, True), (1000, True), (1000, False)):
        monkeypatch.setattr(detection, "_MOST_PAIRS", pairs)
        kwargs = {"threshold": 0.3, "method": method, "initial_sort": initial_sort}
        expected = bboxes.smart_nms_from_bboxes(boxes, **kwargs)
        assert 20 < len(expected) < 280
        found = detection.suppress_overlaps(boxes, **kwargs)
        np.testing.assert_array_equal(found, expected)
    assert detection.suppress_overlaps(boxes[:0], 0.5).shape == (0, 6)


def test_missing_detector_is_a_usage_error(tmp_path, monkeypatch):
    Image.fromarray(np.zeros((20, 30, 3), "uint8")).save(tmp_path / "wall.png")
    small_model().save(tmp_path / "model.keras")
    monkeypatch.setitem(sys.modules, "mtcnn", None)
    given = (
        f"--input={tmp_path / 'wall.png'}",
        f"--model={tmp_path}",
        f"--output={tmp_path}",
        "--detect_faces",
    )
    with (
        parsed_flags(predict, *given),
        pytest.raises(app.UsageError, match="extra `detect`"),
    ):
        predict.main(["predict"])


def test_photo_without_a_face_is_named_and_gets_an_empty_mask(tmp_path, capsys):
    Image.fromarray(np.zeros((20, 30, 3), "uint8")).save(tmp_path / "wall.png")
    parser = FaceParser(small_model(), detect_faces=lambda photo: [])
    output = tmp_path / "out"
    assert predict.parse_photos(parser, [tmp_path / "wall.png"], output) == []
    assert "wall.png: no face found" in capsys.readouterr().err
    mask = np.asarray(Image.open(output / "wall_mask.png"))
    assert mask.shape == (20, 30) and not mask.any()
