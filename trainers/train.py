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

Over several hosts: the same command on each, with --strategy=multi_worker and an own
TF_CONFIG; docs/training_over_hosts.md.
"""

import contextlib
import importlib
import os
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf
from absl import app, flags, logging

from stn_icnn_tf.class_sets import ClassSet
from stn_icnn_tf.data.mixture import Mixture
from stn_icnn_tf.extras import needs_extra
from stn_icnn_tf.files import as_path, is_remote, written_beside
from stn_icnn_tf.models.presets import preset_arguments
from stn_icnn_tf.models.stn_icnn import StnIcnn
from stn_icnn_tf.pretrained import load_model, with_arguments
from trainers.common.data import find_training_map, load_builder, load_split
from trainers.common.flags import (
    parse_mix,
    refuse_arguments,
    refuse_flags,
    usage_errors,
)
from trainers.common.paths import output_folder, refuse_unwritable
from trainers.common.search_thresholds import measured_thresholds
from trainers.configs.overrides import (
    model_arguments,
    read_class_set,
)
from trainers.configs.schedules import choose_stages, get_schedule
from trainers.configs.stages import Stage
from trainers.training.checkpoints import load_earlier_stages, stage_built_on
from trainers.training.checks import (
    refuse_batch_size,
    refuse_jit_compile,
    refuse_jitter,
    steps_per_epoch,
)
from trainers.training.cluster import Cluster, read_cluster, wait_for_all
from trainers.training.errors import RunError, writing_to
from trainers.training.loop import Trainer, run_stages
from trainers.training.presence import with_presence
from trainers.training.run_config import (
    format_config,
    package_versions,
    run_environment,
    run_settings,
    settle_config,
)
from trainers.training.run_folder import open_run
from trainers.training.starting_weights import copy_weights
from trainers.training.strategies import (
    is_chief,
    lost_workers,
    meet,
    mirrored_strategy,
    multi_worker_strategy,
    take_from_chief,
)
from trainers.training.train_flags import check_run_dir, define_flags

FLAGS = flags.FLAGS

# The flags that all workers of a run share; paths may differ from host to host.
_ALIKE = (
    *("strategy", "dataset", "mix", "train_split", "validation_split", "class_set"),
    *("preset", "set_model", "schedule", "set", "stage", "seed", "precision"),
    *("jit_compile", "deterministic"),
)


def find_cluster() -> Cluster | None:
    """Returns the other workers that --strategy asks for; None if it asks for none.

    Raises:
        ValueError: if TF_CONFIG and --strategy do not go together.
    """
    cluster = read_cluster(os.environ.get("TF_CONFIG"))
    if FLAGS.strategy == "multi_worker":
        refuse_flags(("device",), "not with --strategy=multi_worker, which takes all")
        if cluster is None:
            raise ValueError(
                "--strategy=multi_worker needs the environment variable TF_CONFIG, "
                "see docs/training_over_hosts.md"
            )
        return cluster
    if cluster is not None and len(cluster.addresses) > 1:
        raise ValueError(
            f"TF_CONFIG names {len(cluster.addresses)} workers, and each would train "
            "alone. Give --strategy=multi_worker, or unset TF_CONFIG."
        )
    return None


def make_strategy(cluster: Cluster | None) -> tf.distribute.Strategy:
    """Waits for the other workers, if there are any, and joins with them.

    Raises:
        RunError: if one does not come in time, or was started otherwise.
        ValueError: if a device is not there.
    """
    if cluster is None or FLAGS.print_config:
        return mirrored_strategy(FLAGS.device)
    told = {f"--{name}": FLAGS[name].value for name in _ALIKE}
    wait_for_all(cluster, told | package_versions(), FLAGS.worker_timeout)
    return multi_worker_strategy(cluster, FLAGS.worker_timeout)


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
    after_epoch: Callable[[], None],
) -> None:
    """Trains stages, and writes the run's model; see `open_run`."""
    started_from = load_earlier_stages(model, run_dir, stages[0].name)
    take_from_chief(strategy, model.weights)

    def make_trainer(model: StnIcnn, stage: Stage) -> Trainer:
        return Trainer(
            model,
            stage,
            strategy,
            run_dir,
            FLAGS.seed,
            FLAGS.jit_compile,
            show=is_chief(strategy),
            after_epoch=after_epoch,
        )

    run_stages(model, stages, make_trainer, training, validation, started_from)
    if is_chief(strategy):
        write_model(model, stages, validation, run_dir)
    # Not before: a worker that has ended is lost to the others.
    meet(strategy)


def write_model(
    model: StnIcnn,
    stages: tuple[Stage, ...],
    validation: tf.data.Dataset,
    run_dir: pathlib.Path,
) -> None:
    """Writes the run's model, unless a later stage has made it."""
    path = run_dir / "model.keras"
    shown = as_path(FLAGS.run_dir) / path.name
    later = stage_built_on(model, run_dir, stages[-1].name)
    if later is not None and path.exists():
        print(f"Model: {shown}, as before: stage {later} goes on from this one")
        return
    model.search_thresholds = measured_thresholds(model, validation)
    save_model(model, path)
    print(f"Model: {shown}")


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
        cluster = find_cluster()
        writes = cluster is None or cluster.is_chief
        if writes and FLAGS.run_dir is not None and not is_remote(FLAGS.run_dir):
            refuse_unwritable(FLAGS.run_dir, "run_dir")
        with needs_extra("Logging needs tensorboard", "train"):
            importlib.import_module("tensorboard")
        schedule = get_schedule(FLAGS.schedule, tuple(FLAGS.set))
        stages = choose_stages(schedule, FLAGS.stage)
        arguments = model_arguments(tuple(FLAGS.set_model))
        if FLAGS.class_set is not None:
            arguments["class_set"] = read_class_set(FLAGS.class_set)
        class_set = preset_arguments(FLAGS.preset, **arguments)["class_set"]
    # Before TensorFlow is used at all: it joins with others only then.
    with usage_errors(), run_errors():
        strategy = make_strategy(cluster)
    with run_errors(), lost_workers(strategy):
        train(strategy, schedule, stages, arguments, class_set)


def train(
    strategy: tf.distribute.Strategy,
    schedule: tuple[Stage, ...],
    stages: tuple[Stage, ...],
    arguments: dict[str, Any],
    class_set: ClassSet,
) -> None:
    """Makes data and model ready, and trains `stages` of the schedule."""
    with usage_errors():
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
    workers = strategy.num_replicas_in_sync // len(devices)
    environment = run_environment(
        devices, FLAGS.jit_compile, FLAGS.deterministic, workers
    )
    if FLAGS.print_config:
        print(format_config(settings, [environment]), end="")
        return
    logging.info("Devices: %s", devices)
    with usage_errors():
        chief = is_chief(strategy)
        run_dir = output_folder(FLAGS.run_dir, "run_dir") if chief else None
    with open_run(run_dir) as (run_dir, after_epoch):
        with writing_to(run_dir):
            settle_config(run_dir, settings, environment)
        if any(stage.repeat_threshold for stage in stages if stage.epochs):
            names = [f"{b.info.full_name} {s}" for b, s in zip(builders, splits)]
            training = with_presence(training, names, class_set, run_dir)
        train_stages(
            model, stages, strategy, training, validation, run_dir, after_epoch
        )


if __name__ == "__main__":
    define_flags()
    flags.register_multi_flags_validator(
        ("run_dir", "print_config"),
        check_run_dir,
        "Flag --run_dir must have a value, but for --print_config.",
    )
    app.run(main)
