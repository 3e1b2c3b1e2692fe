"""Section 3.3: what do the coarse size, and odd patches, change? Figures 6 to 8.

Figure 6 draws the curves of runs that differ in the coarse size, if any are named.
Figure 7 shows one part of a photo, cut by both croppers in patches of odd and even
size; figure 8 how far the two crops differ over a split. Neither needs a model: the
windows lie around the centres of the true parts, in whole pixels.

  python -m trainers.sensitivity --dataset=helen --split=test \
    --run_dir=runs/64 --run_dir=runs/128 --output=sensitivity
"""

from typing import Any

import numpy as np
import tensorflow as tf
from absl import app, flags

from stn_icnn_tf.class_sets import EIGHT_PARTS
from stn_icnn_tf.geometry.affine import theta_from_centers
from stn_icnn_tf.geometry.windows import part_centers
from stn_icnn_tf.layers.learned_crop import LearnedCrop
from trainers.common.charts import new_figure, save_figure, write_record
from trainers.common.data import decoded_photos, load_photos
from trainers.common.flags import (
    define_dataset_flags,
    refuse_arguments,
    usage_errors,
)
from trainers.common.paths import define_path, define_paths, output_folder
from trainers.curves import draw_curves, run_names
from trainers.training.history import read_history

FLAGS = flags.FLAGS

# How much the difference in figure 7 is brightened.
GAIN = 4
# The part that it shows: small, with sharp edges.
SHOWN_PART = EIGHT_PARTS.part_names.index("left_eye")


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_dataset_flags()
    flags.DEFINE_string("split", "test", "Split, or slice of one.")
    flags.DEFINE_integer("limit", None, "Photos, from the first; default: all.", 1)
    flags.DEFINE_multi_integer(
        "patch_size", [79, 80, 81, 82], "Side of the patches; may be repeated."
    )
    define_paths("run_dir", [], "Folder of a run for figure 6; may be repeated.")
    define_path("output", None, "Folder for the figures and the numbers.")


def slice_patches(
    image: np.ndarray, centers: np.ndarray, patch_size: int
) -> np.ndarray:
    """Cuts patches as the baseline does: whole pixels, zero outside the image.

    An even patch has no middle pixel: it reaches one pixel less far to the right
    and below.

    Args:
        image: `(height, width, channels)`.
        centers: integer `(parts, 2)`, (x, y) in pixels.
        patch_size: side of a patch in pixels.

    Returns:
        `(parts, patch_size, patch_size, channels)`, dtype of `image`.
    """
    around = [(patch_size, patch_size)] * 2 + [(0, 0)]
    padded = np.pad(image, around)
    corners = centers + patch_size - patch_size // 2
    return np.stack(
        [padded[y : y + patch_size, x : x + patch_size] for x, y in corners]
    )


def sample_patches(
    image: np.ndarray, centers: np.ndarray, patch_size: int
) -> np.ndarray:
    """Cuts patches as the paper's transformer does, a patch pixel a pixel (eq. 21).

    Arguments as in `slice_patches`; float32 is returned.
    """
    sides = np.full(len(centers), patch_size)
    theta = theta_from_centers(centers, sides, image.shape[:2])
    return np.array(LearnedCrop(patch_size)(image[None], theta[None])[0])


def compare_crops(
    dataset: tf.data.Dataset, patch_sizes: list[int]
) -> tuple[dict[int, dict[str, float]], dict[int, list[np.ndarray]]]:
    """Cuts every part that is there by both croppers.

    Args:
        dataset: examples of a TFDS builder of this project.
        patch_sizes: sides of patches in pixels.

    Returns:
        patch size -> `difference`, the mean difference of the photos' pixels in grey
        levels, and `labels_differ`, the share of the pixels of parts whose label
        differs; and patch size -> the shown part of the first photo that has it,
        uint8 `(patch_size, patch_size, 3)`: cut by the baseline, by the transformer,
        and how they differ, brightened.
    """
    sums = {size: np.zeros((4,)) for size in patch_sizes}
    shown: dict[int, list[np.ndarray]] = {}
    for example in decoded_photos(dataset):
        mask = example["segmentation_mask"].numpy()
        centers, present = (np.array(a) for a in part_centers(mask[..., 0]))
        labels = np.eye(EIGHT_PARTS.num_classes, dtype="float32")[mask[..., 0]]
        both = np.concatenate([example["image"].numpy(), labels], axis=-1)
        middles = np.round(centers).astype(int)
        for size in patch_sizes:
            cuts = slice_patches(both, middles, size)
            samples = sample_patches(both, middles, size)
            if present[SHOWN_PART] and size not in shown:
                pair = [p[SHOWN_PART, ..., :3] for p in (cuts, samples)]
                pair.append(np.minimum(GAIN * np.abs(pair[1] - pair[0]), 255.0))
                shown[size] = [np.round(p).astype("uint8") for p in pair]
            pixels = np.abs(samples - cuts)[present, ..., :3]
            classes = [np.argmax(p[present, ..., 3:], -1) for p in (cuts, samples)]
            on_part = (classes[0] > 0) | (classes[1] > 0)
            wrong = (classes[0] != classes[1]) & on_part
            sums[size] += pixels.sum(), pixels.size, wrong.sum(), on_part.sum()
    measures = {
        size: {
            "difference": float(total[0] / max(total[1], 1)),
            "labels_differ": float(total[2] / max(total[3], 1)),
        }
        for size, total in sums.items()
    }
    return measures, shown


def draw_patches(shown: dict[int, list[np.ndarray]]) -> Any:
    """Draws figure 7: a row a patch size, both crops and their difference."""
    figure = new_figure(7.0, 2.4 * len(shown))
    panels = figure.subplots(len(shown), 3, squeeze=False)
    titles = ("baseline: a slice", "transformer", f"difference, {GAIN} times")
    for row, (size, pictures) in zip(panels, shown.items()):
        row[0].set_ylabel(f"{size} x {size}")
        for panel, title, picture in zip(row, titles, pictures):
            panel.imshow(picture, interpolation="nearest")
            panel.set_title(title)
            panel.set_xticks([])
            panel.set_yticks([])
    return figure


def draw_differences(measures: dict[int, dict[str, float]]) -> Any:
    """Draws figure 8: bars of how far the crops differ, by patch size."""
    figure = new_figure(8.0, 3.0)
    labels = {
        "difference": "difference, grey levels",
        "labels_differ": "labels of parts that differ, %",
    }
    for panel, (key, label) in zip(figure.subplots(1, 2), labels.items()):
        values = [
            row[key] * (100.0 if "%" in label else 1.0) for row in measures.values()
        ]
        bars = panel.bar(range(len(measures)), values, color="#0072b2")
        panel.set_xticks(range(len(measures)), list(measures))
        panel.bar_label(bars, fmt="%.1f")
        panel.set_xlabel("patch size")
        panel.set_ylabel(label)
        panel.margins(y=0.15)
    return figure


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        LearnedCrop(min(FLAGS.patch_size))  # Refuses what is too small.
        runs = {
            name: read_history(run_dir)
            for name, run_dir in zip(run_names(FLAGS.run_dir), FLAGS.run_dir)
        }
        output = output_folder(FLAGS.output)
        dataset, _ = load_photos(
            FLAGS.dataset,
            FLAGS.split,
            EIGHT_PARTS,
            FLAGS.data_dir,
            FLAGS.manual_dir,
            FLAGS.limit,
        )
        figures = {"figure_6": draw_curves(runs)} if runs else {}
        new_figure(1.0, 1.0)  # Without matplotlib, fail before the work.
    measures, shown = compare_crops(dataset, sorted(set(FLAGS.patch_size)))
    figures["figure_7"] = draw_patches(shown)
    figures["figure_8"] = draw_differences(measures)
    print(f"{'patch':>6} {'grey levels':>12} {'labels differ':>14}")
    for size, row in measures.items():
        print(f"{size:>6} {row['difference']:>12.2f} {row['labels_differ']:>14.2%}")
    for name, figure in figures.items():
        save_figure(figure, output / f"{name}.png")
    record = {name: getattr(FLAGS, name) for name in ("dataset", "split", "limit")}
    record.update(photos=int(dataset.cardinality()), patch_sizes=measures)
    write_record(record, output / "sensitivity.json")
    if not runs:
        print("No figure 6: it needs --run_dir, once a run.")
    print(f"Figures: {output}")


if __name__ == "__main__":
    define_flags()
    flags.mark_flag_as_required("output")
    app.run(main)
