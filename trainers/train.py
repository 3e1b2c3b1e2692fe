"""Trains a face parser, stage by stage.

Runs resume by themselves: give the same command again. A stage starts from its own
last checkpoint; else from the best epoch of the stage before it in this run; else
from --init_from; else from the seed. The folder's config.json says what the run is, and
other settings are refused; but a stage may get more epochs: it goes on, or with cosine
decay starts again, and so do the stages after it.

  python -m trainers.train --dataset=helen --manual_dir=DOWNLOADS --run_dir=runs/helen

With --mix, a batch has photos of several data sets. An epoch is a pass over the first
one, which chooses epochs, too. What a set does not draw, its background may be:

  python -m trainers.train --class_set=head --dataset=celeb_a_mask_hq/all \
    --mix=helen=0.15 --run_dir=runs/head
"""

import contextlib
import importlib
import pathlib
import sys
from collections.abc import Iterator

import keras
import tensorflow as tf
from absl import app, flags, logging

from stn_icnn_tf.data.mixture import Mixture
from stn_icnn_tf.extras import needs_extra
from stn_icnn_tf.files import remove_unfinished, written_beside
from stn_icnn_tf.models.stn_icnn import MODEL_PRESETS, StnIcnn, preset_arguments
from stn_icnn_tf.pretrained import differing_arguments, load_model, with_arguments
from trainers.common.data import find_training_map, load_builder, load_split
from trainers.common.flags import (
    define_dataset_flags,
    parse_mix,
    refuse_arguments,
    usage_errors,
)
from trainers.common.paths import define_path, output_folder, refuse_unwritable
from trainers.common.search_thresholds import measured_thresholds
from trainers.configs.overrides import (
    define_class_set_flag,
    model_arguments,
    read_class_set,
)
from trainers.configs.schedules import SCHEDULES, choose_stages, get_schedule
from trainers.configs.stages import STAGE_NAMES, Stage
from trainers.training.checkpoints import load_earlier_stages, stage_built_on
from trainers.training.checks import (
    refuse_batch_size,
    refuse_jit_compile,
    refuse_jitter,
    steps_per_epoch,
)
from trainers.training.errors import RunError, writing_to
from trainers.training.loop import Trainer, run_stages
from trainers.training.presence import with_presence
from trainers.training.run_config import (
    format_config,
    run_environment,
    run_settings,
    settle_config,
)
from trainers.training.run_lock import locked

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_dataset_flags()
    flags.DEFINE_multi_string(
        "mix",
        [],
        "Data set to mix in, and its share of the photos: DATASET=SHARE, e.g. "
        "helen=0.15; its split train; may be repeated.",
    )
    define_path("run_dir", None, "Folder of the run: made, or resumed.")
    flags.DEFINE_bool(
        "print_config", False, "Print the run's settings as JSON, and train nothing."
    )
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
    define_class_set_flag(None, "Class set of the model; default: the preset's")
    define_path(
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
    flags.DEFINE_bool(
        "jit_compile", False, "Whether XLA compiles the training step; on one device."
    )
    flags.DEFINE_bool(
        "deterministic",
        False,
        "On a GPU: kernels that give the same numbers each time, and a resumed run "
        "those of the uninterrupted one. Slower. On CPUs it is so without.",
    )
    flags.DEFINE_multi_string(
        "device", [], "Devices to mirror over, e.g. GPU:0; none: every local one."
    )


def make_strategy(devices: list[str]) -> tf.distribute.Strategy:
    """Mirrors over the named devices, or over every local GPU, else the CPU.

    Raises:
        ValueError: if a device is not there.
    """
    local = [d.name.removeprefix("/device:") for d in tf.config.list_logical_devices()]
    for device in devices:
        if device.removeprefix("/device:").upper() not in local:
            raise ValueError(
                f"Argument `device` must be one of {local}. Received: device={device}"
            )
    return tf.distribute.MirroredStrategy(devices or None)


def save_model(model: StnIcnn, path: pathlib.Path) -> None:
    """Saves `.keras` in float32, whatever the policy of training was."""
    plain = with_arguments(model, dtype="float32")
    with writing_to(path.parent), written_beside(path) as fresh:
        plain.save(fresh)


def train_stages(
    model: StnIcnn,
    stages: tuple[Stage, ...],
    strategy: tf.distribute.Strategy,
    training: Mixture,
    validation: tf.data.Dataset,
    run_dir: pathlib.Path,
) -> None:
    """Trains stages, and writes the run's model, unless a later stage has made it."""
    started_from = load_earlier_stages(model, run_dir, stages[0].name)

    def make_trainer(model: StnIcnn, stage: Stage) -> Trainer:
        return Trainer(model, stage, strategy, run_dir, FLAGS.seed, FLAGS.jit_compile)

    run_stages(model, stages, make_trainer, training, validation, started_from)
    path = run_dir / "model.keras"
    later = stage_built_on(model, run_dir, stages[-1].name)
    if later is not None and path.exists():
        print(f"Model: {path}, as before: stage {later} goes on from this one")
        return
    model.search_thresholds = measured_thresholds(model, validation)
    save_model(model, path)
    print(f"Model: {path}")


@contextlib.contextmanager
def run_errors() -> Iterator[None]:
    """Ends the script without a traceback for what its user can mend."""
    try:
        yield
    except (RunError, FloatingPointError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped. The same command goes on after the last finished epoch.")


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    if FLAGS.deterministic:
        # Before anything runs; what has no such kernel is an error of TensorFlow.
        keras.utils.set_random_seed(FLAGS.seed)
        tf.config.experimental.enable_op_determinism()
    with usage_errors():
        if FLAGS.run_dir is not None:
            refuse_unwritable(FLAGS.run_dir, "run_dir")
        with needs_extra("Logging needs tensorboard", "train"):
            importlib.import_module("tensorboard")
        schedule = get_schedule(FLAGS.schedule, tuple(FLAGS.set))
        stages = choose_stages(schedule, FLAGS.stage)
        arguments = model_arguments(tuple(FLAGS.set_model))
        if FLAGS.class_set is not None:
            arguments["class_set"] = read_class_set(FLAGS.class_set)
        class_set = preset_arguments(FLAGS.preset, **arguments)["class_set"]
        start = load_model(FLAGS.init_from) if FLAGS.init_from else None
        mix = parse_mix(FLAGS.mix)
        builders = [
            load_builder(name, FLAGS.data_dir, FLAGS.manual_dir, class_set)
            for name in (FLAGS.dataset, *mix)
        ]
        maps = [find_training_map(builder, class_set) for builder in builders]
        splits = [FLAGS.train_split, *["train" for _ in mix]]
        training = Mixture(
            tuple(
                label_map.attach(load_split(builder, split))
                for label_map, builder, split in zip(
                    maps, builders, splits, strict=True
                )
            ),
            tuple(mix.values()),
        )
        validation = maps[0].attach(load_split(builders[0], FLAGS.validation_split))

    keras.utils.set_random_seed(FLAGS.seed)
    with usage_errors():
        strategy = make_strategy(FLAGS.device)
        refuse_jit_compile(FLAGS.jit_compile, strategy.num_replicas_in_sync)
        with strategy.scope():
            model = StnIcnn.from_preset(
                FLAGS.preset,
                load_weights=False,
                dtype=FLAGS.precision,
                **arguments,
            )
            if start is not None:
                copy_weights(start, model)
        for stage in stages:
            if stage.epochs:
                refuse_batch_size(stage, strategy.num_replicas_in_sync)
                refuse_jitter(stage, class_set)
                steps_per_epoch(training, stage, class_set)
    devices = strategy.extended.worker_devices
    settings = run_settings(
        model,
        schedule,
        builders[0],
        (FLAGS.train_split, FLAGS.validation_split),
        FLAGS.seed,
        (FLAGS.init_from, start) if start is not None else None,
        {b.info.full_name: share for b, share in zip(builders[1:], mix.values())},
    )
    environment = run_environment(devices, FLAGS.jit_compile, FLAGS.deterministic)
    if FLAGS.print_config:
        print(format_config(settings, [environment]), end="")
        return
    logging.info("Devices: %s", devices)
    with usage_errors():
        run_dir = output_folder(FLAGS.run_dir, "run_dir")
    with run_errors(), locked(run_dir):
        remove_unfinished(run_dir)
        with writing_to(run_dir):
            settle_config(run_dir, settings, environment)
        if any(stage.repeat_threshold for stage in stages if stage.epochs):
            names = [f"{b.info.full_name} {s}" for b, s in zip(builders, splits)]
            training = with_presence(training, names, class_set, run_dir)
        train_stages(model, stages, strategy, training, validation, run_dir)


def copy_weights(start: StnIcnn, model: StnIcnn) -> None:
    """Gives a model the weights of another, whose patches may have another size.

    A model of other classes starts from the networks that have the same shapes in
    both; the others keep what the seed gave them.

    Args:
        start: has the weights.
        model: gets them.

    Raises:
        ValueError: if networks of the same classes have other shapes, or all have.
    """
    differing = ", ".join(
        f"{name}={theirs} for {mine}"
        for name, (mine, theirs) in differing_arguments(model, start).items()
        if name != "class_set"
    )
    mine, theirs = _networks(model), _networks(start)
    alike = {
        name: name in theirs
        and [w.shape for w in theirs[name].weights] == [w.shape for w in net.weights]
        for name, net in mine.items()
    }
    enough = any if model.class_set != start.class_set else all
    if not enough(alike.values()):
        raise ValueError(
            "Argument `init_from` must hold a model whose weights have the shapes of "
            f"the new one's. Received: {differing}"
        )
    if differing:
        logging.warning("The model started from has %s", differing)
    for name, net in mine.items():
        if alike[name]:
            net.set_weights(theirs[name].get_weights())
    fresh = [name for name, same in alike.items() if not same]
    if fresh:
        logging.warning("Started from the seed, not from that model: %s", fresh)


def _networks(model: StnIcnn) -> dict[str, keras.layers.Layer]:
    networks = {"coarse": model.coarse, "localization": model.localization}
    return {**networks, **model.part_nets}


def check_run_dir(values: dict[str, object]) -> bool:
    """Whether the flags name a run folder, or need none."""
    return values["run_dir"] is not None or bool(values["print_config"])


if __name__ == "__main__":
    define_flags()
    flags.register_multi_flags_validator(
        ("run_dir", "print_config"),
        check_run_dir,
        "Flag --run_dir must have a value, but for --print_config.",
    )
    app.run(main)
