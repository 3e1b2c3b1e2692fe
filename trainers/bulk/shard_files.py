"""The files of a shard: the same rows give the same bytes."""

import dataclasses
import io
import json
import pathlib
import tempfile
from collections.abc import Callable, Sequence

import tensorflow as tf

from trainers.bulk.rows import ParsedShard, Row
from trainers.common.photos import output_stems


def dead_letters(rows: Sequence[Row]) -> bytes:
    """Gives a line of JSON a photo that could not be parsed, with the reason."""
    failed = [row for row in rows if row.error is not None]
    lines = [json.dumps({"name": row.name, "error": row.error}) for row in failed]
    return "".join(f"{line}\n" for line in lines).encode()


def _index(shard: ParsedShard) -> bytes:
    """A line of JSON a photo; the masks are files of their own."""
    lines = []
    for row, mask in zip(shard.rows, mask_names(shard.rows)):
        names = shard.class_names if row.error is None else ()
        line = {
            "name": row.name,
            "height": row.height,
            "width": row.width,
            "mask": mask and f"masks/{shard.name}/{mask}",
            "areas": dict(zip(names, row.areas)),
            "boxes": {n: box for n, box in zip(names, row.boxes) if box is not None},
            "error": row.error,
        }
        lines.append(json.dumps(line) + "\n")
    return "".join(lines).encode()


def _tfrecord(shard: ParsedShard) -> bytes:
    """A `tf.train.Example` a photo."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "records"
        with tf.io.TFRecordWriter(str(file)) as writer:
            for row in shard.rows:
                example = _example(row, shard.class_names)
                writer.write(example.SerializeToString(deterministic=True))
        return file.read_bytes()


def _example(row: Row, class_names: Sequence[str]) -> tf.train.Example:
    def texts(*values: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    def numbers(*values: int) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    features = {
        "name": texts(row.name.encode()),
        "height": numbers(row.height),
        "width": numbers(row.width),
        "mask": texts(row.mask),
        "error": texts((row.error or "").encode()),
    }
    for name, area, box in zip(class_names, row.areas, row.boxes):
        features[f"area/{name}"] = numbers(area)
        features[f"box/{name}"] = numbers(*(box or ()))
    return tf.train.Example(features=tf.train.Features(feature=features))


def _parquet(shard: ParsedShard) -> bytes:
    """A table with a row a photo; `areas` and `boxes` have a field a class."""
    # They come with Beam.
    import pyarrow as pa
    from pyarrow import parquet

    names = shard.class_names
    schema = pa.schema(
        {
            "name": pa.string(),
            "height": pa.int32(),
            "width": pa.int32(),
            "mask": pa.binary(),
            "areas": pa.struct({name: pa.int64() for name in names}),
            "boxes": pa.struct({name: pa.list_(pa.int32()) for name in names}),
            "error": pa.string(),
        }
    )
    records = []
    for row in shard.rows:
        parsed = row.error is None
        records.append(
            {
                **dataclasses.asdict(row),
                "mask": row.mask if parsed else None,
                "areas": dict(zip(names, row.areas)) if parsed else None,
                "boxes": dict(zip(names, row.boxes)) if parsed else None,
            }
        )
    content = io.BytesIO()
    table = pa.Table.from_pylist(records, schema)
    # PNG is compressed already.
    parquet.write_table(table, content, compression="zstd")
    return content.getvalue()


@dataclasses.dataclass(frozen=True)
class Format:
    """How a shard is written.

    Attributes:
        suffix: of its file.
        encode: gives the file's content.
        has_mask_files: whether the masks are files of their own.
    """

    suffix: str
    encode: Callable[[ParsedShard], bytes]
    has_mask_files: bool = False


FORMATS = {
    "png": Format("jsonl", _index, has_mask_files=True),
    "tfrecord": Format("tfrecord", _tfrecord),
    "parquet": Format("parquet", _parquet),
}


def mask_names(rows: Sequence[Row]) -> list[str | None]:
    """Names the mask file of each photo of a shard; None where there is none."""
    stems = output_stems([pathlib.Path(row.name) for row in rows])
    return [
        f"{stem}_mask.png" if row.error is None else None
        for row, stem in zip(rows, stems)
    ]
