"""Exports a model: for TensorFlow Serving, as LiteRT or ONNX, or for a browser.

python -m trainers.export --model=runs/helen --output=serving/face_parser
python -m trainers.export --model=runs/helen --output=face.tflite --format=litert
python -m trainers.export --model=runs/helen --output=face.onnx --format=onnx
python -m trainers.export --model=head --output=exports/head --format=browser
"""

import pathlib

from absl import app, flags

from stn_icnn_tf.export.browser import export_browser
from stn_icnn_tf.export.litert import LITERT_PRECISIONS, export_litert
from stn_icnn_tf.export.onnx import export_onnx
from stn_icnn_tf.export.saved_model import export_saved_model, next_version
from stn_icnn_tf.files import path_with_suffix
from stn_icnn_tf.inference.fused import PRECISIONS
from stn_icnn_tf.models.stn_icnn import StnIcnn
from stn_icnn_tf.pretrained import load_model
from trainers.common.calibration import calibration_photos
from trainers.common.flags import (
    define_model_flag,
    parse_size,
    refuse_arguments,
    refuse_flags,
    usage_errors,
)
from trainers.common.paths import define_path, output_file, output_folder

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_model_flag()
    flags.DEFINE_enum("format", "saved_model", tuple(WRITERS), "What to write.")
    define_path(
        "output", None, "Folder, or a file: NAME.tflite, NAME.onnx.", remote=True
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
        f"litert: {', '.join(LITERT_PRECISIONS)}; onnx, browser: float32.",
    )
    flags.DEFINE_bool(
        "find_faces",
        True,
        "saved_model: serving_bytes finds small, off-centre and rolled faces, too; all "
        "else that is exported parses photos as they are.",
    )
    flags.DEFINE_string("size", "512x512", "litert, onnx: HEIGHTxWIDTH of the photos.")
    define_path(
        "calibration", None, "litert, int8: folder of photos; default: drawn faces."
    )


# The flags that each format alone, or with another, takes notice of.
_FLAGS_OF = {
    "saved_model": ("version", "next_version", "find_faces"),
    "litert": ("size", "calibration"),
    "onnx": ("size",),
    "browser": (),
}
_PRECISIONS = {
    "saved_model": PRECISIONS,
    "litert": LITERT_PRECISIONS,
    "onnx": ("float32",),
    "browser": ("float32",),
}
_SUFFIXES = {"litert": ".tflite", "onnx": ".onnx"}


def check_flags() -> None:
    """Refuses flags that do not go together.

    Raises:
        ValueError: if there are such.
    """
    own = _FLAGS_OF[FLAGS.format]
    others = {name: None for names in _FLAGS_OF.values() for name in names}
    unused = tuple(name for name in others if name not in own)
    refuse_flags(unused, f"not with --format={FLAGS.format}")
    if FLAGS.next_version:
        refuse_flags(("version",), "not with --next_version")
    if FLAGS.precision not in _PRECISIONS[FLAGS.format]:
        raise ValueError(
            f"Argument `precision` must be one of {_PRECISIONS[FLAGS.format]} with "
            f"--format={FLAGS.format}. Received: precision={FLAGS.precision}"
        )
    if FLAGS.precision != "int8":
        refuse_flags(("calibration",), "only with --precision=int8")


def check_output() -> None:
    """Refuses an output that cannot be written.

    Raises:
        ValueError: if it cannot.
    """
    if FLAGS.format in _SUFFIXES:
        output_file(path_with_suffix(FLAGS.output, _SUFFIXES[FLAGS.format]))
    else:
        output_folder(FLAGS.output)


def write_saved_model(model: StnIcnn) -> pathlib.Path:
    """Writes a SavedModel as the flags say."""
    version = next_version(FLAGS.output) if FLAGS.next_version else FLAGS.version
    folder = export_saved_model(
        model, FLAGS.output, version, FLAGS.precision, FLAGS.find_faces
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
    return export_onnx(model, FLAGS.output, parse_size(FLAGS.size))


def write_browser(model: StnIcnn) -> pathlib.Path:
    """Writes what the page of `web/` runs."""
    return export_browser(model, FLAGS.output, pathlib.Path(FLAGS.model).stem)


WRITERS = {
    "saved_model": write_saved_model,
    "litert": write_litert,
    "onnx": write_onnx,
    "browser": write_browser,
}


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        check_flags()
        model = load_model(FLAGS.model)
        check_output()
        written = WRITERS[FLAGS.format](model)
    print(f"Written: {written}")


if __name__ == "__main__":
    define_flags()
    flags.mark_flags_as_required(["model", "output"])
    app.run(main)
