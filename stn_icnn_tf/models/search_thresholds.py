"""How well a photo must be framed for a model to parse it as it is."""

import dataclasses
from typing import Any

import numpy as np

from stn_icnn_tf.geometry.arrays import array_ops, as_float32

Tensor = Any

# How often the square around a face is cut out at most.
CUTS = 2
# Degrees: half of the step between turned candidates.
_UPRIGHT = 7.5

# Where no part lies at the edge of its window, no other place is tried.
WHOLE = 1.0
# One window of six with a part at its edge counts as much as 6 % of the confidence.
_CONFIDENCE_COUNTS = 3

_HIGHEST = {"confidence": 1.0, "found": 1.0, "placed": 1.0, "roll": 180.0}


@dataclasses.dataclass(frozen=True)
class SearchThresholds:
    """From which photos on the face is searched for, see `FaceSearch`.

    `calibrate_search` measures them on the photos that chose a model's epochs. The
    defaults are wide enough for models that were trained on faces of any framing.

    Attributes:
        confidence: least confidence of the coarse net in a photo, 0..1.
        found: least share of the parts that it finds, 0..1.
        smallest: least side of the square around the face in which the mean face
            lies as it does in its frame, as a part of the photo's longer side.
        largest: largest side of it; above 1, where it reaches out of the photo.
        shift: how far its middle may lie from the photo's, as a part of the same.
        roll: by how many degrees it may be rolled, either way.
        placed: least share of the windows that have no part at their edge, see
            `placed_share`, 0..1.

    Raises:
        ValueError: if a number is out of its range.
    """

    confidence: float = 0.9
    found: float = 0.8
    smallest: float = 0.71
    largest: float = 1.4
    shift: float = 0.2
    roll: float = 15.0
    placed: float = 0.9

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            highest = _HIGHEST.get(name, 100.0)
            if not 0 <= value <= highest:
                raise ValueError(
                    f"Argument `{name}` must be in 0..{highest:g}. "
                    f"Received: {name}={value}"
                )

    def is_sure(self, confidence: Tensor, found: Tensor) -> Tensor:
        """Says of each photo, bool, whether its face is surely where it was looked for.

        Args:
            confidence: float, of the coarse net, 0..1.
            found: float, share of the parts that it finds, 0..1.
        """
        return (confidence >= self.confidence) & (found >= self.found)

    def rate(self, confidence: Tensor, found: Tensor, placed: Tensor) -> Tensor:
        """Rates how a face was parsed in one place, against how it was in others.

        What the coarse net is unsure of is worse than all that it is sure of.

        Args:
            confidence: float, of the coarse net, 0..1.
            found: float, share of the parts that it finds, 0..1.
            placed: float, see `placed_share`.

        Returns:
            float, 0..2.
        """
        is_sure = as_float32(self.is_sure(confidence, found))
        return is_sure + placed * (confidence * found) ** _CONFIDENCE_COUNTS

    def rate_as_it_is(
        self, face: Tensor, square: Tensor, confidence: Tensor, placed: Tensor
    ) -> Tensor:
        """Rates a photo as it is, against what a search finds, see `rate`.

        Sunglasses hide parts. Where the coarse net is sure of all that it sees, and
        that lies as it should, only a place that it is sure of as a whole is better;
        else any is.

        Args:
            face: float `(4,)`, own square.
            square: float `(4,)`, of the photo.
            confidence: float, of the coarse net, 0..1.
            placed: float, see `placed_share`.

        Returns:
            float, 1 or -1.
        """
        is_kept = (confidence >= self.confidence) & (placed >= WHOLE)
        return 2.0 * as_float32(is_kept & fits(face, square, self)) - 1.0

    def of_cuts(self) -> "SearchThresholds":
        """Returns those of a square that is cut out: it may as well be upright."""
        return dataclasses.replace(self, roll=min(self.roll, _UPRIGHT))


def fits(face: Tensor, square: Tensor, thresholds: SearchThresholds) -> Tensor:
    """Whether a face's own square is close enough to the one it was seen in.

    Args:
        face: float `(..., 4)`, own squares.
        square: float `(4,)`, where they were seen.
        thresholds: how close is enough.

    Returns:
        bool `(...)`.
    """
    ops = array_ops(face, square)
    ratio = face[..., 2] / square[2]
    shift = ops.max(ops.abs(face[..., :2] - square[:2]), axis=-1) / square[2]
    return (
        (ratio >= thresholds.smallest)
        & (ratio <= thresholds.largest)
        & (shift <= thresholds.shift)
        & (ops.cos(face[..., 3] - square[3]) >= np.cos(np.radians(thresholds.roll)))
    )
