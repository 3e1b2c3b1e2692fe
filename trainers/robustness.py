"""Scores a model on photos that are resized, framed otherwise, tilted or covered.

Each change is made to photo and label alike, and the model sees nothing else.

  python -m trainers.robustness --model=helen --split=validation --output=robustness
"""

from collections.abc import Callable, Collection
from typing import Any, cast

import numpy as np
import tensorflow as tf
from absl import app, flags
from PIL import Image

from stn_icnn_tf.face_parser import FaceParser
from stn_icnn_tf.metrics import FaceParsingScores
from stn_icnn_tf.models.stn_icnn import StnIcnn
from stn_icnn_tf.pretrained import load_model
from stn_icnn_tf.visualize import contact_sheet, window_boxes
from trainers.common.charts import write_record
from trainers.common.data import decoded_photos, load_photos
from trainers.common.flags import define_scoring_flags, refuse_arguments, usage_errors
from trainers.common.markdown import markdown_table
from trainers.common.paths import define_path, output_folder
from trainers.evaluation.occlusion import cover_parts
from trainers.missing_parts import window_errors

FLAGS = flags.FLAGS

Change = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

# Photos in the picture.
SHOWN = 4


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_scoring_flags()
    define_path("output", None, "Folder for the numbers and the picture.")
    flags.DEFINE_integer("limit", None, "Photos, from the first; default: all.", 1)


def resized(factor: float) -> Change:
    """Returns what resizes photo and label by a factor."""

    def change(photo: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        size = tuple(max(round(side * factor), 8) for side in mask.shape[::-1])
        picture = Image.fromarray(photo).resize(size, Image.Resampling.BICUBIC)
        label = Image.fromarray(mask).resize(size, Image.Resampling.NEAREST)
        return np.asarray(picture), np.asarray(label)

    return change


def bordered(factor: float) -> Change:
    """Returns what puts a photo into the middle of one `factor` times its size.

    The border has the photo's mean colour.
    """

    def change(photo: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        around = [(round(side * (factor - 1.0) / 2.0),) * 2 for side in mask.shape]
        wide = np.pad(mask, around)
        picture = np.empty((*wide.shape, 3), "uint8")
        picture[:] = np.round(photo.mean(axis=(0, 1)))
        (top, _), (left, _) = around
        picture[top : top + mask.shape[0], left : left + mask.shape[1]] = photo
        return picture, wide

    return change


def rolled(degrees: float) -> Change:
    """Returns what turns photo and label about their middle; nothing is cut off."""

    def change(photo: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        picture = Image.fromarray(photo).rotate(
            degrees, Image.Resampling.BILINEAR, expand=True
        )
        label = Image.fromarray(mask).rotate(
            degrees, Image.Resampling.NEAREST, expand=True
        )
        return np.asarray(picture), np.asarray(label)

    return change


CHANGES: dict[str, Change] = {
    "as it is": lambda photo, mask: (photo, mask),
    "0.25 times the size": resized(0.25),
    "0.5 times the size": resized(0.5),
    "2 times the size": resized(2.0),
    "4 times the size": resized(4.0),
    "border, twice as wide in all": bordered(2.0),
    "border, three times as wide in all": bordered(3.0),
    "rolled 30 degrees left": rolled(30.0),
    "rolled 30 degrees right": rolled(-30.0),
    "rolled 90 degrees left": rolled(90.0),
    "upside down": rolled(180.0),
}


def measure(
    model: StnIcnn, dataset: tf.data.Dataset, undrawn: Collection[int] = ()
) -> tuple[dict[str, dict[str, float]], dict[str, float], list[np.ndarray]]:
    """Scores every change, and covers each part of each photo in turn.

    Args:
        model: the model.
        dataset: examples of a TFDS builder of this project.
        undrawn: the model's classes that the labels do not draw, and cannot tell.

    Returns:
        change -> `overall`, `mean_f1` and `lost`, the `overall` that it costs; of
        covered parts `parts`, their number, `held`, the share whose window holds the
        whole part, `held_uncovered`, the same before they were covered, and `moved`,
        the mean move of the window's centre against its side; and overlays, one a
        change for each of the first photos.
    """
    parser: Callable[[np.ndarray], Any] = FaceParser(model)
    class_set = model.class_set
    metrics = {name: FaceParsingScores(class_set, undrawn=undrawn) for name in CHANGES}
    covered: list[tuple[bool, bool, float]] = []
    pictures = []
    for index, example in enumerate(decoded_photos(dataset)):
        photo = example["image"].numpy()
        mask = example["segmentation_mask"][..., 0].numpy()
        thetas = {}
        for name, change in CHANGES.items():
            changed, label = change(photo, mask)
            face = parser(changed)
            thetas[name] = face.theta
            metrics[name].update_state(label, face.mask)
            if index < SHOWN:
                pictures.append(np.asarray(face.overlay()))
        rng = np.random.default_rng(index)
        before = window_boxes(thetas["as it is"], mask.shape)
        whole = window_errors(before, mask, class_set)
        for part, uncovered in enumerate(whole):
            if uncovered is None:
                continue
            hidden, _ = cover_parts(photo, mask, [part], "skin", rng, class_set)
            after = window_boxes(parser(hidden).theta, mask.shape)
            move = (after[part] - before[part]).reshape(2, 2).mean(axis=0)
            side = before[part][2] - before[part][0]
            # The mask has the part, so there is an error.
            *_, held = cast(tuple, window_errors(after, mask, class_set)[part])
            covered.append((held, uncovered[2], float(np.hypot(*move) / side)))
    scores = {}
    for name, metric in metrics.items():
        result = metric.result()
        scores[name] = {k: float(result[k]) for k in ("overall", "mean_f1")}
    for row in scores.values():
        row["lost"] = scores["as it is"]["overall"] - row["overall"]
    held, held_uncovered, moved = np.mean(covered, axis=0).tolist()
    windows = {
        "parts": len(covered),
        "held": held,
        "held_uncovered": held_uncovered,
        "moved": moved,
    }
    return scores, windows, pictures


def format_report(
    scores: dict[str, dict[str, float]], windows: dict[str, float]
) -> str:
    """Formats what `measure` found, in Markdown."""
    columns = ("overall", "lost", "mean_f1")
    rows = [
        (name, *(f"{row[key]:.3f}" for key in columns)) for name, row in scores.items()
    ]
    lines = [
        markdown_table(("photo", *columns), rows),
        "",
        f"One part covered, {windows['parts']} times: its window holds the whole part "
        f"in {windows['held']:.1%} (not covered: {windows['held_uncovered']:.1%}), and "
        f"its centre moves by {windows['moved']:.1%} of the window's side.",
    ]
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        model = load_model(FLAGS.model)
        output = output_folder(FLAGS.output)
        dataset, label_map = load_photos(
            FLAGS.dataset,
            FLAGS.split,
            model.class_set,
            FLAGS.data_dir,
            FLAGS.manual_dir,
            FLAGS.limit,
        )
    scores, windows, pictures = measure(model, dataset, label_map.undrawn)
    print(format_report(scores, windows))
    record = {name: getattr(FLAGS, name) for name in ("model", "dataset", "split")}
    record.update(photos=int(dataset.cardinality()), scores=scores, windows=windows)
    write_record(record, output / "robustness.json")
    picture = output / "robustness.png"
    contact_sheet(pictures, len(CHANGES), 240).save(picture)
    print(f"Picture: {picture}")


if __name__ == "__main__":
    define_flags()
    flags.mark_flags_as_required(["model", "output"])
    app.run(main)
