"""The candidate crops of a photo: where else its face may be, and which is taken.

For arrays of NumPy and tensors of Keras alike.
"""

from typing import Any

import numpy as np

from stn_icnn_tf.geometry.arrays import array_ops
from stn_icnn_tf.geometry.squares import rotation, whole_square

Tensor = Any

# The candidate crops that are upright: the enlargement, and the place from left to
# right and from top to bottom, 0..1.
CLOSER = (*((2, x / 2, y / 2) for y in range(3) for x in range(3)), (4, 0.5, 0.5))
# Those of the whole photo turned, in degrees. The localization network tells a roll of
# up to some 35 degrees, but the coarse net is the less sure the larger it is: with 30
# degrees between candidates another person's upright face more often won.
ROLLS = tuple(roll for roll in range(-165, 181, 15) if roll)

# By how much more confident a candidate must be than the whole photo: with 1.2 most of
# the faces in a border twice as wide were left as they are, and lost. A candidate that
# is too close cuts parts off, but that counts, too.
MORE_CONFIDENT = 1.05
# What a turned candidate counts above this confidence: of two faces about as sure, the
# larger one is meant. With 1.02 more neighbours won, with 1.05 more faces in a wide
# border were lost.
SURE_TURN = 0.9
TURNED = 1.03
# What one counts up to it that is turned by more than so many degrees: in a border
# three times as wide one face was lost to such a candidate. With 0.985 it still was,
# with 0.96 two that are rolled by 30 degrees; if those of 15 count less as well, one
# at a quarter of the size is half lost.
FAR = 15
FAR_TURNED = 0.98
# Until one shows a whole face, so many candidates are parsed at most, and those only
# that count so much of what the first does.
TRIED = 2
WORTH = 0.8


def candidate_squares(size: Tensor) -> Tensor:
    """Lists the candidates of a photo of `(width, height)`: float32 `(count, 4)`."""
    whole = whole_square(size)
    x, y, side, zero = (whole[index] for index in range(4))
    closer = [
        (x + (1 - 1 / zoom) * (right - 0.5) * side,
         y + (1 - 1 / zoom) * (down - 0.5) * side, side / zoom, zero)
        for zoom, right, down in CLOSER
    ]  # fmt: skip
    turned = [(x, y, side, zero + float(np.radians(roll))) for roll in ROLLS]
    ops = array_ops(whole)
    return ops.stack([ops.stack(square) for square in closer + turned])


def closer_corners(size: int) -> list[tuple[int, int, int]]:
    """Lists where the upright ones begin in a picture of the photo, enlarged.

    Args:
        size: side of a view in pixels.

    Returns:
        enlargement, left and top in pixels of a picture that is as many times as large
        as a view.
    """

    def place(share: float, zoom: int) -> int:
        return round(share * (zoom - 1) * size)

    return [
        (zoom, place(right, zoom), place(down, zoom)) for zoom, right, down in CLOSER
    ]


def turned_maps(size: int) -> np.ndarray:
    """Lists the maps of the turned views into a picture of twice their size.

    Each pixel of a view is so read between four of it.

    Args:
        size: side of a view in pixels.

    Returns:
        float32 `(count, 2, 3)`, pixels (x, y) of a view -> pixels of the picture.
    """
    turn = rotation(np.radians(np.array(ROLLS, "float32")))
    corner = size - 0.5 - turn @ np.full(2, size - 1.0, "float32")
    return np.concatenate([2.0 * turn, corner[..., None]], axis=-1)


def best_candidates(
    confidence: Tensor, whole: Tensor, squares: Tensor
) -> tuple[Tensor, Tensor]:
    """Chooses the best candidates.

    Args:
        confidence: float `(count,)`, in each candidate times the share of the parts
            that are found in it, less where the face is not in its middle.
        whole: float scalar, the same of the whole photo, wherever its face is.
        squares: see `candidate_squares`.

    Returns:
        float32 `(count, 4)`, the squares of those that are worth to be tried, the best
        one first; bool, whether that is better than the whole photo.
    """
    ops = array_ops(confidence)
    rolls = np.abs([0] * len(CLOSER) + [*ROLLS])
    more = np.where(rolls > 0, TURNED, 1.0).astype("float32")
    less = np.where(rolls > FAR, FAR_TURNED, 1.0).astype("float32")
    counted = confidence * ops.where(confidence > SURE_TURN, more, less)
    best = ops.argsort(-counted)[:TRIED]
    counted = ops.take(counted, best)
    worth = best[: ops.sum(counted >= WORTH * counted[0])]
    is_better = ops.take(confidence, best[0]) > MORE_CONFIDENT * whole
    return ops.take(squares, worth, axis=0), is_better
