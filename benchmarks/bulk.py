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
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import psutil
from absl import app, flags

from stn_icnn_tf.face_parser import FaceParser, batches_by_size
from stn_icnn_tf.inference.fused import PRECISIONS
from stn_icnn_tf.photos import read_photo
from trainers.bulk import storage
from trainers.bulk.parsing import limit_threads, parse_photos
from trainers.bulk.rows import ParsedShard
from trainers.bulk.shard_files import FORMATS
from trainers.common.paths import define_path, output_file
from trainers.common.photos import list_photos

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags."""
    define_path("model", "head", "Shipped model, run folder, or .keras file.")
    define_path("input", None, "Folder of photos, which are repeated.")
    define_path("output", None, "JSON file of the record.")
    flags.DEFINE_list("counts", ["1000"], "Photos of the script's runs.")
    flags.DEFINE_integer("photos", 40, "Of the rounds of bare model and worker.")
    flags.DEFINE_integer("rounds", 5, "Of bare model and worker, in turn; 0: none.")
    flags.DEFINE_integer("workers", os.cpu_count() or 1, "Of the script.")
    flags.DEFINE_integer("shard_size", 500, "Of the script.")
    flags.DEFINE_string("format", "parquet", "Of the script.")
    flags.DEFINE_bool("find_faces", True, "Of both.")
    flags.DEFINE_enum("precision", "float32", PRECISIONS, "Of both.")
    flags.mark_flags_as_required(["input", "output"])


def in_turn(
    photos: list[pathlib.Path],
    model: str,
    find_faces: bool,
    precision: str,
    rounds: int,
) -> list[dict[str, float]]:
    """Times the bare model and what a worker does, on the same photos, in turn.

    The bare model gets photos that are decoded and gives arrays. A worker reads files,
    decodes, parses, measures and encodes masks, and writes a shard. Both have a core.

    Returns:
        `bare`, `worker`, in seconds, and `bare_processor`, `worker_processor`, in
        seconds of a core, a photo, of each round.
    """
    limit_threads(1)
    parser = FaceParser(model, find_faces, precision=precision)
    paths, arrays = [str(photo) for photo in photos], list(map(read_photo, photos))
    batches = list(batches_by_size([array.shape[:2] for array in arrays]))
    found = []
    with tempfile.TemporaryDirectory() as folder:

        def bare() -> None:
            for batch in batches:
                parser([arrays[index] for index in batch])

        def worker() -> None:
            rows = parse_photos(parser, paths)
            shard = ParsedShard("shard", parser.class_set.names, rows)
            content = FORMATS["parquet"].encode(shard)
            storage.write_whole(content, str(pathlib.Path(folder) / "shard"))

        bare()  # Compiles.
        for _ in range(rounds):
            times = {}
            for name, work in (("bare", bare), ("worker", worker)):
                start, processor = time.perf_counter(), time.process_time()
                work()
                times[name] = (time.perf_counter() - start) / len(photos)
                processor = time.process_time() - processor
                times[f"{name}_processor"] = processor / len(photos)
            found.append(times)
    return found


class Watch:
    """Reads processor time and memory of a process and of those that it starts.

    Args:
        pid: of the process.
        shards: where its shards appear.

    Attributes:
        processor: seconds a process.
        memory: the most bytes a process.
        samples: when a shard appeared: how many there are, seconds since the start,
            seconds of a core, and the bytes of the largest worker by then.
    """

    def __init__(self, pid: int, shards: pathlib.Path) -> None:
        self._root, self._over = psutil.Process(pid), threading.Event()
        self._shards, self._start = shards, time.perf_counter()
        self.processor: dict[int, float] = {}
        self.memory: dict[int, int] = {}
        self.samples: list[tuple[int, float, float, int]] = []
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            with contextlib.suppress(psutil.Error):
                for process in [self._root, *self._root.children(recursive=True)]:
                    self._read(process)
            count = len(list(self._shards.glob("[!.]*")))
            if count and count != (self.samples and self.samples[-1][0]):
                workers = [v for p, v in self.memory.items() if p != self._root.pid]
                passed = time.perf_counter() - self._start
                spent = sum(self.processor.values())
                self.samples.append((count, passed, spent, max(workers, default=0)))

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


def script(photos: pathlib.Path, count: int, output: pathlib.Path) -> dict[str, Any]:
    """Times a run of the script."""
    command = [sys.executable, "-m", "trainers.parse_many"]
    names = ("model", "workers", "shard_size", "format", "precision")
    command += [f"--{name}={FLAGS[name].value}" for name in names]
    command += [f"--input={photos}", f"--output={output}"]
    command += [f"--{'' if FLAGS.find_faces else 'no'}find_faces"]
    start = time.perf_counter()
    with open(output.with_suffix(".log"), "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        watch = Watch(process.pid, output / "shards")
        code = process.wait()
    watch.end()
    if code:
        raise RuntimeError(output.with_suffix(".log").read_text()[-2000:])
    return {
        "photos": count,
        "seconds": time.perf_counter() - start,
        "processor_seconds": sum(watch.processor.values()),
        "driver_bytes": watch.memory[process.pid],
        "worker_bytes": watch.samples[-1][3],
        "shard_bytes": sum(file.stat().st_size for file in output.glob("shards/*")),
        "samples": watch.samples,
    }


@contextlib.contextmanager
def repeated(photos: list[pathlib.Path], count: int) -> Iterator[pathlib.Path]:
    """Makes a folder of so many links to photos."""
    with tempfile.TemporaryDirectory() as folder:
        for index, photo in zip(range(count), itertools.cycle(photos)):
            link = pathlib.Path(folder) / f"{index:07d}{photo.suffix}"
            link.symlink_to(photo.resolve())
        yield pathlib.Path(folder)


def print_rounds(rounds: list[dict[str, float]]) -> None:
    """Prints the medians of `in_turn`."""
    for name in rounds[0]:
        value = statistics.median(times[name] for times in rounds)
        print(f"{name}: {value * 1000:.1f} ms a photo")
    for kind in ("", "_processor"):
        ratios = [times[f"bare{kind}"] / times[f"worker{kind}"] for times in rounds]
        print(f"throughput, of the bare model's{kind}: {statistics.median(ratios):.3f}")


def main(argv: list[str]) -> None:
    """Runs the script."""
    del argv
    record = output_file(FLAGS.output)
    photos = list_photos(pathlib.Path(FLAGS.input))
    values = FLAGS.model, FLAGS.find_faces, FLAGS.precision, FLAGS.rounds
    rounds = []
    if FLAGS.rounds:
        # In a process of its own, whose memory is free again for the script.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            rounds = pool.submit(in_turn, photos[: FLAGS.photos], *values).result()
        print_rounds(rounds)
    runs = []
    for count in map(int, FLAGS.counts):
        with repeated(photos, count) as folder, tempfile.TemporaryDirectory() as output:
            runs.append(script(folder, count, pathlib.Path(output) / "out"))
        line = {name: value for name, value in runs[-1].items() if name != "samples"}
        print(" ".join(f"{name}={value:.6g}" for name, value in line.items()))
    record.write_text(json.dumps({"in_turn": rounds, "runs": runs}, indent=1))


if __name__ == "__main__":
    define_flags()
    app.run(main)
