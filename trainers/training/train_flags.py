"""The flags of `trainers.train`."""

from absl import flags

from stn_icnn_tf.models.presets import MODEL_PRESETS
from trainers.common.flags import define_dataset_flags
from trainers.common.paths import define_path
from trainers.configs.overrides import define_class_set_flag
from trainers.configs.schedules import SCHEDULES
from trainers.configs.stages import STAGE_NAMES


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_dataset_flags()
    flags.DEFINE_multi_string(
        "mix",
        [],
        "Data set to mix in, and its share of the photos: DATASET=SHARE, e.g. "
        "helen=0.15; its split train; may be repeated.",
    )
    define_path("run_dir", None, "Folder of the run: made, or resumed.", remote=True)
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
        "init_from",
        None,
        "Model to start from: run folder, .keras file, or shipped.",
        remote=True,
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
    flags.DEFINE_enum(
        "strategy",
        "mirrored",
        ("mirrored", "multi_worker"),
        "mirrored: over the devices of this host; multi_worker: over the hosts of the "
        "environment variable TF_CONFIG.",
    )
    flags.DEFINE_float(
        "worker_timeout", 600.0, "multi_worker: seconds to wait for all workers.", 1.0
    )


def check_run_dir(values: dict[str, object]) -> bool:
    """Whether the flags name a run folder, or need none."""
    return values["run_dir"] is not None or bool(values["print_config"])
