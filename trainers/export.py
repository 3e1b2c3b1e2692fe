"""Exports a model as a SavedModel for TensorFlow Serving.

python -m trainers.export --model=runs/helen --output=serving/face_parser
"""

from absl import app, flags

from stn_icnn_tf.export import export_saved_model, next_version
from stn_icnn_tf.inference import PRECISIONS
from stn_icnn_tf.pretrained import load_model
from trainers.flags_common import define_model_flag, refuse_arguments, usage_errors

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_model_flag()
    flags.DEFINE_string("output", None, "Folder of the served model.")
    flags.DEFINE_integer("version", 1, "Version folder to write; replaces it.")
    flags.DEFINE_bool(
        "next_version", False, "Write the version after the newest one instead."
    )
    flags.DEFINE_enum(
        "precision", "float32", PRECISIONS, "Arithmetic of the networks when serving."
    )


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    version = next_version(FLAGS.output) if FLAGS.next_version else FLAGS.version
    with usage_errors():
        folder = export_saved_model(
            load_model(FLAGS.model), FLAGS.output, version, FLAGS.precision
        )
    print(f"SavedModel: {folder / 'saved_model.pb'}")


if __name__ == "__main__":
    define_flags()
    flags.mark_flags_as_required(["model", "output"])
    app.run(main)
