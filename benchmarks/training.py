"""How fast does each stage train, in how much memory, and is the input fast enough?

python -m benchmarks.training --preset=helen --dataset=helen --output=training.json

Every stage and precision has a process of its own, so that peak memory is its own.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time

import keras
import tensorflow as tf
from absl import app, flags

from stn_icnn_tf.models.presets import MODEL_PRESETS
from stn_icnn_tf.models.stn_icnn import StnIcnn
from trainers.common.charts import save_record
from trainers.common.data import find_training_map, load_builder, load_split
from trainers.common.flags import define_dataset_flags, refuse_arguments, usage_errors
from trainers.common.paths import define_path, output_file
from trainers.common.timing import Timing, machine, matrix_product, time_in_turn
from trainers.configs.schedules import get_schedule
from trainers.configs.stages import STAGE_NAMES
from trainers.training.loop import Trainer

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_dataset_flags("synthetic_faces")
    define_path("output", "training.json", "File for the record.")
    flags.DEFINE_multi_enum(
        "precision",
        ["float32", "mixed_bfloat16"],
        ["float32", "mixed_bfloat16"],
        "Policies of the networks; may be repeated.",
    )
    flags.DEFINE_multi_enum(
        "stage", list(STAGE_NAMES), list(STAGE_NAMES), "Stages; may be repeated."
    )
    flags.DEFINE_enum(
        "preset", "default", tuple(MODEL_PRESETS), "Arguments of the model."
    )
    flags.DEFINE_integer("batch_size", 8, "Photos a step.", 1)
    flags.DEFINE_integer("runs", 10, "Steps that count.", 2)
    flags.DEFINE_bool("jit_compile", False, "Whether XLA compiles the step.")
    flags.DEFINE_bool("child", False, "Measure here; set by the script itself.")


def measure(stage_name: str, precision: str, folder: str) -> dict[str, float]:
    """Measures one stage in one precision.

    Returns:
        `step_ms` a photo with its quartiles, `photos_per_second` of the step alone,
        `input_photos_per_second` of the input alone, `first_step_s` with tracing and
        `first_step_processor_s`, `peak_memory_mb` of the process, `of_ceiling`: the
        step's multiple of a 4096 matrix product in float32, a photo.
    """
    batch_size = f"all.batch_size={FLAGS.batch_size}"
    stages = {stage.name: stage for stage in get_schedule("cpu", (batch_size,))}
    stage = stages[stage_name]
    strategy = tf.distribute.MirroredStrategy()
    with strategy.scope():
        model = StnIcnn.from_preset(FLAGS.preset, load_weights=False, dtype=precision)
    builder = load_builder(FLAGS.dataset, FLAGS.data_dir)
    label_map = find_training_map(builder, model.class_set)
    training = label_map.attach(load_split(builder, "train"))
    trainer = Trainer(
        model, stage, strategy, folder, jit_compile=FLAGS.jit_compile, show=False
    )
    batches = trainer.training_batches(training, epoch=0)
    batch = next(batches)
    key = tf.constant([0, 0], tf.int64)
    start, busy = time.perf_counter(), time.process_time()
    float(trainer.steps.train(batch, key)["loss"])
    first, busy = time.perf_counter() - start, time.process_time() - busy
    product = matrix_product("float32")
    timings = time_in_turn(
        {"step": lambda: trainer.steps.train(batch, key)["loss"], "ceiling": product},
        FLAGS.runs,
    )
    # Alone, as the step was: the two share the processor when they run together.
    count, start = 0, time.perf_counter()
    for _ in range(20):
        next(batches)
        count += stage.batch_size
    input_seconds = time.perf_counter() - start
    step: Timing = timings["step"]
    per_photo = 1000.0 / stage.batch_size
    return {
        "step_ms": step.median * per_photo,
        "low_ms": step.spread[0] * per_photo,
        "high_ms": step.spread[1] * per_photo,
        "photos_per_second": stage.batch_size / step.median,
        "input_photos_per_second": count / input_seconds,
        "first_step_s": first,
        "first_step_processor_s": busy,
        "of_ceiling": step.median / stage.batch_size / timings["ceiling"].median,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main(argv: list[str]) -> None:
    """Runs the script."""
    if FLAGS.child:
        keras.utils.set_random_seed(0)
        print(json.dumps(measure(FLAGS.stage[0], FLAGS.precision[0], FLAGS.output)))
        return
    refuse_arguments(argv)
    with usage_errors():
        output = output_file(FLAGS.output)
        # Build it once, if need be.
        load_builder(FLAGS.dataset, FLAGS.data_dir, FLAGS.manual_dir)
    record: dict = {
        "machine": machine(),
        "dataset": FLAGS.dataset,
        "preset": FLAGS.preset,
        "batch_size": FLAGS.batch_size,
        "stages": {},
    }
    print(
        f"{'':<32}{'ms a photo':>18}{'photos/s':>10}{'input/s':>9}{'start s':>9}"
        f"{'peak MB':>9}"
    )
    for stage in FLAGS.stage:
        for precision in FLAGS.precision:
            row = _run_child(stage, precision)
            record["stages"][f"{stage} {precision}"] = row
            spread = f"{row['step_ms']:.1f} ({row['low_ms']:.1f}-{row['high_ms']:.1f})"
            print(
                f"{stage + ' ' + precision:<32}{spread:>18}"
                f"{row['photos_per_second']:10.1f}"
                f"{row['input_photos_per_second']:9.0f}{row['first_step_s']:9.1f}"
                f"{row['peak_memory_mb']:9.0f}",
                flush=True,
            )
    panels = {
        "training step": {
            name: {"ms": row["step_ms"], "low": row["low_ms"], "high": row["high_ms"]}
            for name, row in record["stages"].items()
        }
    }
    save_record(record, output, panels, "ms a photo")


def _run_child(stage: str, precision: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        arguments = [
            "--child",
            f"--stage={stage}",
            f"--precision={precision}",
            f"--dataset={FLAGS.dataset}",
            f"--preset={FLAGS.preset}",
            f"--batch_size={FLAGS.batch_size}",
            f"--runs={FLAGS.runs}",
            f"--output={folder}",
            f"--jit_compile={FLAGS.jit_compile}",
        ]
        if FLAGS.data_dir:
            arguments.append(f"--data_dir={FLAGS.data_dir}")
        result = subprocess.run(
            [sys.executable, "-m", "benchmarks.training", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return json.loads(result.stdout.splitlines()[-1])


if __name__ == "__main__":
    define_flags()
    app.run(main)
