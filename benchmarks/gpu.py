"""All that is to be known of a GPU, in ten minutes: parsing and training, every way.

Milliseconds a face at batch 1, 8 and 64 in float32, TF32 and bfloat16, with XLA and
without; what a training step takes in each stage; each against the card's own matrix
product. It works without a GPU, too, for a trial.

  python -m benchmarks.gpu --model=head --output=gpu

Each measurement is a process of its own. What the time does not suffice for is named
in the record, gpu.json, which is written after every one.
"""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from absl import app, flags

from stn_icnn_tf.models.presets import MODEL_PRESETS
from trainers.common.charts import write_record
from trainers.common.flags import define_model_flag, refuse_arguments, usage_errors
from trainers.common.markdown import markdown_table
from trainers.common.paths import define_path, output_folder
from trainers.common.timing import machine

FLAGS = flags.FLAGS


@dataclasses.dataclass(frozen=True)
class Measurement:
    """A command, and the record that it writes.

    Attributes:
        name: what the record is called here.
        arguments: of Python.
        record: path of its record, JSON.
    """

    name: str
    arguments: tuple[str, ...]
    record: pathlib.Path


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_model_flag()
    define_path("output", "gpu", "Folder of the records.")
    flags.DEFINE_multi_integer("batch", [1, 8, 64], "Photos a call; may be repeated.")
    flags.DEFINE_integer("size", 512, "Side of the photos in pixels.", 16)
    flags.DEFINE_integer("runs", 10, "Rounds that count.", 2)
    flags.DEFINE_enum(
        "preset", "head", tuple(MODEL_PRESETS), "Of the model that is trained."
    )
    flags.DEFINE_integer("batch_size", 32, "Photos a training step.", 1)
    flags.DEFINE_float("minutes", 10.0, "After these no measurement goes on.", 0.0)
    define_path("data_dir", None, "TFDS data, with `synthetic_faces` built or not.")


def plan(folder: pathlib.Path) -> list[Measurement]:
    """Lists the measurements, those that are asked for most often first."""
    runs = f"--runs={FLAGS.runs}"

    def parsing(name: str, *options: str) -> Measurement:
        arguments = ["-m", "trainers.benchmark", f"--model={FLAGS.model}", runs]
        arguments += [f"--batch={batch}" for batch in FLAGS.batch]
        arguments += [f"--size={FLAGS.size}", f"--output={folder / name}", *options]
        return Measurement(name, tuple(arguments), folder / name / "benchmark.json")

    def training(name: str, *options: str) -> Measurement:
        record = folder / f"{name}.json"
        arguments = ["-m", "benchmarks.training", f"--preset={FLAGS.preset}", runs]
        arguments += [f"--batch_size={FLAGS.batch_size}", f"--output={record}"]
        if FLAGS.data_dir:
            arguments.append(f"--data_dir={FLAGS.data_dir}")
        return Measurement(name, (*arguments, *options), record)

    return [
        parsing("tf32"),
        training("training_bfloat16", "--precision=mixed_bfloat16"),
        parsing("tf32_xla", "--jit_compile"),
        parsing("float32", "--notf32"),
        training("training_float32", "--precision=float32"),
        parsing("float32_xla", "--notf32", "--jit_compile"),
    ]


def measure(measurement: Measurement, seconds: float) -> dict:
    """Runs a measurement in at most so many seconds.

    Returns:
        its record; or `{"missing": why}`.
    """
    if seconds <= 0:
        return {"missing": "no time was left"}
    # A session of its own: what it starts would go on without it, and hold the GPU.
    command = [sys.executable, *measurement.arguments]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        return {"missing": "the time was over"}
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if status:
        return {"missing": f"ended with {status}"}
    return json.loads(measurement.record.read_text())


def format_records(records: dict[str, dict]) -> str:
    """Formats the records of measurements, by name, as Markdown tables."""
    parsing, training, missing = [], [], []
    for name, record in records.items():
        if "missing" in record:
            missing.append(f"Not measured: {name}, {record['missing']}.")
        for batch, rows in record.get("batches", {}).items():
            for form, row in rows.items():
                cells = [f"{row['ms']:.2f}", f"{row['of_ceiling']:.2f}"]
                parsing.append([name, str(batch), form, *cells])
        for stage, row in record.get("stages", {}).items():
            cells = [f"{row[key]:.1f}" for key in ("photos_per_second", "of_ceiling")]
            training.append([stage, *cells, f"{row['first_step_s']:.0f}"])
    tables = []
    if parsing:
        heads = ["", "batch", "form", "ms a face", "of the ceiling"]
        tables.append(markdown_table(heads, parsing))
    if training:
        heads = ["stage", "photos/s", "of a product of 4096, a photo", "first step, s"]
        tables.append(markdown_table(heads, training))
    return "\n\n".join([*tables, *missing])


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        folder = output_folder(FLAGS.output)
    end = time.monotonic() + 60.0 * FLAGS.minutes
    records: dict[str, dict] = {}
    for measurement in plan(folder):
        left = end - time.monotonic()
        print(f"{measurement.name}, {max(left, 0.0):.0f} s left", flush=True)
        records[measurement.name] = measure(measurement, left)
        write_record({"machine": machine(), "records": records}, folder / "gpu.json")
    print(format_records(records))


if __name__ == "__main__":
    define_flags()
    flags.mark_flag_as_required("model")
    app.run(main)
