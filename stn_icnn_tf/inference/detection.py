"""Finding the faces of whole photos by MTCNN, an optional package."""

from typing import Any

import numpy as np

from stn_icnn_tf.extras import needs_extra
from stn_icnn_tf.inference.squares import square_around

# MTCNN's points and the parts that they mark; its sides are the photo's.
_POINTS = (
    (2, ("left_eye",)),
    (3, ("right_eye",)),
    (4, ("nose",)),
    (5, ("mouth_left", "mouth_right")),
)


class FaceDetector:
    """Finds the faces of a photo.

    Args:
        mean_crop: `(parts, 3)`, the mean face of the model that parses them.
        confidence: least certainty of a face, 0..1.

    Raises:
        ImportError: if MTCNN is not installed.

    Reference:
        Zhang et al. 2016, "Joint face detection and alignment using multitask
        cascaded convolutional networks"; the PyPI package `mtcnn`.
    """

    def __init__(self, mean_crop: tuple, confidence: float = 0.9) -> None:
        with needs_extra("Finding faces needs mtcnn", "detect"):
            from mtcnn import MTCNN
        self.mean_crop = np.asarray(mean_crop, "float32")
        self.confidence = confidence
        self._detector = MTCNN()

    def __call__(self, photo: np.ndarray) -> list[np.ndarray]:
        """Finds the faces of a photo.

        Args:
            photo: uint8 `(height, width, 3)`, RGB.

        Returns:
            a float32 `(4,)` a face, the largest first: the square in which the face
            lies as the mean face does in its frame, see `squares`.
        """
        faces = self._detector.detect_faces(photo)
        squares = [
            self._square(face["keypoints"])
            for face in faces
            if face["confidence"] >= self.confidence
        ]
        return sorted(squares, key=lambda square: -square[2])

    def _square(self, points: dict[str, Any]) -> np.ndarray:
        centers = [
            np.mean([points[name] for name in names], axis=0) for _, names in _POINTS
        ]
        parts = [part for part, _ in _POINTS]
        return square_around(np.stack(centers), self.mean_crop[parts, 1:]).numpy()
