"""The losses of the paper. Each returns one value an example, `(batch,)`.

No loss reduces over the batch: the loop divides once by the global batch, so
the numbers do not depend on the number of replicas.
"""

from typing import Any

from keras import ops

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet

Tensor = Any

# A logit of no probability: its exponential is 0 in float32, and it stays finite.
_LOW = -1e9


def _mean_per_example(values: Tensor) -> Tensor:
    return ops.mean(ops.reshape(values, (ops.shape(values)[0], -1)), axis=1)


def merge_undrawn(logits: Tensor, background: Tensor) -> Tensor:
    """Merges into background the classes that a data set does not draw.

    A label says "background" there where one of these is, too. So its probability is
    the sum of theirs, the logit by which it is one the log-sum-exp of theirs, and they
    have none left. Losses of the result are those of labels that allow several classes;
    where a data set draws every class, the logits stay as they are.

    Args:
        logits: float `(batch, height, width, classes)`.
        background: float `(batch, classes)`: 1 for the classes that the label
            background may mean, itself one of them, else 0.

    Returns:
        float32, of the shape of `logits`; very low for classes that were merged.
    """
    logits = ops.cast(logits, "float32")

    def merge() -> Tensor:
        hidden = ops.reshape(background, (-1, 1, 1, logits.shape[-1])) > 0
        merged = ops.logsumexp(ops.where(hidden, logits, _LOW), axis=-1, keepdims=True)
        first = ops.arange(logits.shape[-1]) == 0
        return ops.where(first, merged, ops.where(hidden, _LOW, logits))

    # Most data sets draw every class, and merging takes as long as the loss.
    return ops.cond(ops.any(background[:, 1:] > 0), merge, lambda: logits)


def cross_entropy(target: Tensor, logits: Tensor) -> Tensor:
    """Softmax cross entropy, mean over the pixels.

    Args:
        target: float `(batch, height, width, classes)`, one-hot or soft.
        logits: float, of the same shape.

    Returns:
        float `(batch,)`.

    Reference:
        STN-iCNN eq. 18.
    """
    log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    return _mean_per_example(-ops.sum(target * log_probabilities, axis=-1))


def binary_cross_entropy(target: Tensor, logits: Tensor) -> Tensor:
    """Binary cross entropy of every channel, mean over pixels and channels.

    Args:
        target: float `(batch, height, width, classes)`, in 0..1.
        logits: float, of the same shape.

    Returns:
        float `(batch,)`.

    Reference:
        STN-iCNN eq. 16, one part.
    """
    logits = ops.cast(logits, "float32")
    # log(1 + exp(x)) - x * target, written so that it never overflows.
    return _mean_per_example(ops.softplus(logits) - logits * target)


def dice_loss(target: Tensor, logits: Tensor, whole_batch: bool = False) -> Tensor:
    """One minus the soft F1 score, mean over the foreground classes that are there.

    Not in the paper. Parts are some 5 % of a photo's pixels, and cross entropy
    alone spends hundreds of steps on calling all of them background.

    Args:
        target: float `(batch, height, width, classes)`, one-hot, background first.
        logits: float, of the same shape.
        whole_batch: whether a class has one score over all photos of the batch. Where
            a label is a few doubtful pixels, the score of that photo says little, and
            pixels of a class that the photo does not show count as well. The result
            then hangs on which photos are together: on the batch, and on replicas.

    Returns:
        float `(batch,)`, in 0..1; 0 where no part is there.
    """
    probabilities = ops.softmax(ops.cast(logits, "float32"), axis=-1)
    # Background is left out of the sums, not of the pixels: that would copy them.
    size = ops.sum(target, axis=(1, 2))[:, 1:]
    overlap = ops.sum(probabilities * target, axis=(1, 2))[:, 1:]
    total = ops.sum(probabilities, axis=(1, 2))[:, 1:] + size
    if whole_batch:
        size, overlap, total = (
            ops.broadcast_to(ops.sum(x, axis=0, keepdims=True), ops.shape(x))
            for x in (size, overlap, total)
        )
    present = ops.cast(size > 0, "float32")
    values = (1.0 - 2.0 * overlap / (total + 1e-3)) * present
    return ops.sum(values, axis=1) / ops.maximum(ops.sum(present, axis=1), 1.0)


PART_LOSSES = {"softmax": cross_entropy, "binary": binary_cross_entropy}


def part_targets(foreground: Tensor, class_set: ClassSet = EIGHT_PARTS) -> list[Tensor]:
    """Splits patches of one-hot labels into the target of each part.

    Args:
        foreground: float `(batch, parts, patch, patch, part classes)`: the classes that
            parts label, `class_set.part_classes`, sampled bilinearly, so that a
            window's move has a gradient here too; zero outside the photo.
        class_set: says which classes a part has.

    Returns:
        one float `(batch, patch, patch, 1 + classes)` a part, background first.
    """
    targets = []
    plane_of = {k: plane for plane, k in enumerate(class_set.part_classes)}
    for index, part in enumerate(class_set.parts):
        planes = [foreground[:, index, :, :, plane_of[k]] for k in part.classes]
        classes = ops.stack(planes, axis=-1)
        background = 1.0 - ops.sum(classes, axis=-1, keepdims=True)
        targets.append(ops.concatenate([background, classes], axis=-1))
    return targets


def part_loss(
    targets: list[Tensor],
    scores: list[Tensor],
    kind: str = "softmax",
    dice_weight: float = 0.0,
) -> Tensor:
    """Average over the parts of the loss of each part's scores.

    Args:
        targets: one float `(batch, patch, patch, 1 + classes)` a part.
        scores: logits of the same shapes.
        kind: `"softmax"` or, as in eq. 16, `"binary"`.
        dice_weight: weight of the Dice loss that is added; 0 in the paper.

    Returns:
        float `(batch,)`.

    Raises:
        ValueError: if `kind` is neither.

    Reference:
        STN-iCNN eq. 16, 17 and 22.
    """
    if kind not in PART_LOSSES:
        raise ValueError(
            f"Argument `kind` must be one of {tuple(PART_LOSSES)}. "
            f"Received: kind={kind}"
        )
    pairs = list(zip(targets, scores, strict=True))
    values = [PART_LOSSES[kind](target, score) for target, score in pairs]
    if dice_weight:
        values += [dice_weight * dice_loss(target, score) for target, score in pairs]
    return sum(values) / len(pairs)


def smooth_l1(difference: Tensor) -> Tensor:
    """Smooth L1 with the break at 1, elementwise.

    Reference:
        STN-iCNN eq. 20.
    """
    size = ops.abs(difference)
    return ops.where(size < 1.0, 0.5 * ops.square(size), size - 0.5)


def theta_loss(target: Tensor, theta: Tensor, present: Tensor) -> Tensor:
    """Smooth L1 of theta, mean over the parts that are there.

    Args:
        target: float `(batch, parts, 2, 3)`.
        theta: float `(batch, parts, 2, 3)`.
        present: bool `(batch, parts)`: an absent part has no centre and takes
            no part.

    Returns:
        float `(batch,)`; 0 where no part is there.

    Reference:
        STN-iCNN eq. 19.
    """
    # Of the six numbers the three that crop-only theta has, (s, t_x, t_y).
    difference = ops.stack(
        [
            (theta - target)[..., row, column]
            for row, column in ((0, 0), (0, 2), (1, 2))
        ],
        axis=-1,
    )
    weight = ops.cast(present, "float32")
    values = ops.sum(ops.mean(smooth_l1(difference), axis=-1) * weight, axis=1)
    return values / ops.maximum(ops.sum(weight, axis=1), 1.0)
