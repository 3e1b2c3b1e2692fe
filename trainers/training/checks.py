"""What training asks of devices, photos and weights."""

import numpy as np
import tensorflow as tf

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from stn_icnn_tf.data.batches import examples_per_epoch
from stn_icnn_tf.data.mixture import Mixture
from stn_icnn_tf.models.stn_icnn import StnIcnn
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


def refuse_jit_compile(jit_compile: bool, replicas: int) -> None:
    """Refuses to compile the step of several replicas.

    XLA compiles for one device, and the step reaches the weights of all.

    Raises:
        ValueError: if it is asked for.
    """
    if jit_compile and replicas > 1:
        raise ValueError(
            "Argument `jit_compile` must be False on several devices: XLA compiles for "
            f"one. Received: jit_compile=True on {replicas} devices"
        )


def refuse_broken_weights(model: StnIcnn, where: str) -> None:
    """Refuses weights that are not finite.

    A finite loss may have gradients that are not. The next loss would tell; but after
    the last step of an epoch a checkpoint is written, from which no run could go on.

    Args:
        model: as the step left it.
        where: which step, for the error.

    Raises:
        FloatingPointError: if there are such.
    """
    for weight in model.weights:
        if not np.isfinite(weight.numpy()).all():
            raise FloatingPointError(f"The weight {weight.path} is not finite {where}")


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
