"""How long is a photo's whole way, from its file to its mask's, and the first one's?

For each engine of `FaceParser`, and each precision: a process from its start to the
first mask, in seconds and processor seconds, and its peak memory, of a photo as it is
and of 12 megapixels; then, in turn, the rate at which decoded photos are parsed one by
one, and at which `face-parse` reads, parses and writes the same ones.

  python -m benchmarks.whole_way --input=PHOTOS --output=whole_way.json
"""

import contextlib
import io
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from absl import app, flags
from PIL import Image

from stn_icnn_tf.face_parser import FaceParser
from stn_icnn_tf.photos import read_photo
from trainers.common.charts import write_record
from trainers.common.flags import refuse_arguments, usage_errors
from trainers.common.markdown import markdown_table
from trainers.common.paths import define_path, output_file
from trainers.common.photo_parsing import parse_photos
from trainers.common.photos import list_photos
from trainers.common.timing import machine

FLAGS = flags.FLAGS

# Width and height of a large photo.
LARGE = (4000, 3000)

_FIRST_MASK = """
from stn_icnn_tf import FaceParser
FaceParser({model!r}, engine={engine!r}, precision={precision!r})({photo!r})
"""

# What is measured: engine and precision.
WAYS = {
    "tensorflow": ("tensorflow", "float32"),
    "tensorflow_bfloat16": ("tensorflow", "bfloat16"),
    "onnx": ("onnx", "float32"),
    "onnx_int8": ("onnx", "int8"),
}

_MEASURED = """
import json, os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
seconds = time.perf_counter() - start
busy = used.ru_utime + used.ru_stime
# On Linux it is in kilobytes.
peak = used.ru_maxrss / (1e3 if sys.platform == "linux" else 1e6)
print(json.dumps({"seconds": seconds, "processor_seconds": busy, "peak_mb": peak}))
sys.exit(bool(status))
"""


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_path("model", "head", "Shipped model, run folder, or .keras file.")
    define_path("input", None, "Folder of photos, which are repeated.")
    define_path("output", None, "JSON file of the record.")
    flags.DEFINE_multi_enum("way", tuple(WAYS), tuple(WAYS), "May be repeated.")
    flags.DEFINE_integer("count", 200, "Photos of a round of the whole way.", 1)
    flags.DEFINE_integer("rounds", 3, "That count, of each measurement.", 1)
    flags.mark_flags_as_required(["input", "output"])


def run_process(arguments: list[str]) -> dict[str, float]:
    """Runs Python: `seconds`, `processor_seconds`, `peak_mb`; Unix alone.

    Raises:
        RuntimeError: if it fails.
    """
    # Started by a small process: the peak of a child is at least its parent's memory.
    command = [sys.executable, "-c", _MEASURED, sys.executable, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode:
        raise RuntimeError(f"{arguments} failed: {ran.stderr}")
    return json.loads(ran.stdout)


def measure_starts(
    photo: pathlib.Path, model: str, way: str, rounds: int
) -> dict[str, dict[str, float]]:
    """Measures processes that parse one photo: medians, after one that does not count.

    Returns:
        `parser`, `face_parse` and `large` -> what `run_process` gives.
    """
    engine, precision = WAYS[way]
    with tempfile.TemporaryDirectory() as folder:
        large = pathlib.Path(folder) / "large.jpg"
        with Image.open(photo) as picture:
            picture.convert("RGB").resize(LARGE).save(large, quality=90)

        def script(path: pathlib.Path) -> list[str]:
            names = {"engine": engine, "precision": precision, "photo": str(path)}
            return ["-c", _FIRST_MASK.format(model=model, **names)]

        command = ["-m", "trainers.predict", str(photo), f"--model={model}"]
        command += [f"--engine={engine}", f"--precision={precision}"]
        command += [f"--output={folder}/masks", "--overwrite"]
        cases = {"parser": script(photo), "face_parse": command, "large": script(large)}
        runs = [
            {name: run_process(arguments) for name, arguments in cases.items()}
            for _ in range(1 + rounds)
        ][1:]
    return {
        name: {key: statistics.median(run[name][key] for run in runs) for key in values}
        for name, values in runs[0].items()
    }


def measure_rates(
    photos: list[pathlib.Path], model: str, way: str, rounds: int
) -> dict[str, float]:
    """Measures photos a second, in turn.

    Returns:
        `bare`, decoded photos one by one; `whole`, from file to file; and `ratio`, the
        median of the second by the first of each round.
    """
    engine, precision = WAYS[way]
    parser = FaceParser(model, engine=engine, precision=precision)
    decoded = {path: read_photo(path) for path in dict.fromkeys(photos)}

    def parse_bare() -> None:
        for path in photos:
            parser(decoded[path])

    def parse_whole() -> None:
        quiet = contextlib.redirect_stderr(io.StringIO())
        with tempfile.TemporaryDirectory() as folder, quiet:
            parse_photos(parser, photos, pathlib.Path(folder))

    pairs = [(_time(parse_bare), _time(parse_whole)) for _ in range(1 + rounds)][1:]
    bare, whole = (statistics.median(seconds) for seconds in zip(*pairs, strict=True))
    return {
        "bare": len(photos) / bare,
        "whole": len(photos) / whole,
        "ratio": statistics.median(bare / whole for bare, whole in pairs),
    }


def _time(function: Callable[[], None]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def format_rows(rows: dict[str, dict]) -> str:
    """Formats what is measured of each way as a Markdown table."""
    starts = ("parser", "face_parse", "large")
    heads = ["", *(f"{name}, s (processor s), MB" for name in starts)]
    heads += ["bare/s", "whole/s", "ratio"]
    table = []
    for way, row in rows.items():
        cells = [way]
        for name in starts:
            start = row["start"][name]
            cells.append(
                f"{start['seconds']:.1f} ({start['processor_seconds']:.1f}), "
                f"{start['peak_mb']:.0f}"
            )
        cells += [f"{row['rates'][key]:.2f}" for key in ("bare", "whole", "ratio")]
        table.append(cells)
    return markdown_table(heads, table)


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        output = output_file(FLAGS.output)
        photos = list_photos(pathlib.Path(FLAGS.input))
    many = (photos * -(-FLAGS.count // len(photos)))[: FLAGS.count]
    rows = {}
    for way in dict.fromkeys(FLAGS.way):
        rows[way] = {
            "start": measure_starts(photos[0], FLAGS.model, way, FLAGS.rounds),
            "rates": measure_rates(many, FLAGS.model, way, FLAGS.rounds),
        }
    print(format_rows(rows))
    record = {"machine": machine(), "model": FLAGS.model, "count": FLAGS.count}
    write_record({**record, "ways": rows}, output)


if __name__ == "__main__":
    define_flags()
    app.run(main)
