"""Do the labels of a data set lie beside what they mark?

python -m benchmarks.label_shift --model=helen --dataset=helen --split=train

Scores the model with its mask pasted further and further to the right. Up and down a
net learns where labels lie; to the side it can't, since it sees photos mirrored, and
an eye of one side as a mirrored one of the other. `StnIcnn(label_shift=...)` is for
what is found here: on photos that are not scored later.
"""

import json
import pathlib

import tensorflow as tf
from absl import app, flags
from tqdm import tqdm

from stn_icnn_tf.inference import InferenceModel
from stn_icnn_tf.metrics import confusion_matrix, scores
from stn_icnn_tf.preprocess import decode_example
from stn_icnn_tf.pretrained import load_model
from trainers.data import load_photos
from trainers.flags_common import define_scoring_flags, refuse_arguments, usage_errors

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
    parser: InferenceModel, dataset: tf.data.Dataset, shifts: list[float]
) -> dict[float, dict[str, float]]:
    """Scores a model's masks with several values of `label_shift`.

    Args:
        parser: the inference form of the model.
        dataset: examples of a TFDS builder of this project.
        shifts: values in place of its own.

    Returns:
        shift -> the scores of `metrics.scores`.
    """

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, 3), tf.uint8),
            tf.TensorSpec((None, None), tf.uint8),
        ],
        autograph=False,
    )
    def judge(photo: tf.Tensor, label: tf.Tensor) -> list[tf.Tensor]:
        matrices = []
        for shift in shifts:
            # All up to the paste back is the same, and TensorFlow runs it once.
            parser.label_shift = shift
            mask = parser(photo[None])["mask"][0]
            matrices.append(confusion_matrix(label, mask))
        return matrices

    totals = [0] * len(shifts)
    own = parser.label_shift
    for example in tqdm(
        dataset.map(decode_example).prefetch(2),
        total=int(dataset.cardinality()),
        unit=" photos",
    ):
        matrices = judge(example["image"], example["segmentation_mask"][..., 0])
        totals = [total + matrix.numpy() for total, matrix in zip(totals, matrices)]
    parser.label_shift = own
    return {shift: scores(total) for shift, total in zip(shifts, totals)}


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        parser = InferenceModel(load_model(FLAGS.model))
        dataset = load_photos(
            FLAGS.dataset, FLAGS.split, FLAGS.data_dir, FLAGS.manual_dir
        )
    rows = score_shifts(parser, dataset, FLAGS.shift)
    print(f"{'label_shift':>12}{'overall':>10}{'mean F1':>10}")
    for shift, row in rows.items():
        print(f"{shift:12.4f}{row['overall']:10.4f}{row['mean_f1']:10.4f}")
    record = {
        "model": FLAGS.model,
        "dataset": FLAGS.dataset,
        "split": FLAGS.split,
        "shifts": rows,
    }
    path = pathlib.Path(FLAGS.output)
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"Record: {path}")


if __name__ == "__main__":
    define_flags()
    flags.mark_flag_as_required("model")
    app.run(main)
