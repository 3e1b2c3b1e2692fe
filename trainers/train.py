"""Trains a face parser, stage by stage.

Runs resume by themselves: give the same command again. A stage starts from its own
last checkpoint; else from the best epoch of the stage before it in this run; else
from --init_from; else from the seed.

  python -m trainers.train --dataset=helen --manual_dir=DOWNLOADS --run_dir=runs/helen
"""

import json
import pathlib

import keras
import tensorflow as tf
from absl import app, flags, logging

from stn_icnn_tf.class_sets import CLASS_SETS
from stn_icnn_tf.models.stn_icnn import MODEL_PRESETS, StnIcnn, preset_arguments
from stn_icnn_tf.pretrained import differing_arguments, load_model, with_arguments
from trainers.common.data import load_builder, load_split, refuse_other_classes
from trainers.common.flags import define_dataset_flags, refuse_arguments, usage_errors
from trainers.configs.overrides import model_arguments, read_class_set
from trainers.configs.schedules import SCHEDULES, choose_stages, get_schedule
from trainers.configs.stages import STAGE_NAMES
from trainers.training.loop import Trainer, run_stages

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_dataset_flags()
    flags.DEFINE_string("run_dir", None, "Folder of the run: made, or resumed.")
    flags.DEFINE_enum(
        "stage", "all", ("all", *STAGE_NAMES), "Stage to train; all: in their order."
    )
    flags.DEFINE_enum(
        "preset", "default", tuple(MODEL_PRESETS), "Arguments of the model."
    )
    flags.DEFINE_multi_string(
        "set_model",
        [],
        "Override of the preset: FIELD=VALUE, e.g. patch_size=127; may be repeated.",
    )
    flags.DEFINE_string(
        "class_set",
        None,
        f"Class set of the model: one of {tuple(CLASS_SETS)}, or a JSON file of what "
        "ClassSet.get_config returns; none: the preset's.",
    )
    flags.DEFINE_string(
        "init_from", None, "Model to start from: run folder, .keras file, or shipped."
    )
    flags.DEFINE_enum(
        "schedule", "cpu", tuple(SCHEDULES), "Epochs, rates, augmentation."
    )
    flags.DEFINE_multi_string(
        "set", [], "Override: STAGE.FIELD=VALUE, e.g. parts.epochs=3; may be repeated."
    )
    flags.DEFINE_string("train_split", "train", "Split, or slice of one, to train on.")
    flags.DEFINE_string("validation_split", "validation", "Split that chooses epochs.")
    flags.DEFINE_integer("seed", 0, "Seed of weights, shuffling and augmentation.")
    flags.DEFINE_enum(
        "precision", "float32", ("float32", "mixed_bfloat16"), "Policy of the networks."
    )
    flags.DEFINE_bool("jit_compile", False, "Whether XLA compiles the training step.")
    flags.DEFINE_multi_string(
        "device", [], "Devices to mirror over, e.g. GPU:0; none: every local one."
    )


def make_strategy(devices: list[str]) -> tf.distribute.Strategy:
    """Mirrors over the named devices, or over every local GPU, else the CPU."""
    return tf.distribute.MirroredStrategy(devices or None)


def save_model(model: StnIcnn, path: pathlib.Path) -> None:
    """Saves `.keras` in float32, whatever the policy of training was."""
    plain = with_arguments(model, dtype="float32")
    temporary = path.with_name("writing.keras")
    plain.save(temporary)
    temporary.replace(path)


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        stages = get_schedule(FLAGS.schedule, tuple(FLAGS.set))
        stages = choose_stages(stages, FLAGS.stage)
        arguments = model_arguments(tuple(FLAGS.set_model))
        if FLAGS.class_set is not None:
            arguments["class_set"] = read_class_set(FLAGS.class_set)
        class_set = preset_arguments(FLAGS.preset, **arguments)["class_set"]
        start = load_model(FLAGS.init_from) if FLAGS.init_from else None
        builder = load_builder(
            FLAGS.dataset, FLAGS.data_dir, FLAGS.manual_dir, class_set
        )
        refuse_other_classes(builder, class_set)
        training = load_split(builder, FLAGS.train_split)
        validation = load_split(builder, FLAGS.validation_split)
    run_dir = pathlib.Path(FLAGS.run_dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    with open(run_dir / "flags.json", "w") as file:
        json.dump(FLAGS.flag_values_dict(), file, indent=1, default=str)

    keras.utils.set_random_seed(FLAGS.seed)
    strategy = make_strategy(FLAGS.device)
    logging.info("Devices: %s", strategy.extended.worker_devices)
    with usage_errors(), strategy.scope():
        model = StnIcnn.from_preset(FLAGS.preset, dtype=FLAGS.precision, **arguments)
        if start is not None:
            copy_weights(start, model)
    if FLAGS.stage != "all":
        load_earlier_stages(model, run_dir, FLAGS.stage)

    def make_trainer(model: StnIcnn, stage: object) -> Trainer:
        return Trainer(model, stage, strategy, run_dir, FLAGS.seed, FLAGS.jit_compile)

    run_stages(model, stages, make_trainer, training, validation)
    save_model(model, run_dir / "model.keras")
    print(f"Model: {run_dir / 'model.keras'}")


def copy_weights(start: StnIcnn, model: StnIcnn) -> None:
    """Gives a model the weights of another, whose patches may have another size.

    Args:
        start: has the weights.
        model: gets them.

    Raises:
        ValueError: if the shapes of the weights differ.
    """
    differing = ", ".join(
        f"{name}={theirs} for {mine}"
        for name, (mine, theirs) in differing_arguments(model, start).items()
    )
    if [w.shape for w in start.weights] != [w.shape for w in model.weights]:
        raise ValueError(
            "Argument `init_from` must hold a model whose weights have the shapes of "
            f"the new one's. Received: {differing}"
        )
    if differing:
        logging.warning("The model started from has %s", differing)
    model.set_weights(start.get_weights())


def load_earlier_stages(model: StnIcnn, run_dir: pathlib.Path, stage: str) -> None:
    """Loads the best epoch of the last stage before `stage` that the run has."""
    for earlier in reversed(STAGE_NAMES[: STAGE_NAMES.index(stage)]):
        weights = run_dir / earlier / "best.weights.h5"
        if weights.exists():
            model.load_weights(weights)
            logging.info("Starting from %s", weights)
            return


if __name__ == "__main__":
    define_flags()
    flags.mark_flag_as_required("run_dir")
    app.run(main)
