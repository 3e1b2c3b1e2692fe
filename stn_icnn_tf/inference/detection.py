"""Finding the faces of whole photos by MTCNN, an optional package."""

from typing import Any

import numpy as np

from stn_icnn_tf.extras import needs_extra
from stn_icnn_tf.geometry.squares import square_around

# MTCNN's points and the parts that they mark; its sides are the photo's.
_POINTS = (
    (2, ("left_eye",)),
    (3, ("right_eye",)),
    (4, ("nose",)),
    (5, ("mouth_left", "mouth_right")),
)


# Pairs of proposals that are compared at once.
_MOST_PAIRS = 2**22


def suppress_overlaps(
    bboxes: np.ndarray,
    threshold: float,
    column_image_id: int = 0,
    columns_bbox: slice = slice(1, 5),
    column_confidence: int = 5,
    method: str = "union",
    initial_sort: bool = True,
) -> np.ndarray:
    """Does what MTCNN's `smart_nms_from_bboxes` does, in bounded memory.

    A proposal is dropped if one before it overlaps it by more than `threshold`. The
    arguments are MTCNN's.
    """
    if initial_sort:
        bboxes = bboxes[np.argsort(bboxes[:, column_confidence])[::-1]]
    kept = []
    for image in np.unique(bboxes[:, column_image_id]):
        boxes = bboxes[bboxes[:, column_image_id] == image]
        alone = _not_overlapped(boxes[:, columns_bbox], threshold, method)
        kept.append(boxes[alone])
    return np.concatenate(kept) if kept else np.empty((0, 6))


def _not_overlapped(boxes: np.ndarray, threshold: float, method: str) -> np.ndarray:
    """Tells which boxes, `(count, 4)`, none before them overlaps: bool `(count,)`."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    alone = np.ones(len(boxes), bool)
    step = max(_MOST_PAIRS // max(len(boxes), 1), 1)
    for start in range(0, len(boxes), step):
        rows = slice(start, start + step)
        first = np.maximum(boxes[rows, None, :2], boxes[None, :, :2])
        last = np.minimum(boxes[rows, None, 2:], boxes[None, :, 2:])
        shared = np.prod(np.maximum(last - first, 0), axis=-1)
        if method == "union":
            whole = area[rows, None] + area - shared
        else:
            whole = np.minimum(area[rows, None], area)
        with np.errstate(invalid="ignore", divide="ignore"):
            overlaps = np.triu(shared / whole > threshold, k=1 + start)
        alone &= ~overlaps.any(axis=0)
    return alone


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
            from mtcnn.stages import stage_onet, stage_pnet, stage_rnet
        # MTCNN's own makes arrays of N x N for N proposals, of which a large photo of
        # leaves has ten thousands.
        for stage in (stage_pnet, stage_rnet, stage_onet):
            stage.smart_nms_from_bboxes = suppress_overlaps
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
        return square_around(np.stack(centers), self.mean_crop[parts, 1:])
