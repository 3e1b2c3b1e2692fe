"""Parsing the photos of a shard."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

pytest.importorskip("apache_beam", reason="needs Beam: pip install -e '.[beam]'")

from stn_icnn_tf.class_sets import EIGHT_PARTS
from stn_icnn_tf.face_parser import FaceParser
from stn_icnn_tf.parsed_face import ParsedFace
from tests.helpers import decode_picture, encode_picture, photos, shake, small_model
from trainers.bulk import parsing
from trainers.bulk.parsing import parse_photos


class Thresholds:
    """Parses as a model might; keeps the shapes of its batches."""

    class_set = EIGHT_PARTS

    def __init__(self, most=99):
        self.batches, self._most = [], most

    def __call__(self, arrays):
        self.batches.append([array.shape[:2] for array in arrays])
        if len(arrays) > self._most:
            raise tf.errors.ResourceExhaustedError(None, None, "too much")
        return [ParsedFace(a, (a[..., 0] > 200).astype("uint8")) for a in arrays]


def stored(*sizes):
    return {f"{i}.png": encode_picture(photos(*size)) for i, size in enumerate(sizes)}


def read_from(files):
    def read(path):
        if path not in files:
            raise FileNotFoundError(f"no such file: {path}")
        return files[path]

    return read


def test_photos_are_batched_by_size_and_rows_keep_their_order():
    files = stored(*[(24, 36), (30, 20)] * 10)
    parser = Thresholds()
    rows = parse_photos(parser, list(files), read_from(files))
    assert parser.batches == [[(24, 36)] * n for n in (8, 2)] + [
        [(30, 20)] * n for n in (8, 2)
    ]
    assert [row.name for row in rows] == list(files)
    for row, content in zip(rows, files.values()):
        expected = decode_picture(content)[..., 0] > 200
        np.testing.assert_array_equal(decode_picture(row.mask), expected)
        assert (row.height, row.width) == expected.shape and row.error is None
        assert row.areas[1] == expected.sum() and sum(row.areas) == expected.size
        ys, xs = np.nonzero(expected)
        assert row.boxes[1] == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        assert row.boxes[2] is None and row.has_face


def test_a_turned_photo_is_batched_as_it_stands():
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encode_picture(photos(24, 36), "JPEG", exif=exif)
    files = {"a.png": encode_picture(photos(36, 24)), "b.jpg": turned}
    parser = Thresholds()
    parse_photos(parser, list(files), read_from(files))
    assert parser.batches == [[(36, 24)] * 2]


def test_bad_photos_have_reasons_and_cost_nothing_else():
    files = stored((24, 36), (24, 36), (24, 36))
    files["1.png"] = files["1.png"][:600]  # Its size can be read, its pixels cannot.
    files["text.jpg"], files["empty.jpg"] = b"no picture", b""
    names = [*files, "gone.jpg", "name\udcff.jpg"]
    rows = {
        row.name: row for row in parse_photos(Thresholds(), names, read_from(files))
    }
    assert [row.error is None for row in rows.values()] == [1, 0, 1, 0, 0, 0, 0]
    assert "truncated" in rows["1.png"].error
    assert rows["empty.jpg"].error == "it is empty"
    assert "identify" in rows["text.jpg"].error
    assert "no such file" in rows["gone.jpg"].error
    # What is no UTF-8 in a name is replaced.
    assert "name\ufffd.jpg" in rows
    assert not rows["gone.jpg"].mask and not rows["gone.jpg"].has_face


def test_what_is_too_large_for_the_memory_is_tried_alone():
    files = stored((24, 36), (24, 36), (24, 36))
    alone = Thresholds(most=1)
    rows = parse_photos(alone, list(files), read_from(files))
    assert [len(batch) for batch in alone.batches] == [3, 1, 1, 1]
    assert all(row.error is None for row in rows)
    rows = parse_photos(Thresholds(most=0), list(files), read_from(files))
    assert all("too large for the memory: too much" in row.error for row in rows)


def test_an_error_of_the_model_is_raised():
    def broken(arrays):
        raise RuntimeError("a bug")

    files = stored((24, 36))
    with pytest.raises(RuntimeError, match="a bug"):
        parse_photos(broken, list(files), read_from(files))


def test_few_bytes_are_held_at_once(monkeypatch):
    files = stored(*[(24, 36)] * 5)
    monkeypatch.setattr(parsing, "_MOST_BYTES", 2 * len(files["0.png"]))
    parser = Thresholds()
    assert len(parse_photos(parser, list(files), read_from(files))) == 5
    assert [len(batch) for batch in parser.batches] == [2, 2, 1]


def test_masks_are_the_parsers():
    model = small_model()
    shake(model)
    parser = FaceParser(model, find_faces=False)
    files = stored((64, 48), (40, 60), (64, 48))
    rows = parse_photos(parser, list(files), read_from(files))
    faces = parser([decode_picture(content) for content in files.values()])
    assert any(row.has_face for row in rows)
    for row, face in zip(rows, faces, strict=True):
        np.testing.assert_array_equal(decode_picture(row.mask), face.mask)
        boxes = dict(zip(EIGHT_PARTS.names, row.boxes))
        assert all(boxes[n] == b for n, b in face.boxes.items() if n in boxes)
