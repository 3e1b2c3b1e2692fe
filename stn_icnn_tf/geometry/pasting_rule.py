"""Which class a pixel gets that several parts and the base layer speak of.

For planes of pixels of any shape, NumPy's or Keras's.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from stn_icnn_tf.geometry.arrays import array_ops

Tensor = Any
# A float plane a class: a list of them, or an array whose first axis they are.
Planes = Any


class Pasted(NamedTuple):
    """What pasting keeps of each pixel; planes of one shape.

    Attributes:
        rest: product of the parts' probabilities of "not this part".
        best: the highest probability of a part's class so far.
        best_class: its class id.
    """

    rest: Tensor
    best: Tensor
    best_class: Tensor


def best_class(
    probabilities: Planes, classes: Sequence[int], dtype: str = "int32"
) -> tuple[Tensor, Tensor]:
    """Finds the highest of some planes, and the class id that goes with it.

    Args:
        probabilities: a float plane a class.
        classes: their ids.
        dtype: of the ids.

    Returns:
        the highest probability and its class; of equal ones the first.
    """
    best = probabilities[0]
    ops = array_ops(best)
    ids = ops.full_like(best, classes[0], dtype=dtype)
    for plane, class_id in zip(probabilities[1:], classes[1:], strict=True):
        other = ops.full_like(ids, class_id)
        ids = ops.where(plane > best, other, ids)
        best = ops.maximum(best, plane)
    return best, ids


def part_labels(
    probabilities: Planes, classes: Sequence[int], dtype: str = "int32"
) -> Pasted:
    """Tells what one part says of its window's pixels, see `best_class`."""
    return Pasted(1.0 - sum(probabilities), *best_class(probabilities, classes, dtype))


def combine(before: Pasted, part: Pasted) -> Pasted:
    """Adds what one part says to what those before it said of the same pixels."""
    ops = array_ops(part.best)
    return Pasted(
        before.rest * part.rest,
        ops.maximum(before.best, part.best),
        ops.where(part.best > before.best, part.best_class, before.best_class),
    )


def decide(pasted: Pasted, base: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """Gives each pixel the class of the highest score.

    A part's class scores its pasted probability. What the parts leave goes to the base
    layer: a base class scores `rest` times its probability among the base classes.
    Without a base layer that is background alone, the paper's product.

    Args:
        pasted: of all parts.
        base: the highest probability among the base classes, and its class; None if
            background is the only one.

    Returns:
        class ids, of the dtype of `pasted.best_class`.

    Reference:
        STN-iCNN eq. 5 and 6; the base layer is ours.
    """
    ops = array_ops(pasted.best)
    if base is None:
        rest, rest_class = pasted.rest, ops.zeros_like(pasted.best_class)
    else:
        rest, rest_class = pasted.rest * base[0], base[1]
    return ops.where(pasted.best > rest, pasted.best_class, rest_class)
