"""What a stage asks of the devices and the photos, known before any is trained."""

import tensorflow as tf

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from stn_icnn_tf.data.batches import examples_per_epoch
from stn_icnn_tf.data.mixture import Mixture
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


def steps_per_epoch(
    training: tf.data.Dataset | Mixture,
    stage: Stage,
    class_set: ClassSet = EIGHT_PARTS,
) -> int:
    """Counts the steps of an epoch.

    Raises:
        ValueError: if there are fewer photos than a batch holds.
    """
    examples = examples_per_epoch(
        training, stage.augmentation, class_set, stage.repeat_threshold
    )
    if examples < stage.batch_size:
        raise ValueError(
            f"Argument `training` must hold at least a batch of {stage.batch_size} "
            f"photos. Received: {examples // stage.augmentation.variants} photos"
        )
    return examples // stage.batch_size
