"""What is written of a shard, read by others."""

import json

import pytest
import tensorflow as tf

parquet = pytest.importorskip("pyarrow.parquet", reason="comes with Beam")
import pyarrow

from trainers.bulk.rows import ParsedShard, Row, failed_row
from trainers.bulk.shard_files import FORMATS, dead_letters, mask_names

NAMES = ("background", "skin", "hair")
BOXES = ((0, 0, 4, 3), (1, 1, 3, 2), None)
ROWS = (
    Row("/photos/a.jpg", 3, 4, b"png", (9, 3, 0), BOXES),
    failed_row("/photos/b.jpg", "it is empty"),
    Row("/more/a.jpg", 1, 1, b"black", (1, 0, 0), ((0, 0, 1, 1), None, None)),
)
SHARD = ParsedShard("00000-of-00002", NAMES, ROWS)


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_rows_give_the_same_bytes(name):
    encode = FORMATS[name].encode
    assert encode(SHARD) == encode(SHARD)
    empty = ParsedShard("s", NAMES, ROWS[1:2])
    assert 0 < len(encode(empty)) < len(encode(SHARD))


def test_parquet():
    table = parquet.read_table(pyarrow.BufferReader(FORMATS["parquet"].encode(SHARD)))
    first, bad, _ = table.to_pylist()
    assert first == {
        "name": "/photos/a.jpg",
        "height": 3,
        "width": 4,
        "mask": b"png",
        "areas": {"background": 9, "skin": 3, "hair": 0},
        "boxes": {"background": [0, 0, 4, 3], "skin": [1, 1, 3, 2], "hair": None},
        "error": None,
    }
    assert bad["error"] == "it is empty"
    assert bad["mask"] is bad["areas"] is bad["boxes"] is None


def test_tfrecord(tmp_path):
    file = tmp_path / "shard"
    file.write_bytes(FORMATS["tfrecord"].encode(SHARD))
    features = {
        "name": tf.io.FixedLenFeature((), tf.string),
        "mask": tf.io.FixedLenFeature((), tf.string),
        "error": tf.io.FixedLenFeature((), tf.string),
        "height": tf.io.FixedLenFeature((), tf.int64),
        "area/skin": tf.io.FixedLenFeature((), tf.int64, -1),
        "box/skin": tf.io.VarLenFeature(tf.int64),
        "box/hair": tf.io.VarLenFeature(tf.int64),
    }
    records = tf.data.TFRecordDataset([str(file)])
    first, bad, last = [tf.io.parse_single_example(r, features) for r in records]
    assert first["name"] == b"/photos/a.jpg" and first["mask"] == b"png"
    assert first["height"] == 3 and first["area/skin"] == 3 and first["error"] == b""
    assert first["box/skin"].values.numpy().tolist() == [1, 1, 3, 2]
    assert first["box/hair"].values.shape == (0,)
    assert bad["error"] == b"it is empty" and bad["area/skin"] == -1
    assert last["area/skin"] == 0


def test_index_of_mask_files():
    lines = FORMATS["png"].encode(SHARD).decode().splitlines()
    first, bad, last = map(json.loads, lines)
    assert mask_names(ROWS) == ["photos_a.jpg_mask.png", None, "more_a.jpg_mask.png"]
    assert first["mask"] == "masks/00000-of-00002/photos_a.jpg_mask.png"
    assert first["areas"] == {"background": 9, "skin": 3, "hair": 0}
    assert first["boxes"] == {"background": [0, 0, 4, 3], "skin": [1, 1, 3, 2]}
    assert bad["mask"] is None and bad["error"] == "it is empty"
    assert last["mask"].endswith("more_a.jpg_mask.png") and last["error"] is None


def test_dead_letters():
    (line,) = dead_letters(ROWS).splitlines()
    assert json.loads(line) == {"name": "/photos/b.jpg", "error": "it is empty"}
    assert dead_letters(ROWS[:1]) == b""
