"""Is every broken, odd and hostile photo parsed rightly, or named?

  python -m benchmarks.fuzz --count=600

Files are made from a seed (`benchmarks.fuzz_files`) and go through all that reads
photos: FaceParser, predict, what request sends, serving_bytes, the builders, labelled
folders. Right is what Pillow itself makes of a file in 8 bits; of predict, the mask and
the overlay of that. The script exits 1 if a photo is parsed wrongly, an error is none
that names a bad file, a file takes more than 30 seconds, or the process more memory
than --most_memory, which it cannot get either.
"""

import collections
import contextlib
import faulthandler
import io
import pathlib
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from absl import app, flags

from benchmarks.fuzz_files import make_files
from benchmarks.fuzz_readers import Named, Reader, make_readers
from trainers.common.flags import refuse_arguments

FLAGS = flags.FLAGS

MOST_SECONDS = 30.0


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    flags.DEFINE_integer("count", 600, "Files, at least.", 1)
    flags.DEFINE_integer("seed", 0, "Of the damage.")
    flags.DEFINE_float("most_memory", 4.0, "GiB that all may take.", 1.0)


def judge(reader: Reader, path: pathlib.Path, content: bytes) -> str:
    """Has a file read.

    Returns:
        `right`, `named`, or what is wrong.
    """
    try:
        pixels = reader.read(path)
    except Named as error:
        return "named" if str(error) else "WRONG: no reason"
    except Exception as error:
        return f"WRONG: {type(error).__name__}: {str(error)[:200]}"
    expected = reader.expect(content)
    if expected is None:
        return "WRONG: Pillow cannot read it"
    if expected.shape != pixels.shape:
        return f"WRONG: {pixels.shape} and not {expected.shape}"
    off = np.abs(pixels.astype("int32") - expected).max()
    if off > reader.rounding:
        return f"WRONG: pixels differ by {off}"
    return "right"


def peak_memory() -> float:
    """Returns the GiB that the process has taken at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def fuzz(
    corpus: Iterable[tuple[str, bytes]], folder: pathlib.Path
) -> tuple[dict[str, collections.Counter], list[str], float]:
    """Has files read by everything that reads photos.

    Args:
        corpus: name and content of each file.
        folder: is written to.

    Returns:
        reader -> how many files were `right`, `named` or `WRONG`; a line for each that
        is wrong, or slow; the seconds of the slowest.
    """
    readers = make_readers(folder)
    counts: dict[str, Any] = {name: collections.Counter() for name in readers}
    wrong, slowest = [], 0.0
    for file_name, content in corpus:
        path = folder / file_name
        path.write_bytes(content)
        for name, reader in readers.items():
            start = time.perf_counter()
            faulthandler.dump_traceback_later(20 * MOST_SECONDS, exit=True)
            said = io.StringIO()  # Bars, and what is named.
            with warnings.catch_warnings(), contextlib.redirect_stderr(said):
                warnings.simplefilter("ignore")  # Of Pillow, on the damage.
                verdict = judge(reader, path, content)
            seconds = time.perf_counter() - start
            slowest = max(slowest, seconds)
            counts[name][verdict.partition(":")[0]] += 1
            if verdict.startswith("WRONG"):
                wrong.append(f"{file_name}, {name}: {verdict}")
            if seconds > MOST_SECONDS:
                wrong.append(f"{file_name}, {name}: WRONG: {seconds:.0f} seconds")
        path.unlink()
    faulthandler.cancel_dump_traceback_later()
    return counts, wrong, slowest


def main(argv: list[str]) -> None:
    """Runs the script; exits 1 if anything is wrong."""
    refuse_arguments(argv)
    start = time.perf_counter()
    # What is allocated, and not what is only reserved, as TensorFlow does.
    limit = int(FLAGS.most_memory * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    with tempfile.TemporaryDirectory() as folder:
        corpus = make_files(FLAGS.count, FLAGS.seed)
        counts, wrong, slowest = fuzz(corpus, pathlib.Path(folder))
    print(f"{'':18}{'right':>8}{'named':>8}{'wrong':>8}")
    for name, count in counts.items():
        print(f"{name:18}{count['right']:8}{count['named']:8}{count['WRONG']:8}")
    print(
        f"{sum(count.total() for count in counts.values())} readings in "
        f"{time.perf_counter() - start:.0f} s, the slowest {slowest:.1f} s; "
        f"peak memory {peak_memory():.2f} GiB"
    )
    if peak_memory() > FLAGS.most_memory:
        wrong.append(f"memory: {peak_memory():.2f} GiB")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    define_flags()
    app.run(main)
