"""Measures `trainers.parse_many` against the bare model: time, processor time, memory.

Each round parses photos by `FaceParser` from arrays, batched, in one process, and by
the script, its start included; then it draws a table over the numbers of photos. Where
other processes share the cores, processor time says more than time.

  python -m benchmarks.bulk --input=PHOTOS --counts=1000,5000,20000 --output=bulk.json
"""

import contextlib
import itertools
import json
import multiprocessing
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import psutil
from absl import app, flags

from stn_icnn_tf.face_parser import FaceParser, batches_by_size
from stn_icnn_tf.inference.fused import PRECISIONS
from stn_icnn_tf.photos import read_photo
from trainers.common.paths import define_path, output_file
from trainers.common.photos import list_photos

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags."""
    define_path("model", "head", "Shipped model, run folder, or .keras file.")
    define_path("input", None, "Folder of photos, which are repeated.")
    define_path("output", None, "JSON file of the record.")
    flags.DEFINE_list("counts", ["1000"], "Photos of the script's runs.")
    flags.DEFINE_integer("bare", 200, "Photos of the bare model's rounds.")
    flags.DEFINE_integer("workers", os.cpu_count() or 1, "Of the script.")
    flags.DEFINE_integer("shard_size", 500, "Of the script.")
    flags.DEFINE_string("format", "parquet", "Of the script.")
    flags.DEFINE_bool("find_faces", True, "Of both.")
    flags.DEFINE_enum("precision", "float32", PRECISIONS, "Of both.")
    flags.mark_flags_as_required(["input", "output"])


def bare_model(
    photos: list[pathlib.Path], model: str, find_faces: bool, precision: str
) -> dict[str, float]:
    """Times the parser alone: photos are decoded before, masks stay arrays."""
    parser = FaceParser(model, find_faces, precision=precision)
    arrays = [read_photo(photo) for photo in photos]
    batches = list(batches_by_size([array.shape[:2] for array in arrays]))
    # Compiles all that may be needed.
    parser([*arrays[:16], np.zeros((64, 64, 3), "uint8")])
    start, processor = time.perf_counter(), time.process_time()
    for batch in batches:
        parser([arrays[index] for index in batch])
    return {
        "photos": len(arrays),
        "seconds": time.perf_counter() - start,
        "processor_seconds": time.process_time() - processor,
    }


class Watch:
    """Reads processor time and memory of a process and of those that it starts."""

    def __init__(self, pid: int) -> None:
        self._root, self._over = psutil.Process(pid), threading.Event()
        self.processor: dict[int, float] = {}
        self.memory: dict[int, int] = {}
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            with contextlib.suppress(psutil.Error):
                for process in [self._root, *self._root.children(recursive=True)]:
                    self._read(process)

    def _read(self, process: psutil.Process) -> None:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            self.processor[process.pid] = times.user + times.system
            resident = process.memory_info().rss
            before = self.memory.get(process.pid, 0)
            self.memory[process.pid] = max(resident, before)

    def end(self) -> None:
        """Stops reading."""
        self._over.set()
        self._thread.join()


def script(photos: pathlib.Path, count: int, output: pathlib.Path) -> dict[str, float]:
    """Times a run of the script."""
    command = [sys.executable, "-m", "trainers.parse_many"]
    names = ("model", "workers", "shard_size", "format", "precision")
    command += [f"--{name}={FLAGS[name].value}" for name in names]
    command += [f"--input={photos}", f"--output={output}"]
    command += [f"--{'' if FLAGS.find_faces else 'no'}find_faces"]
    start = time.perf_counter()
    with open(output.with_suffix(".log"), "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        watch = Watch(process.pid)
        code = process.wait()
    watch.end()
    if code:
        raise RuntimeError(output.with_suffix(".log").read_text()[-2000:])
    shards = sorted(output.glob("shards/*"), key=lambda path: path.stat().st_mtime)
    first, last = shards[0].stat().st_mtime, shards[-1].stat().st_mtime
    # The process itself, and its workers: shells and the like are small.
    own, *workers = (v for v in watch.memory.values() if v > 100e6)
    return {
        "photos": count,
        "seconds": time.perf_counter() - start,
        "processor_seconds": sum(watch.processor.values()),
        "seconds_between_first_and_last_shard": last - first,
        "driver_bytes": own,
        "worker_bytes": max(workers, default=0),
        "shards": len(shards),
        "output_bytes": sum(f.stat().st_size for f in output.rglob("*.*")),
    }


@contextlib.contextmanager
def repeated(photos: list[pathlib.Path], count: int) -> Iterator[pathlib.Path]:
    """Makes a folder of so many links to photos."""
    with tempfile.TemporaryDirectory() as folder:
        for index, photo in zip(range(count), itertools.cycle(photos)):
            link = pathlib.Path(folder) / f"{index:07d}{photo.suffix}"
            link.symlink_to(photo.resolve())
        yield pathlib.Path(folder)


def main(argv: list[str]) -> None:
    """Runs the script."""
    del argv
    record = output_file(FLAGS.output)
    photos = list_photos(pathlib.Path(FLAGS.input))
    bare = list(itertools.islice(itertools.cycle(photos), FLAGS.bare))
    rounds = []
    for count in map(int, FLAGS.counts):
        # In a process of its own, whose memory is free again for the script.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            values = FLAGS.model, FLAGS.find_faces, FLAGS.precision
            model = pool.submit(bare_model, bare, *values).result()
        with repeated(photos, count) as folder, tempfile.TemporaryDirectory() as output:
            run = script(folder, count, pathlib.Path(output) / "out")
        rounds.append({"model": model, "script": run})
        record.write_text(json.dumps(rounds, indent=1))
        line = [f"{count:,}"]
        for part in (model, run):
            line.append(f"{part['seconds'] / part['photos'] * 1000:.1f}")
            line.append(f"{part['processor_seconds'] / part['photos'] * 1000:.1f}")
        print(f"| {' | '.join(line)} |", flush=True)


if __name__ == "__main__":
    define_flags()
    app.run(main)
