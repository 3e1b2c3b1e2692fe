"""Draws labels and a model's masks side by side, to see what the scores mean.

A pair a photo: outlined by its label to the left, by the model to the right.

  python -m trainers.compare --model=runs/helen --dataset=helen --output=compare.png
"""

import numpy as np
import tensorflow as tf
from absl import app, flags

from stn_icnn_tf.face_parser import FaceParser
from stn_icnn_tf.models.stn_icnn import StnIcnn
from stn_icnn_tf.pretrained import load_model
from stn_icnn_tf.visualize import contact_sheet, overlay
from trainers.common.data import decoded_photos, load_photos
from trainers.common.flags import define_scoring_flags, refuse_arguments, usage_errors
from trainers.common.label_map import LabelMap
from trainers.common.paths import define_path, output_file

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_scoring_flags()
    define_path("output", None, "PNG file to write.")
    flags.DEFINE_integer("count", 12, "Photos, from the first.", lower_bound=1)
    flags.DEFINE_integer("columns", 3, "Pairs in a row.", lower_bound=1)
    flags.DEFINE_integer("side", 192, "Side of a picture in pixels.", lower_bound=16)


def compare(
    model: StnIcnn, dataset: tf.data.Dataset, label_map: LabelMap
) -> list[np.ndarray]:
    """Draws each photo with its label, then with the model's mask.

    Args:
        model: the model.
        dataset: examples of a TFDS builder of this project, with the model's classes.
        label_map: what the labels leave open: it is not drawn in masks either.

    Returns:
        pictures, uint8 `(height, width, 3)`, two a photo.
    """
    parse = FaceParser(model, find_faces=False)
    pictures = []
    for example in decoded_photos(dataset):
        photo = example["image"].numpy()
        label = example["segmentation_mask"].numpy()[..., 0]
        for mask in (label, label_map.told(parse(photo).mask)):
            pictures.append(overlay(photo, mask, class_set=model.class_set))
    return pictures


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        model = load_model(FLAGS.model)
        output = output_file(FLAGS.output)
        dataset, label_map = load_photos(
            FLAGS.dataset,
            FLAGS.split,
            model.class_set,
            FLAGS.data_dir,
            FLAGS.manual_dir,
            FLAGS.count,
        )
    pictures = compare(model, dataset, label_map)
    sheet = contact_sheet(pictures, 2 * FLAGS.columns, FLAGS.side)
    sheet.save(output, format="PNG")
    print(f"Labels, and masks to their right: {output}")


if __name__ == "__main__":
    define_flags()
    flags.mark_flags_as_required(["model", "output"])
    app.run(main)
