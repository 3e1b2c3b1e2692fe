"""What carries a model out for `FaceParser`: TensorFlow, or ONNX Runtime.

Here is the search for a face, which both have; the networks are theirs.
"""

import abc
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from stn_icnn_tf.class_sets import ClassSet
from stn_icnn_tf.geometry.bilinear import to_pixels
from stn_icnn_tf.geometry.candidate_squares import best_candidates, candidate_squares
from stn_icnn_tf.geometry.squares import square_around, whole_square
from stn_icnn_tf.models.search_thresholds import CUTS, WHOLE, SearchThresholds, fits

# Of the networks.
PRECISIONS = ("float32", "bfloat16")

# What is known of a face in a photo, by its name.
Found = dict[str, Any]


class ParsedSquare(NamedTuple):
    """What the networks say of a square of a photo; nothing is pasted yet.

    Attributes:
        theta: float32 `(parts, 2, 3)`, patch -> photo.
        own_square: float32 `(4,)`, of the face, see `squares`.
        confidence: of the coarse net, see `coarse_confidence`.
        found: share of the parts that it finds.
        placed: see `placed_share`.
        labels: what the engine pastes.
    """

    theta: np.ndarray
    own_square: np.ndarray
    confidence: float
    found: float
    placed: float
    labels: Any


class Engine(abc.ABC):
    """Parses photos, uint8 `(height, width, 3)`; arrays of NumPy in and out.

    Its rules are those of `FaceSearch`.

    Args:
        class_set: of the masks.
        mean_crop: `(parts, 3)`, the mean face.
        thresholds: from where on a face is searched for.

    Attributes:
        MIXED_SIZES: whether photos of different sizes are parsed together.
        class_set: see above.
        mean_crop: see above.
    """

    MIXED_SIZES = False

    def __init__(
        self, class_set: ClassSet, mean_crop: Any, thresholds: SearchThresholds
    ) -> None:
        self.class_set, self.mean_crop = class_set, mean_crop
        self._thresholds = thresholds
        self._cut_thresholds = thresholds.of_cuts()
        self._mean_centers = np.asarray(mean_crop, "float32")[:, 1:]

    @abc.abstractmethod
    def parse_framed(self, photos: Sequence[np.ndarray]) -> list[Found]:
        """Parses photos as they are, see `FaceSearch.parse_framed`.

        Args:
            photos: of one size, unless `MIXED_SIZES`.
        """

    @abc.abstractmethod
    def probabilities(self, photo: np.ndarray) -> np.ndarray:
        """Tells how probable each class is, float32 `(height, width, classes)`."""

    @abc.abstractmethod
    def candidate_confidence(self, photo: np.ndarray) -> np.ndarray:
        """Tells how sure the coarse net is of each candidate crop, see `candidates`.

        Returns:
            float32 `(count,)`: the product of what `candidates.candidate_confidence`
            gives.
        """

    @abc.abstractmethod
    def _parse(self, photo: np.ndarray, square: np.ndarray) -> ParsedSquare:
        """Runs the networks on a square of a photo."""

    @abc.abstractmethod
    def _mask(self, parsed: ParsedSquare) -> np.ndarray:
        """Pastes what they said into a mask of the photo, uint8 `(height, width)`."""

    @abc.abstractmethod
    def _probabilities(self, parsed: ParsedSquare) -> np.ndarray:
        """Pastes how probable each class is; zero outside of the square."""

    def find(self, photo: np.ndarray, framed: Found) -> Found:
        """Searches for the face of a photo, see `FaceSearch.find`.

        Args:
            photo: uint8 `(height, width, 3)`, RGB.
            framed: what `parse_framed` gives of it.
        """
        face, square = framed["own_square"], framed["square"]
        sure = framed["confidence"], framed["placed"]
        best, rating = framed, self._thresholds.rate_as_it_is(face, square, *sure)
        for found in self._attempts(photo, framed):
            if found["rating"] > rating:
                best, rating = found, found["rating"]
                if best["placed"] >= WHOLE:
                    break
        return best

    def _attempts(self, photo: np.ndarray, framed: Found) -> Iterator[Found]:
        """Parses a photo where its face may be, the likeliest place first."""
        own_square = framed["own_square"]

        def in_own_square() -> Found:
            if fits(own_square, framed["square"], self._thresholds):
                return framed
            return self._cut_until_it_fits(photo, own_square, CUTS)

        is_sure = self._thresholds.is_sure(framed["confidence"], framed["found"])
        if is_sure:
            yield in_own_square()
        squares = candidate_squares(photo.shape[1::-1])
        whole = framed["confidence"] * framed["found"]
        confidence = self.candidate_confidence(photo)
        squares, is_better = best_candidates(confidence, whole, squares)
        if not (is_sure or is_better):
            yield in_own_square()
        for square in squares:
            # A candidate is not yet the face's own square, which is cut out of it.
            yield self._cut_until_it_fits(photo, square, CUTS + 1)

    def parse_square(self, photo: np.ndarray, square: np.ndarray) -> Found:
        """Parses the face that lies about in a square, see `FaceSearch`."""
        return self._cut_until_it_fits(photo, np.asarray(square, "float32"), CUTS + 1)

    def square_probabilities(self, photo: np.ndarray, square: np.ndarray) -> np.ndarray:
        """Does as `probabilities` for a face in a square; outside is background."""
        pasted = self._probabilities(self._parse(photo, np.asarray(square, "float32")))
        outside = pasted.sum(axis=-1) < 0.5
        pasted[outside] = np.eye(1, self.class_set.num_classes)
        return pasted

    def _parsed(
        self,
        theta: np.ndarray,
        size: tuple[int, ...],
        sure: np.ndarray,
        labels: Any = None,
    ) -> ParsedSquare:
        """Completes what is known of a square of a photo of `(width, height)`.

        Args:
            theta: see `ParsedSquare`.
            size: of the photo in pixels.
            sure: confidence, found and placed.
            labels: see `ParsedSquare`.
        """
        centers = to_pixels(theta[..., 2], np.asarray(size, "float32"))
        own_square = square_around(centers, self._mean_centers)
        confidence, found, placed = sure
        return ParsedSquare(theta, own_square, confidence, found, placed, labels)

    def _cut_until_it_fits(
        self, photo: np.ndarray, square: np.ndarray, cuts: int
    ) -> Found:
        for _ in range(cuts):
            parsed, parsed_in = self._parse(photo, square), square
            square = parsed.own_square
            if fits(square, parsed_in, self._cut_thresholds):
                break
        mask = self._mask(parsed)
        return self._found(mask, parsed, parsed_in)

    def _framed(
        self, photo: np.ndarray, mask: np.ndarray, parsed: ParsedSquare
    ) -> Found:
        """Says of a photo that was parsed as it is whether the model is made for it."""
        square = whole_square(photo.shape[1::-1])
        is_sure = self._thresholds.is_sure(parsed.confidence, parsed.found)
        good = fits(parsed.own_square, square, self._thresholds)
        is_placed = parsed.placed >= self._thresholds.placed
        return {
            **self._found(mask, parsed, square),
            "confidence": parsed.confidence,
            "found": parsed.found,
            "own_square": parsed.own_square,
            "fits": is_sure and good and is_placed,
        }

    def _found(
        self, mask: np.ndarray, parsed: ParsedSquare, square: np.ndarray
    ) -> Found:
        return {
            "mask": mask,
            "theta": parsed.theta,
            "square": square,
            "placed": parsed.placed,
            "rating": self._thresholds.rate(
                parsed.confidence, parsed.found, parsed.placed
            ),
        }
