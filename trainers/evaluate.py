"""Scores a model on a split, at the photos' own size.

python -m trainers.evaluate --model=runs/helen --dataset=helen --split=test
"""

import json
import pathlib

import keras
import tensorflow as tf
from absl import app, flags
from tqdm import tqdm

from stn_icnn_tf.labels import CLASS_NAMES, MERGED_CLASSES
from stn_icnn_tf.metrics import FaceParsingScores
from stn_icnn_tf.model import StnIcnn
from stn_icnn_tf.preprocess import decode_example
from stn_icnn_tf.pretrained import load_model
from trainers.data import load_builder, load_split
from trainers.flags_common import usage_errors

FLAGS = flags.FLAGS

SUMMARY = ("overall", "overall_strict", "mean_f1")


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    flags.DEFINE_string("model", None, "Run folder, .keras file, or shipped model.")
    flags.DEFINE_string("dataset", "helen", "Data set, or DATASET/CONFIG.")
    flags.DEFINE_string("data_dir", None, "TFDS data folder.")
    flags.DEFINE_string("manual_dir", None, "Folder with the data set's download.")
    flags.DEFINE_string("split", "test", "Split, or slice of one.")
    flags.DEFINE_string("json", None, "File for the scores; default: in the run.")


def evaluate(model: StnIcnn, dataset: tf.data.Dataset) -> dict[str, dict[str, float]]:
    """Scores the pasted masks, and the coarse net alone, photo by photo.

    Args:
        model: the model.
        dataset: examples of a TFDS builder of this project.

    Returns:
        the scores of `metrics.scores`, under `stn_icnn` and under `coarse`: the
        coarse scores brought to the photo's size bilinearly, then argmax.
    """

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, 3), tf.uint8),
            tf.TensorSpec((None, None, 1), tf.uint8),
        ],
        autograph=False,
    )
    def parse(photo: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        outputs = model(photo[None])
        height, width = tf.shape(photo)[0], tf.shape(photo)[1]
        coarse = upscale_coarse(
            outputs["coarse_scores"], (height, width), model.framing
        )
        return outputs["mask"], tf.cast(tf.argmax(coarse, axis=-1), tf.uint8)

    metrics = {"stn_icnn": FaceParsingScores(), "coarse": FaceParsingScores()}
    decoded = dataset.map(decode_example, num_parallel_calls=2).prefetch(2)
    for example in tqdm(decoded, total=int(dataset.cardinality()), unit=" photos"):
        label = example["segmentation_mask"]
        mask, coarse = parse(example["image"], label)
        metrics["stn_icnn"].update_state(label[..., 0], mask[0])
        metrics["coarse"].update_state(label[..., 0], coarse[0])
    return {name: metric.result() for name, metric in metrics.items()}


def upscale_coarse(
    scores: tf.Tensor, size: tuple[tf.Tensor, tf.Tensor], framing: str
) -> tf.Tensor:
    """Brings coarse scores to the photo's size: the inverse of the framing."""
    height, width = size
    if framing == "stretch":
        return tf.image.resize(scores, (height, width))
    side = tf.maximum(height, width)
    scores = tf.image.resize(scores, (side, side))
    top, left = (side - height) // 2, (side - width) // 2
    return scores[:, top : top + height, left : left + width]


def format_table(results: dict[str, dict[str, float]]) -> str:
    """Formats scores as the columns of the paper's tables, then class by class."""
    columns = (*MERGED_CLASSES, *SUMMARY)
    width = max(len(name) for name in results)
    lines = [" ".join([" " * width, *(f"{c:>{max(len(c), 6)}}" for c in columns)])]
    for name, values in results.items():
        cells = (f"{values[c]:>{max(len(c), 6)}.3f}" for c in columns)
        lines.append(" ".join([f"{name:<{width}}", *cells]))
    lines += ["", f"{'class':<12} {'precision':>9} {'recall':>9} {'F1':>9}"]
    values = results["stn_icnn"]
    for name in CLASS_NAMES:
        cells = (f"{values[f'{name}_{k}']:9.3f}" for k in ("precision", "recall", "f1"))
        lines.append(" ".join([f"{name:<12}", *cells]))
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    """Runs the script."""
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    with usage_errors():
        model = load_model(FLAGS.model)
        builder = load_builder(FLAGS.dataset, FLAGS.data_dir, FLAGS.manual_dir)
        dataset = load_split(builder, FLAGS.split)
    keras.utils.set_random_seed(0)
    results = evaluate(model, dataset)
    print(format_table(results))
    target = FLAGS.json
    if target is None:
        folder = pathlib.Path(FLAGS.model)
        folder = folder if folder.is_dir() else pathlib.Path()
        name = f"{FLAGS.dataset}_{FLAGS.split}".replace("/", "_")
        target = folder / f"scores_{name}.json"
    with open(target, "w") as file:
        json.dump(
            {
                "model": FLAGS.model,
                "dataset": FLAGS.dataset,
                "split": FLAGS.split,
                "scores": results,
            },
            file,
            indent=1,
        )
    print(f"Scores: {target}")


if __name__ == "__main__":
    define_flags()
    flags.mark_flag_as_required("model")
    app.run(main)
