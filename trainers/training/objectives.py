"""What each stage minimises, and what it is judged by."""

import math
from typing import Any

import tensorflow as tf

from stn_icnn_tf.geometry.affine import affine_grid, grid_sample, make_theta
from stn_icnn_tf.geometry.windows import target_theta
from stn_icnn_tf.losses import (
    cross_entropy,
    dice_loss,
    merge_undrawn,
    part_loss,
    part_targets,
    theta_loss,
)
from stn_icnn_tf.metrics import confusion_matrix, merge_undrawn_ids
from stn_icnn_tf.models.stn_icnn import StnIcnn
from trainers.configs.stages import NETWORKS, Jitter, Stage
from trainers.training.enlarging import match_sizes

Batch = dict[str, tf.Tensor]


def true_theta(model: StnIcnn, batch: Batch) -> tf.Tensor:
    """Ground-truth theta `(batch, parts, 2, 3)`, patch -> coarse frame."""
    return target_theta(
        batch["centers"],
        batch["present"],
        batch["frame"],
        model.mean_crop,
        model.window,
    )


def jitter_theta(
    theta: tf.Tensor,
    jitter: float | tuple[Jitter, ...],
    key: tf.Tensor,
    first: tf.Tensor | int = 0,
    total: int | None = None,
) -> tf.Tensor:
    """Moves and resizes windows at random.

    Args:
        theta: float `(batch, parts, 2, 3)`, patch -> any frame.
        jitter: see `Stage`.
        key: integer `(2,)`, the random seed.
        first: place of the first one in the batch of all replicas, which each draw
            the same numbers for the whole of it.
        total: size of that batch; None: this is all of it.

    Returns:
        float `(batch, parts, 2, 3)`, patch -> the same frame.
    """
    if isinstance(jitter, tuple):
        low: Any
        high: Any
        # Rows: log of the side, x, y. What is enlarged fills a smaller window.
        low = [(-math.log(j.scale[1]), -j.shift, -j.shift) for j in jitter]
        high = [(-math.log(j.scale[0]), j.shift, j.shift) for j in jitter]
    else:
        low, high = -jitter, jitter
    scale = tf.linalg.diag_part(theta[..., :2])
    count, parts = tf.unstack(tf.shape(theta)[:2])
    draw = tf.random.stateless_uniform(
        tf.stack([count if total is None else total, parts, 3]), key, low, high
    )
    if total is not None:
        draw = tf.gather(draw, first + tf.range(count))
    # A scale is half a side in normalised units.
    translation = theta[..., 2] + 2.0 * scale * draw[..., 1:]
    return make_theta(scale * tf.exp(draw[..., :1]), translation)


def _source_theta(model: StnIcnn, theta: tf.Tensor, batch: Batch) -> tf.Tensor:
    size = batch["image"].shape[1:3]
    return model.source_theta(theta, batch["frame"], size)


def _crop_with_labels(
    model: StnIcnn, theta: tf.Tensor, batch: Batch
) -> tuple[tf.Tensor, tf.Tensor]:
    """Crops photo and labels, a plane a class of the parts, by the same bilinear grid.

    Labels sampled by nearest neighbour would pass no gradient to theta, and a
    window's move changes image AND label under it.
    """
    mask = batch["mask"][..., None]
    labels = tf.cast(
        mask == tf.constant(model.class_set.part_classes, mask.dtype), tf.float32
    )
    image = tf.cast(batch["image"], tf.float32)
    patches = model.crop(tf.concat([image, labels], axis=-1), theta)
    return patches[..., :3], patches[..., 3:]


def _coarse_loss(
    stage: Stage, scores: tf.Tensor, batch: Batch, key: tf.Tensor
) -> tf.Tensor:
    scores, labels = match_sizes(scores, batch["coarse_mask"], key)
    scores = merge_undrawn(scores, batch["background"])
    target = tf.one_hot(labels, scores.shape[-1])
    loss = cross_entropy(target, scores)
    if stage.dice_weight:
        loss += stage.dice_weight * dice_loss(target, scores, stage.batch_dice)
    return loss


def stage_losses(
    model: StnIcnn,
    stage: Stage,
    batch: Batch,
    key: tf.Tensor,
    first: tf.Tensor | int | None = None,
) -> dict[str, tf.Tensor]:
    """Computes the losses of a training step.

    Networks whose rate is zero run in inference mode.

    Args:
        model: the model.
        stage: the stage.
        batch: see `preprocess.frame_example`, with a batch axis.
        key: integer `(2,)`, the random seed of the step.
        first: of several replicas, the place of this one's first example in the batch
            of all; None: there is one replica.

    Returns:
        float `(batch,)` each: `loss`, what the stage minimises, and its parts
        `coarse_loss`, `theta_loss`, `part_loss` as far as the stage has them.
    """
    losses = {}
    trains = {name: name in stage.trained_networks for name in NETWORKS}
    if stage.name == "parts":
        theta = true_theta(model, batch)
    else:
        scores = model.coarse_scores(batch["coarse_image"], training=trains["coarse"])
        losses["coarse_loss"] = _coarse_loss(stage, scores, batch, key)
    if stage.name in ("localization", "end_to_end"):
        theta = model.localize(scores, training=trains["localization"])
        losses["theta_loss"] = theta_loss(
            true_theta(model, batch), theta, batch["present"]
        )
    if stage.name in ("parts", "end_to_end"):
        theta = _source_theta(model, theta, batch)
        if stage.jitter:
            # In the source: on the way there the `fixed` rule sets the scale anew.
            place = () if first is None else (first, stage.batch_size)
            theta = jitter_theta(theta, stage.jitter, key, *place)
        patches, labels = _crop_with_labels(model, theta, batch)
        part_scores = model.part_scores(patches, training=trains["parts"])
        targets = part_targets(labels, model.class_set)
        losses["part_loss"] = part_loss(
            targets, part_scores, stage.part_loss, stage.dice_weight
        )
    losses["loss"] = {
        "coarse": lambda: losses["coarse_loss"],
        "localization": lambda: losses["theta_loss"],
        "parts": lambda: losses["part_loss"],
        "end_to_end": lambda: (
            losses["part_loss"]
            + stage.coarse_weight * losses["coarse_loss"]
            + stage.theta_weight * losses["theta_loss"]
        ),
    }[stage.name]()
    return losses


def _center_errors(
    model: StnIcnn, theta: tf.Tensor, batch: Batch
) -> tuple[tf.Tensor, tf.Tensor]:
    """Sum of the distances of window centres, in source pixels, and their number."""
    half = (model.canvas_size - 1.0) / 2.0
    offset = _source_theta(model, theta, batch)[..., 2] - batch["centers"]
    counted = tf.cast(batch["present"], tf.float32) * batch["weight"][:, None]
    return tf.reduce_sum(tf.norm(offset * half, axis=-1) * counted), tf.reduce_sum(
        counted
    )


def _patch_masks(
    model: StnIcnn, theta: tf.Tensor, batch: Batch
) -> tuple[tf.Tensor, tf.Tensor]:
    """Labels and predictions `(batch, parts, patch, patch)` inside the windows."""
    grid = affine_grid(theta, (model.patch_size, model.patch_size))
    labels = grid_sample(batch["mask"][..., None], grid, "nearest")[..., 0]
    labels = tf.cast(labels, tf.int32)
    patches = model.crop(tf.cast(batch["image"], tf.float32), theta)
    truths, guesses = [], []
    for index, (part, scores) in enumerate(
        zip(model.class_set.parts, model.part_scores(patches), strict=True)
    ):
        ids = tf.constant((0, *part.classes))
        guesses.append(tf.gather(ids, tf.argmax(scores, axis=-1)))
        truth = labels[:, index]
        mine = tf.reduce_any(truth[..., None] == tf.constant(part.classes), axis=-1)
        truths.append(tf.where(mine, truth, 0))
    return tf.stack(truths, axis=1), tf.stack(guesses, axis=1)


def stage_counts(model: StnIcnn, stage: Stage, batch: Batch) -> dict[str, tf.Tensor]:
    """Counts what a stage is judged by, summed over a batch.

    `coarse` is judged at the coarse labels' size, `parts` inside the true windows,
    `end_to_end` by the pasted mask in the source's pixels; `localization` by how
    far the windows' centres are off.

    Returns:
        `matrix` int64 `(classes, classes)`, the confusion matrix, in which classes
        that an example's data set does not draw are background; `drawn`, float32
        `(classes,)`, on how many examples each class could be drawn; `distance`, the
        sum of the distances of window centres in source pixels, and `centers`, their
        number, as far as the stage has them.
    """
    counts = {}
    if stage.name == "parts":
        theta = _source_theta(model, true_theta(model, batch), batch)
        truth, guess = _patch_masks(model, theta, batch)
    else:
        scores = model.coarse_scores(batch["coarse_image"])
        truth = batch["coarse_mask"]
        guess = tf.argmax(tf.image.resize(scores, truth.shape[1:3]), axis=-1)
    if stage.name in ("localization", "end_to_end"):
        theta = model.localize(scores)
        counts["distance"], counts["centers"] = _center_errors(model, theta, batch)
    if stage.name == "end_to_end":
        theta = _source_theta(model, theta, batch)
        patches = model.crop(tf.cast(batch["image"], tf.float32), theta)
        probabilities = [model.probabilities(s) for s in model.part_scores(patches)]
        truth = batch["mask"]
        size = tuple(truth.shape[1:3])
        base = model.base_probabilities(scores)
        guess = model.paste_back(probabilities, theta, size, base, batch["frame"])
    if stage.name != "localization":
        real = batch["weight"] > 0
        guess = merge_undrawn_ids(guess, batch["background"])
        told = (1.0 - batch["background"]) * batch["weight"][:, None]
        counts["drawn"] = tf.reduce_sum(told, axis=0)
        counts["matrix"] = confusion_matrix(
            tf.boolean_mask(truth, real),
            tf.boolean_mask(guess, real),
            model.class_set.num_classes,
        )
    return counts
