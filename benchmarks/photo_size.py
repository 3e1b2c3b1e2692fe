"""Does the cost grow with the face or with the photo?

python -m benchmarks.photo_size --model=runs/helen --output=photo_size.json
"""

import tensorflow as tf
from absl import app, flags

from stn_icnn_tf.inference.fused import FusedModel
from stn_icnn_tf.pretrained import load_model
from trainers.common.charts import save_record
from trainers.common.flags import define_model_flag, refuse_arguments, usage_errors
from trainers.common.paths import define_path, output_file
from trainers.common.timing import machine, random_photos, time_in_turn

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_model_flag()
    define_path("output", "photo_size.json", "File for the record.")
    flags.DEFINE_multi_integer("size", [512, 1024, 2048, 4096], "Sides in pixels.")
    flags.DEFINE_integer("runs", 7, "Rounds that count.", 2)


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        output = output_file(FLAGS.output)
        model = FusedModel(load_model(FLAGS.model))

    def compile_(step: object) -> tf.types.experimental.PolymorphicFunction:
        spec = tf.TensorSpec((1, None, None, 3), tf.uint8)
        return tf.function(step, input_signature=[spec], autograph=False)

    # What any parser must do: read every pixel once, and give back as many.
    steps = {
        "whole": compile_(lambda photo: model(photo)["mask"]),
        "resize": compile_(lambda photo: model.frame_photos(photo)[:2]),
        "mask": compile_(lambda photo: tf.zeros_like(photo[..., 0])),
    }
    functions = {}
    for size in FLAGS.size:
        photo = random_photos(1, size)
        for name, step in steps.items():
            functions[f"{name} {size}"] = lambda step=step, photo=photo: step(photo)
    timings = time_in_turn(functions, FLAGS.runs)
    record: dict = {"machine": machine(), "model": FLAGS.model, "sizes": {}}
    print(f"{'side':>6}{'whole':>9}{'resize':>9}{'mask':>9}{'rest':>9}   ms a photo")
    for size in FLAGS.size:
        row = {name: 1000.0 * timings[f"{name} {size}"].median for name in steps}
        row["rest"] = row["whole"] - row["resize"] - row["mask"]
        record["sizes"][size] = row
        print(f"{size:>6}" + "".join(f"{value:9.1f}" for value in row.values()))
    panels = {
        name: {f"{size} px": {"ms": row[name]} for size, row in record["sizes"].items()}
        for name in ("whole", "resize", "mask", "rest")
    }
    save_record(record, output, panels, "ms a photo")


if __name__ == "__main__":
    define_flags()
    flags.mark_flag_as_required("model")
    app.run(main)
