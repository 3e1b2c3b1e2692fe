"""What a stage asks of the devices and the photos, known before any is trained."""

import tensorflow as tf

from stn_icnn_tf.class_sets import ClassSet
from stn_icnn_tf.data.preprocess import examples_per_epoch
from trainers.configs.stages import Stage


def refuse_batch_size(stage: Stage, replicas: int) -> None:
    """Refuses a stage whose batch does not divide over the replicas.

    Raises:
        ValueError: if it does not.
    """
    if stage.batch_size % replicas:
        raise ValueError(
            f"Argument `batch_size` must be a multiple of the {replicas} replicas. "
            f"Received: batch_size={stage.batch_size} in stage {stage.name}"
        )


def refuse_jitter(stage: Stage, class_set: ClassSet) -> None:
    """Refuses a stage whose jitter is not one number, or one `Jitter` a part.

    Raises:
        ValueError: if it is neither.
    """
    if isinstance(stage.jitter, tuple) and len(stage.jitter) != class_set.num_parts:
        raise ValueError(
            "Argument `jitter` must be a number, or one Jitter for each of the parts "
            f"{class_set.part_names}. Received: jitter={stage.jitter} in stage "
            f"{stage.name}"
        )


def steps_per_epoch(training: tf.data.Dataset, stage: Stage) -> int:
    """Counts the steps of an epoch.

    Raises:
        ValueError: if there are fewer photos than a batch holds.
    """
    steps = examples_per_epoch(training, stage.augmentation) // stage.batch_size
    if steps == 0:
        raise ValueError(
            f"Argument `training` must hold at least a batch of {stage.batch_size} "
            f"photos. Received: {int(training.cardinality())} photos"
        )
    return steps
