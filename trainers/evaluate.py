"""Scores a model on a split, at the photos' own size; or tables such scores.

python -m trainers.evaluate --model=runs/helen --dataset=helen --split=test
python -m trainers.evaluate --model=runs/helen --cropper=centroid
python -m trainers.evaluate --table=SCORES.json --table=MORE.json --format=latex
"""

import pathlib

import numpy as np
import tensorflow as tf
from absl import app, flags

from stn_icnn_tf.files import as_path, write_whole
from stn_icnn_tf.inference.face_search import FaceSearch
from stn_icnn_tf.inference.fused import PRECISIONS, FusedModel
from stn_icnn_tf.metrics import FaceParsingScores, scores
from stn_icnn_tf.models.pipeline import Pipeline
from stn_icnn_tf.pretrained import load_model
from trainers.common.charts import write_record
from trainers.common.data import (
    decoded_photos,
    find_label_map,
    load_builder,
    load_split,
    short_name,
)
from trainers.common.flags import (
    define_scoring_flags,
    refuse_arguments,
    refuse_flags,
    usage_errors,
)
from trainers.common.label_map import LabelMap
from trainers.common.paths import define_path, define_paths, output_file
from trainers.evaluation.croppers import CROPPERS, make_cropper
from trainers.evaluation.subgroups import (
    SHOWN,
    SubgroupScores,
    format_subgroups,
)
from trainers.evaluation.tables import FORMATS, format_table, score_tables

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_scoring_flags()
    flags.DEFINE_enum("cropper", "learned", CROPPERS, "What places the windows.")
    flags.DEFINE_enum(
        "form",
        "keras",
        ("keras", *PRECISIONS),
        "The Keras model, or the fused model in a precision: what export writes.",
    )
    flags.DEFINE_bool(
        "subgroups",
        False,
        "Score groups of photos, too: size of the face, mouth, head roll; and glasses, "
        "hat and long hair, where the labels have them.",
    )
    flags.DEFINE_bool(
        "find_faces",
        False,
        "Search for the face as trainers.predict does: for photos that are not framed "
        "as the model wants them. There is no score of the coarse net alone then.",
    )
    define_path("json", None, "File for the scores; default: in the run.", remote=True)
    define_paths(
        "table", None, "File of scores to set beside the reference; repeat for more."
    )
    flags.DEFINE_enum("format", "markdown", FORMATS, "With --table: its form.")
    define_path("output", None, "With --table: a file for it.", remote=True)


def evaluate(
    model: Pipeline,
    dataset: tf.data.Dataset,
    cropper: str = "learned",
    label_map: LabelMap | None = None,
    groups: SubgroupScores | None = None,
    find_faces: bool = False,
) -> dict[str, dict[str, float]]:
    """Scores the pasted masks, and the coarse net alone, photo by photo.

    Args:
        model: the model, or its fused form.
        dataset: examples of a TFDS builder of this project.
        cropper: one of `croppers.CROPPERS`.
        label_map: how the labels read in the model's classes; None: they are these.
            Classes that they do not draw are background where they are predicted, and
            have no score.
        groups: gets the confusion matrix of each photo.
        find_faces: whether to search for the face, see `FaceSearch`.

    Returns:
        the scores of `metrics.scores`, under `stn_icnn` and, unless the face is
        searched for, under `coarse`: the coarse scores brought to the photo's size
        bilinearly, then argmax.
    """
    names = ("stn_icnn",) if find_faces else ("stn_icnn", "coarse")
    search = FaceSearch(model) if find_faces else None

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, 3), tf.uint8),
            tf.TensorSpec((None, None, 1), tf.uint8),
        ],
        autograph=False,
    )
    def parse(photo: tf.Tensor, mask: tf.Tensor) -> list[tf.Tensor]:
        if search is not None:
            return [search(photo)["mask"]]
        windows = make_cropper(model, cropper, mask[None, ..., 0])
        outputs = model.parse(photo[None], cropper=windows)
        height, width = tf.shape(photo)[0], tf.shape(photo)[1]
        frame = model.photo_frame((height, width))
        coarse = model.enlarge_scores(outputs["coarse_scores"], frame, (height, width))
        return [outputs["mask"][0], tf.argmax(coarse[0], axis=-1)]

    if label_map is None:
        label_map = LabelMap.of(range(model.class_set.num_classes), model.class_set)
    class_set, undrawn = label_map.class_set, label_map.undrawn
    table = np.array(label_map.table, "uint8")
    metrics = {name: FaceParsingScores(class_set) for name in names}
    for example in decoded_photos(dataset):
        drawn = example["segmentation_mask"].numpy()
        label = table[drawn]
        masks = [
            label_map.told(mask.numpy()) for mask in parse(example["image"], label)
        ]
        for metric, mask in zip(metrics.values(), masks, strict=True):
            metric.update_state(label[..., 0], mask)
        if groups is not None:
            alone = FaceParsingScores(class_set)
            alone.update_state(label[..., 0], masks[0])
            shown = label_map.shown(drawn[..., 0], SHOWN)
            groups.update(alone.matrix.numpy(), label[..., 0], shown)
    return {name: scores(m.matrix, class_set, undrawn) for name, m in metrics.items()}


def write_tables() -> None:
    """Prints the tables of the files that were given, or writes them to a file."""
    with usage_errors():
        given = ("json", "cropper", "form", "subgroups", "find_faces")
        refuse_flags(given, "not with --table")
        text = score_tables(FLAGS.table, FLAGS.format)
        output = output_file(FLAGS.output) if FLAGS.output else None
    if output is None:
        print(text)
        return
    write_whole(f"{text}\n".encode(), output)
    print(f"Tables: {output}")


def scores_file() -> pathlib.Path:
    """Returns where the scores go, as the flags say."""
    if FLAGS.json is not None:
        return output_file(FLAGS.json, "json")
    folder = as_path(FLAGS.model)
    folder = folder if folder.is_dir() else pathlib.Path()
    name = f"{short_name(FLAGS.dataset)}_{FLAGS.split}"
    if FLAGS.cropper != "learned":
        name += f"_{FLAGS.cropper}"
    if FLAGS.form != "keras":
        name += f"_{FLAGS.form}"
    if FLAGS.find_faces:
        name += "_find_faces"
    return output_file(folder / f"scores_{name}.json", "json")


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    if FLAGS.table:
        write_tables()
        return
    with usage_errors():
        refuse_flags(("format", "output"), "only with --table")
        if FLAGS.find_faces and FLAGS.cropper != "learned":
            raise ValueError("--find_faces: only with --cropper=learned")
        model = load_model(FLAGS.model)
        target = scores_file()
        builder = load_builder(
            FLAGS.dataset, FLAGS.data_dir, FLAGS.manual_dir, model.class_set
        )
        label_map = find_label_map(builder, model.class_set)
        dataset = load_split(builder, FLAGS.split)
    parser: Pipeline = model
    if FLAGS.form != "keras":
        parser = FusedModel(model, FLAGS.form)
    class_set, groups = label_map.class_set, None
    if FLAGS.subgroups:
        groups = SubgroupScores(class_set, label_map.undrawn)
    results = evaluate(
        parser, dataset, FLAGS.cropper, label_map, groups, FLAGS.find_faces
    )
    print(f"Cropper: {FLAGS.cropper}")
    print(format_table(results, class_set))
    if groups is not None:
        print(f"\n{format_subgroups(groups.result())}")
    settings = ("model", "dataset", "split", "cropper", "form", "find_faces")
    record = {name: getattr(FLAGS, name) for name in settings}
    record["scores"] = results
    record["subgroups"] = groups.result() if groups is not None else None
    write_record(record, target, "Scores")


if __name__ == "__main__":
    define_flags()
    flags.mark_flags_as_mutual_exclusive(["model", "table"], required=True)
    app.run(main)
