"""Writes the model of a run in half the space: what is shipped, or sent by mail.

Of several runs that started from the same model it writes the mean of their weights;
with --dataset it measures from which photos on the face is searched for.

  python -m trainers.release --model=runs/helen --output=helen.keras
  python -m trainers.release --model=runs/0 --model=runs/1 --output=helen.keras \
    --dataset=helen
"""

import dataclasses

import numpy as np
from absl import app, flags

from stn_icnn_tf.files import path_with_suffix
from stn_icnn_tf.models.search_thresholds import SearchThresholds
from stn_icnn_tf.models.stn_icnn import StnIcnn
from stn_icnn_tf.pretrained import differing_arguments, load_model, save_compact
from trainers.common.data import load_photos
from trainers.common.flags import define_dataset_flags, refuse_arguments, usage_errors
from trainers.common.paths import define_path, define_paths, output_file
from trainers.common.search_thresholds import measured_thresholds

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_paths(
        "model", None, "Run folder, .keras file, or shipped model; may be repeated."
    )
    define_dataset_flags(None)
    flags.DEFINE_string("split", "validation", "Split of it that was not trained on.")
    define_path("output", None, "The .keras file to write.")


def mean_model(models: list[StnIcnn]) -> StnIcnn:
    """Gives the first model the mean of the weights of all, and returns it.

    So with the search thresholds.

    Runs that started from the same model stay close enough for their mean to be at
    least as good as each (Wortsman et al. 2022, model soups).

    Raises:
        ValueError: if the models differ in their arguments.
    """
    first = models[0]
    for other in models[1:]:
        differing = differing_arguments(first, other)
        if differing:
            raise ValueError(
                "Argument `model` must name models with the same arguments. Received: "
                + ", ".join(
                    f"{k}={one} and {two}" for k, (one, two) in differing.items()
                )
            )
    weights = zip(*(model.get_weights() for model in models))
    first.set_weights([np.mean(values, axis=0) for values in weights])
    thresholds = [dataclasses.astuple(model.search_thresholds) for model in models]
    first.search_thresholds = SearchThresholds(*np.mean(thresholds, axis=0).tolist())
    return first


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        output = output_file(path_with_suffix(FLAGS.output, ".keras"))
        models = [load_model(model) for model in FLAGS.model]
        model = mean_model(models)
        if FLAGS.dataset is not None:
            photos, _ = load_photos(
                FLAGS.dataset,
                FLAGS.split,
                model.class_set,
                FLAGS.data_dir,
                FLAGS.manual_dir,
            )
            model.search_thresholds = measured_thresholds(model, photos)
            print(f"Measured: {model.search_thresholds}")
        save_compact(model, output)
    print(f"Model: {output}")


if __name__ == "__main__":
    define_flags()
    flags.mark_flags_as_required(["model", "output"])
    app.run(main)
