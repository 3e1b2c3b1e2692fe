"""What carries a model out for `FaceParser`: TensorFlow, or ONNX Runtime."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from stn_icnn_tf.class_sets import ClassSet

# Of the networks.
PRECISIONS = ("float32", "bfloat16")

# What is known of a face in a photo, by its name.
Found = dict[str, Any]


class Engine(Protocol):
    """Parses photos, uint8 `(height, width, 3)`; arrays of NumPy in and out.

    Attributes:
        class_set: of the masks.
        mean_crop: `(parts, 3)`, the mean face.
    """

    class_set: ClassSet
    mean_crop: Any

    def parse_framed(self, photos: Sequence[np.ndarray]) -> list[Found]:
        """Parses photos of one size as they are, see `FaceSearch.parse_framed`."""

    def find(self, photo: np.ndarray, framed: Found) -> Found:
        """Searches for the face of a photo, see `FaceSearch.find`."""

    def parse_square(self, photo: np.ndarray, square: np.ndarray) -> Found:
        """Parses the face that lies about in a square, see `FaceSearch`."""

    def probabilities(self, photo: np.ndarray) -> np.ndarray:
        """Tells how probable each class is, float32 `(height, width, classes)`."""

    def square_probabilities(self, photo: np.ndarray, square: np.ndarray) -> np.ndarray:
        """Does so for a face in a square; what lies outside is background."""
