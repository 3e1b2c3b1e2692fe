"""Draws what augmentation makes of photos and labels, before a run depends on it.

A row a photo: as it is, then variants, each with its label as an overlay.

  python -m trainers.preview --dataset=helen --split=train --output=preview.png
"""

import numpy as np
import tensorflow as tf
from absl import app, flags

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from stn_icnn_tf.data.augment import AUGMENTATIONS, Augmentation
from stn_icnn_tf.data.pasting import paste_worn
from stn_icnn_tf.data.preprocess import Framing, decode_example, frame_example
from stn_icnn_tf.files import written_beside
from stn_icnn_tf.visualize import contact_sheet, overlay
from trainers.common.data import load_photos
from trainers.common.flags import define_dataset_flags, refuse_arguments, usage_errors
from trainers.common.paths import define_path, output_file
from trainers.configs.overrides import define_class_set_flag, read_class_set
from trainers.configs.schedules import SCHEDULES, choose_stages
from trainers.configs.stages import STAGE_NAMES

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_dataset_flags()
    define_class_set_flag("eight_parts", "Class set of the labels")
    flags.DEFINE_string("split", "train", "Split, or slice of one.")
    define_path("output", None, "PNG file to write.")
    flags.DEFINE_integer("count", 6, "Photos, from the first.", lower_bound=1)
    flags.DEFINE_integer("variants", 4, "Augmented variants a photo.", lower_bound=0)
    flags.DEFINE_enum(
        "augmentation",
        None,
        tuple(AUGMENTATIONS),
        "Ranges of the operations; default: the schedule's.",
    )
    flags.DEFINE_enum(
        "schedule", "cpu", tuple(SCHEDULES), "Schedule whose augmentation to draw."
    )
    flags.DEFINE_enum(
        "stage", "all", ("all", *STAGE_NAMES), "Stage of the schedule; all: its first."
    )
    flags.DEFINE_integer("side", 192, "Side of a picture in pixels.", lower_bound=16)
    flags.DEFINE_integer("seed", 0, "Seed of the variants.")


def preview_rows(
    dataset: tf.data.Dataset,
    augmentation: Augmentation,
    variants: int,
    side: int,
    seed: int = 0,
    class_set: ClassSet = EIGHT_PARTS,
) -> list[np.ndarray]:
    """Draws each photo as it is, then its variants; by what training calls.

    Args:
        dataset: examples of a TFDS builder of this project.
        augmentation: ranges of the operations.
        variants: augmented variants a photo.
        side: of a picture in pixels.
        seed: of the variants.
        class_set: of the labels.

    Returns:
        pictures, uint8 `(side, side, 3)`, `1 + variants` a photo.
    """
    framing = Framing("letterbox", side, side, class_set)
    # Read once, however many variants.
    photos = dataset.map(decode_example).cache()
    # As in training, where a photo before it may give a photo something.
    given = [
        paste_worn(
            photos.map(lambda example: (0, example)), class_set, augmentation, (seed, k)
        )
        for k in range(variants)
    ]
    pictures = []
    for row, (example, *others) in enumerate(tf.data.Dataset.zip((photos, *given))):
        framed = [frame_example(example, framing)]
        for variant, (_, other) in enumerate(others):
            # As in training: steps of 10 leave room for an example's draws.
            key = tf.constant([seed, (row * variants + variant) * 10], tf.int64)
            framed.append(frame_example(other, framing, augmentation, key))
        pictures += [
            overlay(f["image"].numpy(), f["mask"].numpy(), class_set=class_set)
            for f in framed
        ]
    return pictures


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        output = output_file(FLAGS.output)
        class_set = read_class_set(FLAGS.class_set)
        dataset, _ = load_photos(
            FLAGS.dataset,
            FLAGS.split,
            class_set,
            FLAGS.data_dir,
            FLAGS.manual_dir,
            FLAGS.count,
        )
        if FLAGS.augmentation is not None:
            augmentation = AUGMENTATIONS[FLAGS.augmentation]
        else:
            stages = choose_stages(SCHEDULES[FLAGS.schedule], FLAGS.stage)
            augmentation = stages[0].augmentation
    pictures = preview_rows(
        dataset, augmentation, FLAGS.variants, FLAGS.side, FLAGS.seed, class_set
    )
    sheet = contact_sheet(pictures, 1 + FLAGS.variants, FLAGS.side)
    with written_beside(output) as fresh:
        sheet.save(fresh, format="PNG")
    print(f"Preview: {output}")


if __name__ == "__main__":
    define_flags()
    flags.mark_flag_as_required("output")
    app.run(main)
