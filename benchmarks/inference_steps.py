"""What did each rewriting of the inference form gain?

python -m benchmarks.inference_steps --model=runs/helen --output=steps.json
"""

import json
import pathlib

import tensorflow as tf
from absl import app, flags
from keras import ops

from stn_icnn_tf.cropper import LearnedCrop, paste_back
from stn_icnn_tf.folded import FoldedIcnn, FoldedLocalization
from stn_icnn_tf.inference import InferenceModel
from stn_icnn_tf.model import StnIcnn
from stn_icnn_tf.pretrained import load_model
from trainers.charts import bar_chart, save_picture
from trainers.flags_common import usage_errors
from trainers.timing import machine, time_in_turn

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    flags.DEFINE_string("model", None, "Run folder, .keras file, or shipped model.")
    flags.DEFINE_string("output", "steps.json", "File for the record.")
    flags.DEFINE_multi_integer("batch", [1, 8], "Photos a call; may be repeated.")
    flags.DEFINE_integer("size", 512, "Side of the photos in pixels.", 16)
    flags.DEFINE_integer("runs", 10, "Rounds that count.", 2)


def make_steps(model: StnIcnn) -> dict[str, object]:
    """Returns a parser a step, each with the rewritings of those before it."""

    def fold(blocks: bool, against_background: bool) -> dict:
        coarse, patch = (model.coarse_size,) * 2, (model.patch_size,) * 2
        return {
            "coarse": FoldedIcnn(model.coarse, coarse, blocks=blocks),
            "localization": FoldedLocalization(model.localization, "float32"),
            "part_nets": {
                name: FoldedIcnn(net, patch, "float32", against_background, blocks)
                for name, net in model.part_nets.items()
            },
        }

    keras_way = {
        "crop": LearnedCrop(model.patch_size),
        "paste_back": paste_back,
        "probabilities": lambda scores: ops.softmax(scores, axis=-1),
    }
    changes = {
        "batch norm folded, weights constant": {**keras_way, **fold(False, False)},
        "finest row on 2x2 blocks": {**keras_way, **fold(True, False)},
        "crops by TensorFlow's sampling kernel": {
            **{k: keras_way[k] for k in ("paste_back", "probabilities")},
            **fold(True, False),
        },
        "paste back on rectangles": fold(True, False),
        "one logit for two classes": {},
    }
    steps: dict[str, object] = {"Keras model": model}
    for name, attributes in changes.items():
        parser = InferenceModel(model)
        for attribute, value in attributes.items():
            setattr(parser, attribute, value)
        steps[name] = parser
    steps["bfloat16"] = InferenceModel(model, "bfloat16")
    return steps


def main(argv: list[str]) -> None:
    """Runs the script."""
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    with usage_errors():
        steps = make_steps(load_model(FLAGS.model))
    functions = {
        name: tf.function(
            lambda photos, parser=parser: parser(photos)["mask"],
            input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)],
            autograph=False,
        )
        for name, parser in steps.items()
    }
    record: dict = {"machine": machine(), "model": FLAGS.model, "batches": {}}
    for batch in FLAGS.batch:
        shape = (batch, FLAGS.size, FLAGS.size, 3)
        photos = tf.random.stateless_uniform(shape, (0, 0), 0, 256, tf.int32)
        photos = tf.cast(photos, tf.uint8)
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
    pathlib.Path(FLAGS.output).write_text(json.dumps(record, indent=1))
    print(f"\nRecord: {FLAGS.output}")
    panels = {f"batch {batch}": rows for batch, rows in record["batches"].items()}
    picture = pathlib.Path(FLAGS.output).with_suffix(".png")
    save_picture(lambda: bar_chart(panels, "ms a face"), picture)


if __name__ == "__main__":
    define_flags()
    flags.mark_flag_as_required("model")
    app.run(main)
