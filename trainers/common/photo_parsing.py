"""Parses photos for `face-parse`: files in, masks and overlays out.

While some photos are parsed, the next ones are read and the last ones written, in other
threads: decoding and packing of pictures let Python run.
"""

import collections
import concurrent.futures
import dataclasses
import itertools
import pathlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

from stn_icnn_tf.parsed_face import ParsedFace
from stn_icnn_tf.photos import read_photo
from trainers.common.effect_flags import NO_EFFECTS, Effects
from trainers.common.photos import existing_output, output_stems
from trainers.common.records import face_record

Item = TypeVar("Item")
Result = TypeVar("Result")

WriteLine = Callable[[dict[str, Any]], None]

# How many photos are parsed together, at most, and how many pixels they have before no
# other is added: each is held until it is written.
_TOGETHER, _PIXELS = 8, 2**21
# How many such groups are read ahead, and how many photos written behind, at most.
_AHEAD, _BEHIND = 1, 2


@dataclasses.dataclass
class _Job:
    """A photo on its way.

    Attributes:
        path: of the photo.
        stem: of what is written.
        photo: its pixels, once read.
        face: once parsed.
        error: why it was not parsed, or its result not written.
        rows: of the CSV file, see `Effects.rows`.
        record: what is said of it, see `face_record`.
    """

    path: pathlib.Path
    stem: str
    photo: np.ndarray | None = None
    face: ParsedFace | None = None
    error: str | None = None
    rows: list[tuple[Any, ...]] = dataclasses.field(default_factory=list)
    record: dict[str, Any] = dataclasses.field(default_factory=dict)


def parse_photos(
    parse: Callable[[list[np.ndarray]], Sequence[Any]],
    photos: list[pathlib.Path],
    output: pathlib.Path | None,
    effects: Effects = NO_EFFECTS,
    overwrite: bool = False,
    write_line: WriteLine | None = None,
    read: Callable[[pathlib.Path], np.ndarray] = read_photo,
) -> list[tuple[pathlib.Path, str]]:
    """Parses photos, some at a time; says which have no face.

    Args:
        parse: a `FaceParser`.
        photos: their files.
        output: folder for the masks and overlays; None: no pictures are written.
        effects: what else is written.
        overwrite: whether to replace files that are there already.
        write_line: takes what is said of each photo, see `face_record`; of one that
            was not parsed the reason, as `error`; None: nothing is measured.
        read: what reads a file.

    Returns:
        the files that were not parsed, or whose result could not be written, with the
        reason. An error of the model is none of theirs: it is raised.
    """
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)

    jobs = (_Job(*names) for names in zip(photos, output_stems(photos), strict=True))

    def read_one(job: _Job) -> None:
        if output is not None and not overwrite:
            job.error = existing_output(output, job.stem, effects.endings)
        # One bad file must not cost the others.
        try:
            job.photo = None if job.error else read(job.path)
        except OSError as error:
            job.error = str(error)

    def read_some(_: Any) -> list[_Job]:
        some, pixels = [], 0
        for job in itertools.islice(jobs, _TOGETHER):
            read_one(job)
            some.append(job)
            pixels += 0 if job.photo is None else job.photo[..., 0].size
            if pixels >= _PIXELS:
                break
        return some

    def parse_some(some: list[_Job]) -> list[_Job]:
        read = [job for job in some if job.photo is not None]
        photos = [job.photo for job in some if job.photo is not None]
        faces = parse(photos) if photos else []
        for job, face in zip(read, faces, strict=True):
            job.face, job.photo = face, None
        return some

    def write_one(job: _Job) -> _Job:
        if job.face is not None:
            try:
                if output is not None:
                    job.face.save(output, job.stem)
                    effects.save(job.face, output, job.stem)
                job.rows = effects.rows(job.face, job.path)
                if write_line is not None:
                    job.record = face_record(job.face)
            except OSError as error:
                job.error = f"cannot be written: {error}"
        return job

    failed, rows = [], []
    with (
        # One group is read after the other, for all are taken from the same jobs.
        concurrent.futures.ThreadPoolExecutor(1) as reader,
        concurrent.futures.ThreadPoolExecutor() as pool,
    ):
        groups = in_order(reader, read_some, itertools.repeat(None), _AHEAD)
        parsed = map(parse_some, itertools.takewhile(bool, groups))
        each = itertools.chain.from_iterable(parsed)
        done = in_order(pool, write_one, each, _BEHIND)
        for job in tqdm(done, unit=" photos", total=len(photos)):
            if job.face is not None and not job.face.faces:
                print(f"{job.path}: no face found", file=sys.stderr)
            if job.error is not None:
                failed.append((job.path, job.error))
                print(f"{job.path}: not parsed: {job.error}", file=sys.stderr)
                job.rows, job.record = [], {"error": job.error}
            rows += job.rows
            if write_line is not None:
                write_line({"photo": str(job.path), **job.record})
    effects.write_regions(rows)
    return failed


def in_order(
    pool: concurrent.futures.Executor,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    ahead: int,
) -> Iterator[Result]:
    """Runs a function in other threads, ahead of who takes its results.

    Args:
        pool: runs it.
        function: of an item.
        items: are taken one by one, in the thread of who takes the results.
        ahead: how many results there may be that nobody has taken yet.

    Yields:
        the results in the order of the items.
    """
    waiting: collections.deque[concurrent.futures.Future] = collections.deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
