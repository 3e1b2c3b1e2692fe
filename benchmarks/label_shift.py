"""Do the labels of a data set lie beside what they mark?

python -m benchmarks.label_shift --model=helen --dataset=helen --split=train

Scores the model with its mask pasted further and further to the right. Up and down a
net learns where labels lie; to the side it can't, since it sees photos mirrored, and
an eye of one side as a mirrored one of the other. `StnIcnn(label_shift=...)` is for
what is found here: on photos that are not scored later.
"""

import copy
import pathlib

import tensorflow as tf
from absl import app, flags

from benchmarks.counting import sum_over_photos
from stn_icnn_tf.inference.fused import FusedModel
from stn_icnn_tf.metrics import confusion_matrix, scores
from stn_icnn_tf.pretrained import load_model
from trainers.common.charts import write_record
from trainers.common.data import load_photos
from trainers.common.flags import define_scoring_flags, refuse_arguments, usage_errors

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_scoring_flags()
    flags.DEFINE_multi_float(
        "shift",
        [-0.0014, -0.0007, 0.0, 0.0007, 0.0014, 0.0021, 0.0028],
        "Values of label_shift, parts of the width.",
        -0.1,
        0.1,
    )
    flags.DEFINE_string("output", "label_shift.json", "File for the record.")


def score_shifts(
    parser: FusedModel, dataset: tf.data.Dataset, shifts: list[float]
) -> dict[float, dict[str, float]]:
    """Scores a model's masks with several values of `label_shift`.

    Args:
        parser: the inference form of the model.
        dataset: examples of a TFDS builder of this project.
        shifts: values in place of its own.

    Returns:
        shift -> the scores of `metrics.scores`.
    """
    parsers = [copy.copy(parser) for _ in shifts]
    for shifted, shift in zip(parsers, shifts, strict=True):
        shifted.label_shift = shift

    def count(photo: tf.Tensor, label: tf.Tensor) -> list[tf.Tensor]:
        # All up to the paste back is the same, and TensorFlow runs it once.
        masks = [shifted(photo[None])["mask"][0] for shifted in parsers]
        return [confusion_matrix(label, mask) for mask in masks]

    matrices = sum_over_photos(count, dataset)
    return {s: scores(matrix) for s, matrix in zip(shifts, matrices, strict=True)}


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        parser = FusedModel(load_model(FLAGS.model))
        dataset = load_photos(
            FLAGS.dataset, FLAGS.split, FLAGS.data_dir, FLAGS.manual_dir
        )
    rows = score_shifts(parser, dataset, FLAGS.shift)
    print(f"{'label_shift':>12}{'overall':>10}{'mean F1':>10}")
    for shift, row in rows.items():
        print(f"{shift:12.4f}{row['overall']:10.4f}{row['mean_f1']:10.4f}")
    record = {name: getattr(FLAGS, name) for name in ("model", "dataset", "split")}
    write_record({**record, "shifts": rows}, pathlib.Path(FLAGS.output))


if __name__ == "__main__":
    define_flags()
    flags.mark_flag_as_required("model")
    app.run(main)
