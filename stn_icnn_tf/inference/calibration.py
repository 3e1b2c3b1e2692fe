"""Measures from which photos on a model's search for the face is worth its time."""

import math
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from stn_icnn_tf.inference.face_search import FaceSearch
from stn_icnn_tf.models.pipeline import Pipeline
from stn_icnn_tf.models.search_thresholds import SearchThresholds

# Of the photos that a model was made for: all but this share must pass each check.
_OUTLIERS = 0.01
# All but this share have no part at the edge of a window, or the nets are too weak for
# that to tell anything. It may be more: to search in vain costs time alone.
_MISPLACED = 0.05
# How far beyond them a photo may be and still be parsed as it is: the side and the
# shift as parts, the roll in degrees; and the roll from which on a face is cut out in
# any case.
_LESS_CONFIDENCE, _MORE_SIDE, _MORE_SHIFT, _MORE_ROLL = 0.01, 1.1, 0.05, 5.0
_MOST_ROLL = 15.0


def calibrate_search(model: Pipeline, photos: Iterable[np.ndarray]) -> SearchThresholds:
    """Measures from where on a model's search is worth its time.

    Args:
        model: the model, or its fused form.
        photos: uint8 `(height, width, 3)` each, such as the model was made for: its
            validation photos; a hundred or more.

    Returns:
        the thresholds that all of these photos pass, but for a few outliers.

    Raises:
        ValueError: if there are no photos.
    """
    search = FaceSearch(model, SearchThresholds())
    measure = tf.function(
        search.parse_framed,
        input_signature=[tf.TensorSpec((1, None, None, 3), tf.uint8)],
        autograph=False,
    )
    measured = []
    for photo in photos:
        framed = measure(photo[None])
        own, whole = (framed[k][0].numpy() for k in ("own_square", "square"))
        shift = np.abs(own[:2] - whole[:2]).max() / whole[2]
        side, roll = own[2] / whole[2], np.degrees(abs(own[3]))
        names = ("confidence", "found", "placed")
        sure = (float(framed[name][0]) for name in names)
        measured.append((*sure, side, shift, roll))
    if not measured:
        raise ValueError("Argument `photos` must hold a photo. Received: none")
    confidence, found, placed, side, shift, roll = np.transpose(measured)

    def highest(values: np.ndarray) -> float:
        return float(np.quantile(values, 1.0 - _OUTLIERS))

    def least_share(shares: np.ndarray, outliers: float = _OUTLIERS) -> float:
        # Of a few shares: the one that is there, and not its last digit.
        return math.floor(1e3 * np.quantile(shares, outliers, method="lower")) / 1e3

    return SearchThresholds(
        confidence=round(max(-highest(-confidence) - _LESS_CONFIDENCE, 0.0), 4),
        found=least_share(found),
        placed=min(least_share(placed, _MISPLACED), SearchThresholds.placed),
        smallest=round(-highest(-side) / _MORE_SIDE, 4),
        largest=round(highest(side) * _MORE_SIDE, 4),
        shift=round(highest(shift) + _MORE_SHIFT, 4),
        roll=round(min(highest(roll) + _MORE_ROLL, _MOST_ROLL), 2),
    )
