"""What does the search for the face cost, and what does it give?

python -m benchmarks.face_search --model=helen --dataset=helen --split=validation
python -m benchmarks.face_search --model=helen --split=validation --change='upside down'

Every photo is parsed as it is framed and with the search, one after the other, so that
a busy moment hits both alike.
"""

import time
from collections.abc import Collection

import numpy as np
import tensorflow as tf
from absl import app, flags

from stn_icnn_tf.face_parser import FaceParser
from stn_icnn_tf.metrics import FaceParsingScores
from stn_icnn_tf.models.stn_icnn import StnIcnn
from stn_icnn_tf.parsed_face import ParsedFace
from stn_icnn_tf.pretrained import load_model
from trainers.common.charts import write_record
from trainers.common.data import decoded_photos, load_photos
from trainers.common.flags import define_scoring_flags, refuse_arguments, usage_errors
from trainers.common.paths import define_path, output_file
from trainers.common.timing import machine
from trainers.robustness import CHANGES, Change

FLAGS = flags.FLAGS

FORMS = ("plain", "search")

# Searched for in vain, so that everything is compiled.
_NO_FACE = np.zeros((64, 64, 3), "uint8")


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_scoring_flags()
    flags.DEFINE_enum("change", "as it is", tuple(CHANGES), "What is done to photos.")
    flags.DEFINE_integer("limit", None, "Photos, from the first; default: all.", 1)
    define_path("output", "face_search.json", "File for the record.")


def compare(
    model: StnIcnn,
    dataset: tf.data.Dataset,
    change: Change,
    undrawn: Collection[int] = (),
) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Parses photos with and without the search for the face.

    Args:
        model: the model.
        dataset: examples of a TFDS builder of this project.
        change: what is done to photo and label first.
        undrawn: the model's classes that the labels do not draw, and cannot tell.

    Returns:
        form -> `overall`, `mean_f1`; `seconds`, the median of a photo; `first`, those
        of a first call, which waits for the compiler.
        `unsearched`, the share of photos that are parsed as they are; `ratio`, what
        all photos took with the search, as a multiple of the plain parse;
        `ratio_unsearched` and `ratio_searched`, that of either kind, median, nan if
        there is none.
    """
    parsers = {
        form: FaceParser(model, find_faces=find)
        for form, find in zip(FORMS, (False, True))
    }
    metrics = {
        form: FaceParsingScores(model.class_set, undrawn=undrawn) for form in FORMS
    }
    first = {form: _seconds(parser, _NO_FACE)[0] for form, parser in parsers.items()}
    seconds: dict[str, list[float]] = {form: [] for form in FORMS}
    same = []
    for index, example in enumerate(decoded_photos(dataset)):
        photo = example["image"].numpy()
        label = example["segmentation_mask"][..., 0].numpy()
        photo, label = change(photo, label)
        masks = {}
        for form in FORMS if index % 2 else FORMS[::-1]:
            taken, face = _seconds(parsers[form], photo)
            seconds[form].append(taken)
            masks[form] = face.mask
            metrics[form].update_state(label, face.mask)
        same.append(np.array_equal(masks["plain"], masks["search"]))
    rows = {}
    for form, metric in metrics.items():
        result = metric.result()
        rows[form] = {name: float(result[name]) for name in ("overall", "mean_f1")}
        rows[form]["seconds"] = float(np.median(seconds[form]))
        rows[form]["first"] = first[form]
    plain, search = (np.array(seconds[form]) for form in FORMS)
    unsearched = np.array(same)

    def median_ratio(chosen: np.ndarray) -> float:
        ratios = search[chosen] / plain[chosen]
        return float(np.median(ratios)) if len(ratios) else float("nan")

    return rows, {
        "unsearched": float(np.mean(same)),
        "ratio": float(search.sum() / plain.sum()),
        "ratio_unsearched": median_ratio(unsearched),
        "ratio_searched": median_ratio(~unsearched),
    }


def _seconds(parser: FaceParser, photo: np.ndarray) -> tuple[float, ParsedFace]:
    start = time.perf_counter()
    face = parser(photo)
    return time.perf_counter() - start, face


def format_rows(rows: dict[str, dict[str, float]], cost: dict[str, float]) -> str:
    """Formats what `compare` found."""
    columns = ("overall", "mean_f1", "seconds", "first")
    lines = [f"{'':8}" + "".join(f"{name:>10}" for name in columns)]
    for form, row in rows.items():
        lines.append(f"{form:8}" + "".join(f"{row[name]:10.4f}" for name in columns))
    lines.append(
        f"With the search all photos take {cost['ratio']:.2f} times as long; "
        f"{cost['unsearched']:.1%} of them are parsed as they are, in "
        f"{cost['ratio_unsearched']:.2f} times, the others in "
        f"{cost['ratio_searched']:.2f} times the plain parse."
    )
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        output = output_file(FLAGS.output)
        model = load_model(FLAGS.model)
        dataset, label_map = load_photos(
            FLAGS.dataset,
            FLAGS.split,
            model.class_set,
            FLAGS.data_dir,
            FLAGS.manual_dir,
            FLAGS.limit,
        )
    rows, cost = compare(model, dataset, CHANGES[FLAGS.change], label_map.undrawn)
    print(format_rows(rows, cost))
    record = {"machine": machine(), "forms": rows, "cost": cost}
    for name in ("model", "dataset", "split", "change"):
        record[name] = getattr(FLAGS, name)
    write_record(record, output)


if __name__ == "__main__":
    define_flags()
    flags.mark_flag_as_required("model")
    app.run(main)
