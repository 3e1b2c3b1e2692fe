"""Exports a model: as a SavedModel for TensorFlow Serving, as LiteRT or as ONNX.

python -m trainers.export --model=runs/helen --output=serving/face_parser
python -m trainers.export --model=runs/helen --output=face.tflite --format=litert
python -m trainers.export --model=runs/helen --output=face.onnx --format=onnx
"""

import pathlib

from absl import app, flags

from stn_icnn_tf.export.litert import LITERT_PRECISIONS, export_litert
from stn_icnn_tf.export.onnx import export_onnx
from stn_icnn_tf.export.saved_model import export_saved_model, next_version
from stn_icnn_tf.inference.fused import PRECISIONS
from stn_icnn_tf.models.stn_icnn import StnIcnn
from stn_icnn_tf.pretrained import load_model
from trainers.common.calibration import calibration_photos
from trainers.common.flags import (
    define_model_flag,
    parse_size,
    refuse_arguments,
    usage_errors,
)

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_model_flag()
    flags.DEFINE_enum("format", "saved_model", tuple(WRITERS), "What to write.")
    flags.DEFINE_string(
        "output", None, "Served model's folder, or a file: NAME.tflite, .onnx."
    )
    flags.DEFINE_integer("version", 1, "Version folder to write; replaces it.")
    flags.DEFINE_bool(
        "next_version", False, "Write the version after the newest one instead."
    )
    flags.DEFINE_enum(
        "precision",
        "float32",
        tuple(dict.fromkeys(PRECISIONS + LITERT_PRECISIONS)),
        f"Arithmetic of the networks; saved_model: {', '.join(PRECISIONS)}; "
        f"litert: {', '.join(LITERT_PRECISIONS)}; onnx: float32.",
    )
    flags.DEFINE_bool(
        "any_framing",
        False,
        "saved_model: serving_bytes finds small, off-centre and rolled faces, too.",
    )
    flags.DEFINE_string("size", "512x512", "litert, onnx: HEIGHTxWIDTH of the photos.")
    flags.DEFINE_string(
        "calibration", None, "litert, int8: folder of photos; default: drawn faces."
    )


def write_saved_model(model: StnIcnn) -> pathlib.Path:
    """Writes a SavedModel as the flags say."""
    version = next_version(FLAGS.output) if FLAGS.next_version else FLAGS.version
    folder = export_saved_model(
        model, FLAGS.output, version, FLAGS.precision, FLAGS.any_framing
    )
    return folder / "saved_model.pb"


def write_litert(model: StnIcnn) -> pathlib.Path:
    """Writes a LiteRT file as the flags say."""
    size, photos = parse_size(FLAGS.size), None
    if FLAGS.precision == "int8":
        photos = calibration_photos(FLAGS.calibration, size)
    return export_litert(model, FLAGS.output, size, FLAGS.precision, photos)


def write_onnx(model: StnIcnn) -> pathlib.Path:
    """Writes an ONNX file as the flags say."""
    if FLAGS.precision != "float32":
        raise ValueError(
            "Argument `precision` must be float32 with --format=onnx. "
            f"Received: precision={FLAGS.precision}"
        )
    return export_onnx(model, FLAGS.output, parse_size(FLAGS.size))


WRITERS = {
    "saved_model": write_saved_model,
    "litert": write_litert,
    "onnx": write_onnx,
}


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        written = WRITERS[FLAGS.format](load_model(FLAGS.model))
    print(f"Written: {written}")


if __name__ == "__main__":
    define_flags()
    flags.mark_flags_as_required(["model", "output"])
    app.run(main)
