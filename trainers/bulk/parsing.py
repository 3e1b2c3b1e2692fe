"""Parsing the photos of a shard: by size, a batch at a time."""

import pathlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from apache_beam.metrics import Metrics
from apache_beam.ml.inference.base import ModelHandler

from stn_icnn_tf.face_parser import FaceParser, batches_by_size
from stn_icnn_tf.photos import open_picture, orientation, read_photo
from trainers.bulk import storage
from trainers.bulk.plan import Plan
from trainers.bulk.rows import ParsedShard, Row, failed_row, parsed_row

NAMESPACE = "parse_many"

# A path, and the content of its file, or why it could not be read.
ReadPhoto = tuple[str, bytes | OSError]

# Bytes of photos, as they are stored, that are held at once.
_MOST_BYTES = 2**26


def parse_photos(
    parser: FaceParser,
    photos: Sequence[str],
    read: Callable[[str], bytes] = storage.read,
) -> list[Row]:
    """Parses photos; those of one size go through the networks together.

    Which photos are in a batch depends on the list alone, so that the masks do.

    Args:
        parser: takes a list of photos, and has the `class_set`.
        photos: their paths.
        read: gives the content of a file, or raises an OSError.

    Returns:
        a row a photo, in their order. An error of the model is none of theirs: it is
        raised, unless a photo alone is too large for the memory.
    """
    rows: list[Row] = []
    for part in _parts(photos, read):
        rows.extend(_parse_part(parser, part))
    return rows


def _parts(
    photos: Sequence[str], read: Callable[[str], bytes]
) -> Iterator[list[ReadPhoto]]:
    """Reads files, some at a time."""
    part: list[ReadPhoto] = []
    held = 0
    for path in photos:
        try:
            content = read(path)
            held += len(content)
            part.append((path, content))
        except OSError as error:
            part.append((path, error))
        if held >= _MOST_BYTES:
            yield part
            part, held = [], 0
    if part:
        yield part


def _parse_part(parser: FaceParser, part: list[ReadPhoto]) -> list[Row]:
    rows: dict[int, Row] = {}
    contents: dict[int, bytes] = {}
    sizes: dict[int, tuple[int, int]] = {}

    def fail(index: int, error: Exception) -> None:
        rows[index] = failed_row(part[index][0], str(error))

    for index, (_, content) in enumerate(part):
        if isinstance(content, OSError):
            fail(index, content)
            continue
        try:
            contents[index], sizes[index] = content, _size(content)
        except OSError as error:
            fail(index, error)
    known = list(sizes)
    for batch in batches_by_size(list(sizes.values())):
        decoded: dict[int, np.ndarray] = {}
        for place in batch:
            index = known[place]
            try:
                decoded[index] = read_photo(contents[index])
            # Of what is no photo once it is decoded: a ValueError.
            except (OSError, ValueError) as error:
                fail(index, error)
        for index, mask in _masks(parser, decoded, fail):
            rows[index] = parsed_row(part[index][0], mask, parser.class_set)
    return [rows[index] for index in range(len(part))]


def _size(content: bytes) -> tuple[int, int]:
    """Reads the height and width of a photo that stands upright."""
    with open_picture(content) as picture:
        width, height = picture.size
        return (width, height) if orientation(picture) > 4 else (height, width)


def _masks(
    parser: FaceParser,
    photos: dict[int, np.ndarray],
    fail: Callable[[int, Exception], None],
) -> Iterable[tuple[int, np.ndarray]]:
    if not photos:
        return []
    try:
        faces = parser(list(photos.values()))
        return [(index, face.mask) for index, face in zip(photos, faces, strict=True)]
    except tf.errors.ResourceExhaustedError as error:
        if len(photos) == 1:
            (index,) = photos
            fail(index, MemoryError(f"it is too large for the memory: {error.message}"))
            return []
    singles = ({index: photo} for index, photo in photos.items())
    return [pair for single in singles for pair in _masks(parser, single, fail)]


class ShardParser(ModelHandler[str, ParsedShard, FaceParser]):
    """What Beam's `RunInference` does with lists of names of shards.

    It loads the model once a worker process, whose threads share it.

    Args:
        plan: the run.
        threads: of TensorFlow, a worker process; 0: as many as there are cores.
    """

    def __init__(self, plan: Plan, threads: int = 0) -> None:
        super().__init__()
        self._plan, self._threads = plan, threads

    def load_model(self) -> FaceParser:
        """Loads the model that lies in the plan."""
        if self._threads:
            limit_threads(self._threads)
        settings = self._plan.settings
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "model.keras"
            file.write_bytes(storage.read(self._plan.model))
            return FaceParser(
                file, settings.find_faces, settings.detect_faces, settings.precision
            )

    def run_inference(
        self,
        batch: Sequence[str],
        model: FaceParser,
        inference_args: dict[str, Any] | None = None,
    ) -> Iterable[ParsedShard]:
        """Parses shards."""
        for shard in batch:
            rows = parse_photos(model, self._plan.photos_of(shard))
            _count("photos", len(rows))
            failed = sum(row.error is not None for row in rows)
            _count("photos_failed", failed)
            _count("photos_without_face", sum(not r.has_face for r in rows) - failed)
            _count("mask_bytes", sum(len(row.mask) for row in rows))
            yield ParsedShard(shard, tuple(model.class_set.names), rows)

    def should_skip_batching(self) -> bool:
        """Has Beam not batch shards: their photos are batched here."""
        return True

    def get_metrics_namespace(self) -> str:
        """Names the counters."""
        return NAMESPACE


def _count(name: str, value: int) -> None:
    Metrics.counter(NAMESPACE, name).inc(value)


def limit_threads(threads: int) -> None:
    """Limits TensorFlow's threads, unless it is at work in this process already."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:
        # So it is in a runner without worker processes.
        return
