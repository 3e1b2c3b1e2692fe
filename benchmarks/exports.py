"""Do exported files give the model's masks, how large are they, and how fast?

  python -m benchmarks.exports --model=runs/helen --dataset=helen --split=validation

Each photo is brought to the size of the export, and its label with it; the Keras model
and every file parse it, and are scored against the label and each other.
"""

import pathlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from absl import app, flags

from stn_icnn_tf.data.preprocess import decode_example
from stn_icnn_tf.export.litert import LITERT_PRECISIONS, export_litert, litert_parser
from stn_icnn_tf.export.onnx import export_onnx, onnx_parser
from stn_icnn_tf.metrics import FaceParsingScores
from stn_icnn_tf.models.stn_icnn import StnIcnn
from stn_icnn_tf.pretrained import load_model
from trainers.common.calibration import calibration_photos, fit_photo
from trainers.common.charts import write_record
from trainers.common.data import decoded_photos, load_photos
from trainers.common.flags import (
    define_scoring_flags,
    parse_size,
    refuse_arguments,
    usage_errors,
)
from trainers.common.label_map import LabelMap
from trainers.common.markdown import markdown_table
from trainers.common.paths import define_path, output_folder
from trainers.common.timing import compiled_masks, machine, time_in_turn

FLAGS = flags.FLAGS

Parser = Callable[[np.ndarray], np.ndarray]
Exporter = Callable[..., pathlib.Path]


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_scoring_flags()
    define_path("output", "exports", "Folder for the files and the record.")
    flags.DEFINE_string("size", "512x512", "HEIGHTxWIDTH of the photos.")
    flags.DEFINE_string(
        "calibration", None, "Folder of photos for int8; default: drawn faces."
    )
    flags.DEFINE_multi_enum(
        "form", list(FORMS), list(FORMS), "Form to write; may be repeated."
    )
    flags.DEFINE_multi_integer("threads", [1, 2], "Threads; may be repeated.")
    flags.DEFINE_integer("runs", 10, "Rounds that count.", 2)


def litert_exporter(precision: str) -> Exporter:
    """Returns what writes a LiteRT file into a folder."""

    def export(
        model: StnIcnn,
        folder: pathlib.Path,
        size: tuple[int, int],
        calibration: str | None,
    ) -> pathlib.Path:
        photos = calibration_photos(calibration, size) if precision == "int8" else None
        file = folder / f"{precision}.tflite"
        return export_litert(model, file, size, precision, photos)

    return export


def onnx_exporter(
    model: StnIcnn,
    folder: pathlib.Path,
    size: tuple[int, int],
    calibration: str | None,
) -> pathlib.Path:
    """Writes an ONNX file into a folder."""
    del calibration  # Nothing here has 8 bits.
    return export_onnx(model, folder / "float32.onnx", size)


# What writes each form, and what loads it: a file and threads -> parser.
FORMS = {
    f"litert_{precision}": (litert_exporter(precision), litert_parser)
    for precision in LITERT_PRECISIONS
}
FORMS["onnx_float32"] = (onnx_exporter, onnx_parser)


def score_forms(
    parsers: dict[str, Parser],
    dataset: tf.data.Dataset,
    size: tuple[int, int],
    label_map: LabelMap,
) -> dict[str, dict[str, float]]:
    """Scores forms against the labels, and against the first of them.

    Args:
        parsers: name -> function of uint8 `(1, *size, 3)` that gives the mask.
        dataset: examples of a TFDS builder of this project.
        size: `(height, width)` in pixels.
        label_map: names the classes, and which of them the labels leave open.

    Returns:
        name -> `overall`, `mean_f1`; `equal`, the share of pixels on which a form says
        what the first says; `equal_parts`, that share of the pixels that the first
        calls a part.
    """
    class_set = label_map.class_set
    scores = {
        name: FaceParsingScores(class_set, undrawn=label_map.undrawn)
        for name in parsers
    }
    equal = {name: np.zeros(2) for name in parsers}
    total = np.zeros(2)
    for example in decoded_photos(dataset):
        photo = fit_photo(example["image"], size)[None]
        label = fit_photo(example["segmentation_mask"], size, nearest=True)[..., 0]
        expected = None
        for name, parser in parsers.items():
            mask = np.asarray(parser(photo))[0]
            if expected is None:
                expected = mask
                in_parts = np.isin(mask, class_set.part_classes)
                total += expected.size, np.count_nonzero(in_parts)
            same = mask == expected
            equal[name] += same.sum(), same[in_parts].sum()
            scores[name].update_state(label, mask)
    rows = {}
    for name, (everywhere, on_parts) in equal.items():
        values = scores[name].result()
        rows[name] = {
            "overall": float(values["overall"]),
            "mean_f1": float(values["mean_f1"]),
            "equal": everywhere / total[0],
            "equal_parts": on_parts / max(total[1], 1.0),
        }
    return rows


def time_forms(
    parsers: dict[str, dict[int, Parser]], photo: np.ndarray, runs: int
) -> dict[str, dict[str, dict]]:
    """Times every form with every number of threads, in turn.

    Returns:
        name -> `ms`: threads -> median; `quartiles`: threads -> both.
    """
    functions = {
        (name, threads): lambda parser=parser: parser(photo)
        for name, by_threads in parsers.items()
        for threads, parser in by_threads.items()
    }
    rows = {name: {"ms": {}, "quartiles": {}} for name in parsers}
    for (name, threads), timing in time_in_turn(functions, runs).items():
        rows[name]["ms"][threads] = 1000.0 * timing.median
        rows[name]["quartiles"][threads] = [1000.0 * value for value in timing.spread]
    return rows


def format_rows(rows: dict[str, dict], threads: list[int]) -> str:
    """Formats rows as a Markdown table: scores, and how far from the first row's."""
    first = next(iter(rows.values()))
    times = [f"ms, {count} thread{'s' * (count > 1)}" for count in threads]
    heads = ["", "MB", "overall", "mean_f1", "equal", "equal on parts", *times]
    table = []
    for name, row in rows.items():
        cells = [name, f"{row['megabytes']:.1f}"]
        for key in ("overall", "mean_f1"):
            cells.append(f"{row[key]:.4f} ({row[key] - first[key]:+.4f})")
        cells += [
            f"{100.0 * row['equal']:.3f} %",
            f"{100.0 * row['equal_parts']:.2f} %",
        ]
        cells += [f"{row['ms'][t]:.0f}" if t in row["ms"] else "" for t in threads]
        table.append(cells)
    return markdown_table(heads, table)


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        output = output_folder(FLAGS.output)
        size = parse_size(FLAGS.size)
        model = load_model(FLAGS.model)
        dataset, label_map = load_photos(
            FLAGS.dataset,
            FLAGS.split,
            model.class_set,
            FLAGS.data_dir,
            FLAGS.manual_dir,
        )
        files = {
            name: FORMS[name][0](model, output, size, FLAGS.calibration)
            for name in FLAGS.form
        }

    call = compiled_masks(model, (1, *size, 3))
    # TensorFlow's threads are those of the process: as many as there are cores.
    parsers = {"keras": {machine()["cores"]: lambda photo: call(photo).numpy()}}
    for name, file in files.items():
        load = FORMS[name][1]
        parsers[name] = {count: load(file, count) for count in FLAGS.threads}
    files["keras"] = output / "model.keras"
    model.save(files["keras"])

    one_each = {name: next(iter(forms.values())) for name, forms in parsers.items()}
    rows = score_forms(one_each, dataset, size, label_map)
    photo = fit_photo(next(iter(dataset.map(decode_example)))["image"], size)[None]
    for name, times in time_forms(parsers, photo, FLAGS.runs).items():
        rows[name] |= times | {"megabytes": files[name].stat().st_size / 1e6}
    record = {
        "machine": machine(),
        "model": FLAGS.model,
        "dataset": FLAGS.dataset,
        "split": FLAGS.split,
        "photos": int(dataset.cardinality()),
        "size": size,
        "calibration": FLAGS.calibration,
        "forms": rows,
    }
    table = format_rows(rows, FLAGS.threads)
    (output / "exports.md").write_text(table + "\n")
    print(f"{table}\n")
    write_record(record, output / "exports.json")


if __name__ == "__main__":
    define_flags()
    flags.mark_flag_as_required("model")
    app.run(main)
