"""How fast a model parses photos here, against what the machine can do at best.

python -m trainers.benchmark --model=runs/helen --output=benchmark
"""

import functools
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from absl import app, flags

from stn_icnn_tf.inference.fused import PRECISIONS, FusedModel
from stn_icnn_tf.layers.icnn import InterlinkedCNN
from stn_icnn_tf.layers.residual_icnn import ResidualInterlinkedCNN
from stn_icnn_tf.models.stn_icnn import StnIcnn
from stn_icnn_tf.pretrained import load_model
from trainers.common.charts import save_record
from trainers.common.flags import define_model_flag, refuse_arguments, usage_errors
from trainers.common.paths import define_path, output_folder
from trainers.common.timing import (
    Timing,
    compiled_masks,
    machine,
    matrix_product,
    random_photos,
    time_in_turn,
)

FLAGS = flags.FLAGS

CEILING_SIDE = 4096


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_model_flag()
    define_path("output", "benchmark", "Folder for the JSON and the picture.")
    flags.DEFINE_multi_integer("batch", [1, 8], "Photos a call; may be repeated.")
    flags.DEFINE_integer("size", 512, "Side of the photos in pixels.", 16)
    flags.DEFINE_integer("runs", 10, "Rounds that count.", 2)
    flags.DEFINE_bool("jit_compile", False, "Whether XLA compiles every form.")
    flags.DEFINE_bool(
        "tf32", True, "Whether a GPU that can rounds the factors of float32 to TF32."
    )


def icnn_multiply_adds(net: InterlinkedCNN | ResidualInterlinkedCNN, side: int) -> int:
    """Counts the multiply-adds of an iCNN on a square picture.

    Those of the paper's are counted with every conv over the whole concatenation at its
    own size, as `InterlinkedCNN` was before any rewriting: the work that forms are held
    to.
    """
    if isinstance(net, ResidualInterlinkedCNN):
        return _residual_multiply_adds(net, side)
    units = [*enumerate(net.input_units), *enumerate(net.integrations), (0, net.head)]
    for interlink in net.interlinks:
        units += [(row, unit) for row, pair in enumerate(interlink) for unit in pair]
    convs = [(row, unit.kernel) for row, unit in units]
    convs += [(0, net.head_conv.kernel), (0, net.logits.kernel)]
    return sum(
        int(np.prod(kernel.shape)) * (-(-side // 2**row)) ** 2 for row, kernel in convs
    )


def _residual_multiply_adds(net: ResidualInterlinkedCNN, side: int) -> int:
    units = [*enumerate(net.input_units), *enumerate(net.integrations, start=1)]
    # What comes from a coarser row is convolved before it is upsampled.
    units += [(row + 1, unit) for row, unit in enumerate(net.merges)]
    for interlink in net.interlinks:
        for row, (finer, coarser, *pair) in enumerate(interlink):
            units += [(row, finer), (row + 1, coarser), *((row, unit) for unit in pair)]
    kernels = [(row, unit.kernel) for row, unit in units if unit is not None]
    kernels += [(0, net.head.kernel), (0, net.logits.kernel)]
    return sum(
        int(np.prod(kernel.shape)) * (side // net.fold // 2**row) ** 2
        for row, kernel in kernels
    )


def multiply_adds(model: StnIcnn) -> int:
    """Counts the multiply-adds that the networks of a model spend on a face."""
    count = icnn_multiply_adds(model.coarse, model.coarse_image_size)
    for name, net in model.part_nets.items():
        parts = sum(part.net == name for part in model.class_set.parts)
        count += parts * icnn_multiply_adds(net, model.patch_size)
    side = model.coarse_size
    for pair in model.localization.convs:
        count += sum(int(np.prod(unit.kernel.shape)) * side**2 for unit in pair)
        side = -(-side // 2)
    return count


def time_forms(
    model: StnIcnn, batch: int, size: int, runs: int, jit_compile: bool = False
) -> dict[str, Timing]:
    """Times the Keras model, its fused forms and the ceilings in one run.

    Args:
        model: the model.
        batch: photos a call.
        size: side of the photos in pixels.
        runs: rounds that count.
        jit_compile: whether XLA compiles the forms.

    Returns:
        `keras`, `float32`, `bfloat16`: one call each; `ceiling float32`, `ceiling
        bfloat16`: one matrix product.
    """
    photos = random_photos(batch, size)
    parsers: dict[str, Any] = {
        "keras": model,
        **{p: FusedModel(model, p) for p in PRECISIONS},
    }
    functions: dict[str, Callable[[], object]] = {}
    for name, parser in parsers.items():
        shape = photos.shape if jit_compile else (None, None, None, 3)
        function = compiled_masks(parser, shape, jit_compile)
        functions[name] = functools.partial(function, photos)
    for precision in PRECISIONS:
        functions[f"ceiling {precision}"] = matrix_product(precision, CEILING_SIDE)
    return time_in_turn(functions, runs)


def summarize(model: StnIcnn, batch: int, timings: dict[str, Timing]) -> dict:
    """Brings timings to milliseconds a face and to ratios.

    Returns:
        name -> `ms` a face, `low`, `high` (quartiles), `of_keras`: its part of the
        Keras model's time; `of_ceiling`: its multiple of the time that the networks'
        multiply-adds would take at the rate of the matrix product in the same
        precision (of the Keras model: float32).
    """
    share = multiply_adds(model) / CEILING_SIDE**3
    rows = {}
    for name, timing in timings.items():
        precision = name.rpartition(" ")[2]
        ceiling = timings[
            f"ceiling {precision if precision in PRECISIONS else 'float32'}"
        ]
        scale = 1000.0 * share if name.startswith("ceiling") else 1000.0 / batch
        row = {"ms": timing.median * scale}
        row["low"], row["high"] = (quartile * scale for quartile in timing.spread)
        row["of_keras"] = row["ms"] / (1000.0 * timings["keras"].median / batch)
        row["of_ceiling"] = row["ms"] / (1000.0 * share * ceiling.median)
        rows[name] = row
    return rows


def format_rows(rows: dict) -> str:
    """Formats what `summarize` returns."""
    columns = ("ms", "low", "high", "of_keras", "of_ceiling")
    lines = [f"{'':<18}" + "".join(f"{column:>12}" for column in columns)]
    for name, row in rows.items():
        lines.append(f"{name:<18}" + "".join(f"{row[c]:12.2f}" for c in columns))
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        model = load_model(FLAGS.model)
        output = output_folder(FLAGS.output)
    tf.config.experimental.enable_tensor_float_32_execution(FLAGS.tf32)
    record: dict = {
        "machine": machine(),
        "model": FLAGS.model,
        "size": FLAGS.size,
        "jit_compile": FLAGS.jit_compile,
        "tf32": FLAGS.tf32,
        "multiply_adds": multiply_adds(model),
        "batches": {},
    }
    print(json.dumps(record["machine"]))
    for batch in FLAGS.batch:
        timings = time_forms(model, batch, FLAGS.size, FLAGS.runs, FLAGS.jit_compile)
        rows = summarize(model, batch, timings)
        record["batches"][batch] = rows
        print(f"\n{FLAGS.size} x {FLAGS.size}, batch {batch}, ms a face")
        print(format_rows(rows))
    panels = {f"batch {batch}": rows for batch, rows in record["batches"].items()}
    save_record(record, output / "benchmark.json", panels, "ms a face")


if __name__ == "__main__":
    define_flags()
    flags.mark_flag_as_required("model")
    app.run(main)
