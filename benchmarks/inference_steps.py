"""What did each rewriting of the fused model gain?

python -m benchmarks.inference_steps --model=runs/helen --output=steps.json
"""

import functools

from absl import app, flags

from stn_icnn_tf.inference.folded import FoldedIcnn
from stn_icnn_tf.inference.fused import FusedModel
from stn_icnn_tf.layers.learned_crop import LearnedCrop
from stn_icnn_tf.models.pipeline import Pipeline
from stn_icnn_tf.models.stn_icnn import StnIcnn
from stn_icnn_tf.pretrained import load_model
from trainers.common.charts import save_record
from trainers.common.flags import define_model_flag, refuse_arguments, usage_errors
from trainers.common.paths import define_path, output_file
from trainers.common.timing import (
    compiled_masks,
    machine,
    random_photos,
    time_in_turn,
)

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_model_flag()
    define_path("output", "steps.json", "File for the record.")
    flags.DEFINE_multi_integer("batch", [1, 8], "Photos a call; may be repeated.")
    flags.DEFINE_integer("size", 512, "Side of the photos in pixels.", 16)
    flags.DEFINE_integer("runs", 10, "Rounds that count.", 2)


def make_steps(model: StnIcnn) -> dict[str, object]:
    """Returns a parser a step, each with the rewritings of those before it."""

    def fold(blocks: bool) -> dict:
        coarse, patch = (model.coarse_size,) * 2, (model.patch_size,) * 2
        return {
            "coarse": FoldedIcnn(model.coarse, coarse, blocks=blocks),
            "part_nets": {
                name: FoldedIcnn(net, patch, blocks=blocks)
                for name, net in model.part_nets.items()
            },
        }

    keras_paste = {"paste_back": functools.partial(Pipeline.paste_back, model)}
    keras_crop = {"crop": LearnedCrop(model.patch_size)}
    # What each step still does the Keras model's way.
    changes = {
        "batch norm folded, weights constant": keras_crop | keras_paste | fold(False),
        "finest row on 2x2 blocks": keras_crop | keras_paste,
        "crops by TensorFlow's sampling kernel": keras_paste,
        "paste back on rectangles": {},
    }
    steps: dict[str, object] = {"Keras model": model}
    for name, attributes in changes.items():
        parser = FusedModel(model)
        for attribute, value in attributes.items():
            setattr(parser, attribute, value)
        steps[name] = parser
    steps["bfloat16"] = FusedModel(model, "bfloat16")
    return steps


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        output = output_file(FLAGS.output)
        steps = make_steps(load_model(FLAGS.model))
    functions = {name: compiled_masks(parser) for name, parser in steps.items()}
    record: dict = {"machine": machine(), "model": FLAGS.model, "batches": {}}
    for batch in FLAGS.batch:
        photos = random_photos(batch, FLAGS.size)
        timings = time_in_turn(
            {n: lambda f=f, p=photos: f(p) for n, f in functions.items()}, FLAGS.runs
        )
        first = timings["Keras model"].median
        print(f"\nbatch {batch}{'':<36}{'ms a face':>10}{'of Keras':>10}")
        rows = {}
        for name, timing in timings.items():
            ms, part = 1000.0 * timing.median / batch, timing.median / first
            rows[name] = {"ms": ms, "of_keras": part}
            print(f"{name:<43}{ms:10.1f}{part:10.2f}")
        record["batches"][batch] = rows
    panels = {f"batch {batch}": rows for batch, rows in record["batches"].items()}
    save_record(record, output, panels, "ms a face")


if __name__ == "__main__":
    define_flags()
    flags.mark_flag_as_required("model")
    app.run(main)
