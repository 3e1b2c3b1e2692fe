"""How near to an edge of the labels are the pixels that are wrong?

python -m benchmarks.label_edges --model=helen --dataset=helen --split=validation

People do not draw an edge to the pixel. What is wrong right beside one is as much
theirs as the model's; compare the photos that taught the model with others.
"""

import numpy as np
import tensorflow as tf
from absl import app, flags

from benchmarks.counting import sum_over_photos
from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from stn_icnn_tf.inference.fused import FusedModel
from stn_icnn_tf.metrics import confusion_matrix, scores
from stn_icnn_tf.pretrained import load_model
from trainers.common.charts import write_record
from trainers.common.data import load_photos
from trainers.common.flags import define_scoring_flags, refuse_arguments, usage_errors
from trainers.common.paths import define_path, output_file

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_scoring_flags()
    flags.DEFINE_multi_integer("reach", [1, 2, 4, 8], "Distances in pixels.", 1)
    define_path("output", "label_edges.json", "File for the record.")


def near_edge(parts: tf.Tensor, reach: int) -> tf.Tensor:
    """Marks the pixels that see an edge of the labels within a distance.

    Args:
        parts: bool `(height, width)`, whether a pixel is labelled as any part.
        reach: the distance in pixels, along rows and columns.

    Returns:
        bool `(height, width)`: both parts and background lie within `reach`.
    """
    both = tf.cast(tf.stack([parts, ~parts], axis=-1), tf.float32)
    seen = tf.nn.max_pool2d(both[None], 2 * reach + 1, 1, "SAME")[0]
    return tf.reduce_all(seen > 0, axis=-1)


def count_wrong(
    label: tf.Tensor,
    mask: tf.Tensor,
    reaches: tuple[int, ...],
    class_set: ClassSet = EIGHT_PARTS,
) -> tf.Tensor:
    """Counts the pixels that are a part in one mask and none in the other.

    These are the errors that `overall` counts.

    Args:
        label: integer `(height, width)`, class ids.
        mask: integer `(height, width)`, predicted class ids.
        reaches: distances from the labels' edges, in pixels.
        class_set: has the parts.

    Returns:
        int64 `(1 + len(reaches),)`: all of them, and those within each distance.
    """
    is_part = tf.constant(np.isin(range(class_set.num_classes), class_set.part_classes))
    label, mask = (tf.gather(is_part, tf.cast(m, tf.int32)) for m in (label, mask))
    wrong = label != mask
    near = [near_edge(label, reach) & wrong for reach in reaches]
    return tf.stack([tf.math.count_nonzero(marks) for marks in (wrong, *near)])


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        output = output_file(FLAGS.output)
        model = FusedModel(load_model(FLAGS.model))
        dataset, _ = load_photos(
            FLAGS.dataset,
            FLAGS.split,
            model.class_set,
            FLAGS.data_dir,
            FLAGS.manual_dir,
        )
    reaches, class_set = tuple(FLAGS.reach), model.class_set

    def count(photo: tf.Tensor, label: tf.Tensor) -> list[tf.Tensor]:
        mask = model(photo[None])["mask"][0]
        matrix = confusion_matrix(label, mask, class_set.num_classes)
        return [matrix, count_wrong(label, mask, reaches, class_set)]

    matrix, counts = sum_over_photos(count, dataset)
    overall = scores(matrix, class_set)["overall"]
    shares = dict(zip(reaches, (counts[1:] / max(counts[0], 1)).tolist(), strict=True))
    print(f"overall {overall:.4f}")
    for reach, share in shares.items():
        print(f"{share:6.1%} of what is wrong lies within {reach} px of an edge")
    record = {name: getattr(FLAGS, name) for name in ("model", "dataset", "split")}
    record.update(overall=overall, wrong_pixels=int(counts[0]), share_within=shares)
    write_record(record, output)


if __name__ == "__main__":
    define_flags()
    flags.mark_flag_as_required("model")
    app.run(main)
