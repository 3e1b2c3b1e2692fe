"""Covers parts of each face, and measures where both croppers look for them.

The centroid crop of the baseline against the localization network, on one set of
weights: fig. 5 of the paper, in numbers.

python -m trainers.missing_parts --model=runs/helen --split=test --output=missing
"""

import dataclasses

import numpy as np
import tensorflow as tf
from absl import app, flags

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from stn_icnn_tf.geometry.windows import part_centers
from stn_icnn_tf.models.stn_icnn import StnIcnn
from stn_icnn_tf.pretrained import load_model
from stn_icnn_tf.visualize import contact_sheet, outline_windows, window_boxes
from trainers.common.charts import write_record
from trainers.common.data import decoded_photos, load_photos
from trainers.common.flags import define_scoring_flags, refuse_arguments, usage_errors
from trainers.common.paths import define_path, output_folder
from trainers.evaluation.croppers import make_cropper
from trainers.evaluation.occlusion import FILLS, choose_parts, cover_parts, part_box

FLAGS = flags.FLAGS

COMPARED = ("centroid", "learned")

# Offsets are given in pixels of a square canvas of this side, which the photo
# fills, so that photos of all sizes, and models, can be compared.
CANVAS = 448

# Photos in the picture.
SHOWN = 6

# Corner pixels may lie outside a window by a rounding error and still be in it.
_TOLERANCE = 1e-3


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_scoring_flags()
    define_path("output", None, "Folder for the numbers and the picture.")
    flags.DEFINE_integer("limit", None, "Photos, from the first; default: all.", 1)
    flags.DEFINE_enum("fill", "skin", FILLS, "What covers a part.")
    flags.DEFINE_integer("max_covered", 2, "Most parts covered a photo.", 1)
    flags.DEFINE_integer("seed", 0, "Of which parts are covered, and of noise.", 0)


@dataclasses.dataclass(frozen=True)
class Measure:
    """Where one cropper put the window of one part of one photo.

    Attributes:
        cropper: one of `COMPARED`.
        part: index of the part.
        covered: whether the part was covered.
        found: whether the coarse mask has the part all the same.
        offset: distance of the window's centre from the part's, canvas pixels.
        face_offset: the same against the longer side of the box around all parts.
        held: whether the window holds every pixel of the part.
    """

    cropper: str
    part: int
    covered: bool
    found: bool
    offset: float
    face_offset: float
    held: bool


def window_errors(
    boxes: np.ndarray, mask: np.ndarray, class_set: ClassSet = EIGHT_PARTS
) -> list[tuple[float, float, bool] | None]:
    """Measures how far windows are off their parts.

    Args:
        boxes: float `(parts, 4)`, windows in photo pixels, see
            `visualize.window_boxes`.
        mask: integer `(height, width)`, the label.
        class_set: has the parts.

    Returns:
        `offset`, `face_offset` and `held` of each part, see `Measure`; None for a
        part that the label lacks.
    """
    centers = np.asarray(part_centers(mask, class_set)[0])
    ys, xs = np.nonzero(np.isin(mask, class_set.part_classes))
    face = max(np.ptp(xs), np.ptp(ys)) + 1 if len(xs) else 1
    errors: list[tuple[float, float, bool] | None] = []
    for part, box, center in zip(class_set.parts, boxes, centers, strict=True):
        whole = part_box(mask, part)
        if whole is None:
            errors.append(None)
            continue
        left, top, right, bottom = box
        middle = (left + right) / 2.0, (top + bottom) / 2.0
        distance = float(np.hypot(*(middle - center)))
        held = (
            left <= whole[0] + _TOLERANCE
            and top <= whole[1] + _TOLERANCE
            and right >= whole[2] - 1 - _TOLERANCE
            and bottom >= whole[3] - 1 - _TOLERANCE
        )
        errors.append(
            (distance * CANVAS / max(mask.shape), distance / face, bool(held))
        )
    return errors


def compare_croppers(
    model: StnIcnn, dataset: tf.data.Dataset, fill: str, max_covered: int, seed: int
) -> tuple[list[Measure], list[np.ndarray]]:
    """Covers parts of each photo and looks where both croppers put the windows.

    Args:
        model: the model.
        dataset: examples of a TFDS builder of this project.
        fill: see `occlusion.cover_parts`.
        max_covered: most parts covered a photo.
        seed: of the choice of parts and of noise; photo by photo, so that a photo
            is covered alike whatever `limit` is.

    Returns:
        the measures of every part in the labels, covered or not; and pictures,
        three a photo: the covered photo, then with each cropper's windows, those
        of covered parts in thick lines.
    """
    class_set = model.class_set

    @tf.function(
        input_signature=[tf.TensorSpec((None, None, 3), tf.uint8)], autograph=False
    )
    def find(photo: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        framed = model.frame_photos(photo[None])
        scores = model.coarse_scores(framed.coarse_image)
        thetas = [make_cropper(model, name)(scores, framed) for name in COMPARED]
        found = part_centers(tf.argmax(scores, axis=-1), class_set)[1][0]
        return tf.concat([framed.to_photo(theta) for theta in thetas], 0), found

    measures, pictures = [], []
    for index, example in enumerate(decoded_photos(dataset)):
        mask = example["segmentation_mask"][..., 0].numpy()
        rng = np.random.default_rng((seed, index))
        covered = choose_parts(mask, max_covered, rng, class_set)
        photo = example["image"].numpy()
        photo, _ = cover_parts(photo, mask, covered, fill, rng, class_set)
        thetas, found = (result.numpy() for result in find(photo))
        if index < SHOWN:
            pictures.append(photo)
        for cropper, theta in zip(COMPARED, thetas, strict=True):
            boxes = window_boxes(theta, mask.shape)
            for part, error in enumerate(window_errors(boxes, mask, class_set)):
                if error is not None:
                    hidden, seen = part in covered, bool(found[part])
                    measures.append(Measure(cropper, part, hidden, seen, *error))
            if index < SHOWN:
                line = max(1, max(mask.shape) // 250)
                picture = outline_windows(photo, boxes, None, line, class_set)
                picture = outline_windows(picture, boxes, covered, 3 * line, class_set)
                pictures.append(picture)
    return measures, pictures


def summarize(
    measures: list[Measure], part_names: tuple[str, ...] = EIGHT_PARTS.part_names
) -> dict[str, dict[str, dict[str, float]]]:
    """Means measures: of each part where it was covered, of all, and of the rest.

    Returns:
        cropper -> row -> `parts`, their number; `found`, `offset`, `face_offset`
        and `held`, their means, see `Measure`. Rows without a part are left out.
    """
    summary: dict[str, dict[str, dict[str, float]]] = {}
    for cropper in COMPARED:
        mine = [measure for measure in measures if measure.cropper == cropper]
        covered = [measure for measure in mine if measure.covered]
        rows = {
            name: [measure for measure in covered if measure.part == part]
            for part, name in enumerate(part_names)
        }
        rows["all_covered"] = covered
        rows["not_covered"] = [measure for measure in mine if not measure.covered]
        summary[cropper] = {
            name: {
                "parts": len(members),
                **{
                    field: float(np.mean([getattr(m, field) for m in members]))
                    for field in ("found", "offset", "face_offset", "held")
                },
            }
            for name, members in rows.items()
            if members
        }
    return summary


def format_summary(summary: dict[str, dict[str, dict[str, float]]]) -> str:
    """Formats a summary as a table: a line a row, three columns a cropper."""
    lines = [
        f"{'':<12} {'':>6} {'coarse':>7}"
        + "".join(f" | {cropper:<24}" for cropper in COMPARED),
        f"{'part':<12} {'parts':>6} {'has it':>7}"
        + f" | {'px':>7} {'of face':>8} {'held':>7}" * len(COMPARED),
    ]
    for name, first in summary[COMPARED[0]].items():
        line = f"{name:<12} {first['parts']:>6} {first['found']:>7.1%}"
        for cropper in COMPARED:
            row = summary[cropper][name]
            line += f" | {row['offset']:>7.1f} {row['face_offset']:>8.1%}"
            line += f" {row['held']:>7.1%}"
        lines.append(line)
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        model = load_model(FLAGS.model)
        output = output_folder(FLAGS.output)
        dataset, _ = load_photos(
            FLAGS.dataset,
            FLAGS.split,
            model.class_set,
            FLAGS.data_dir,
            FLAGS.manual_dir,
            FLAGS.limit,
        )
    measures, pictures = compare_croppers(
        model, dataset, FLAGS.fill, FLAGS.max_covered, FLAGS.seed
    )
    summary = summarize(measures, model.class_set.part_names)
    print(f"Offsets of window centres, in pixels of a {CANVAS} x {CANVAS} canvas:")
    print(format_summary(summary))
    settings = ("model", "dataset", "split", "limit", "fill", "max_covered", "seed")
    record = {name: getattr(FLAGS, name) for name in settings}
    record.update(photos=int(dataset.cardinality()), canvas=CANVAS, croppers=summary)
    write_record(record, output / "missing_parts.json")
    picture = output / "missing_parts.png"
    contact_sheet(pictures, 1 + len(COMPARED), 320).save(picture)
    print(f"Picture: {picture}")


if __name__ == "__main__":
    define_flags()
    flags.mark_flags_as_required(["model", "output"])
    app.run(main)
