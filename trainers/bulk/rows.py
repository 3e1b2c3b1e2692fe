"""What a bulk run finds in a photo: a row of its shard."""

import dataclasses
import io
import os
from collections.abc import Sequence

import numpy as np

from stn_icnn_tf.class_sets import ClassSet
from stn_icnn_tf.regions import Box, box_around
from stn_icnn_tf.visualize import palette_image


@dataclasses.dataclass(frozen=True)
class Row:
    """What was found in a photo.

    Attributes:
        name: its path.
        height: in pixels; 0 if it could not be read.
        width: the same.
        mask: a PNG of class ids with a palette; empty if it could not be read.
        areas: pixels a class, by its id; empty if it could not be read.
        boxes: left, top, right and bottom a class, by its id, right and bottom
            exclusive; None where it is not seen.
        error: why it could not be read; None if it could.
    """

    name: str
    height: int = 0
    width: int = 0
    mask: bytes = b""
    areas: tuple[int, ...] = ()
    boxes: tuple[Box | None, ...] = ()
    error: str | None = None

    @property
    def has_face(self) -> bool:
        """Whether any class but background is seen."""
        return any(self.areas[1:])


@dataclasses.dataclass(frozen=True)
class ParsedShard:
    """A shard that is yet to be written.

    Attributes:
        name: of the shard.
        class_names: the name of each class id.
        rows: one a photo, in the order of the plan.
    """

    name: str
    class_names: tuple[str, ...]
    rows: Sequence[Row]


def failed_row(path: str, reason: str) -> Row:
    """Returns the row of a photo that could not be parsed."""
    return Row(_text(path), error=_text(reason) or "it is damaged")


def parsed_row(path: str, mask: np.ndarray, class_set: ClassSet) -> Row:
    """Returns the row of a photo.

    Args:
        path: its path.
        mask: uint8 `(height, width)`, class ids.
        class_set: of these ids.
    """
    areas = np.bincount(mask.ravel(), minlength=class_set.num_classes)
    boxes = [box_around(mask == i) if area else None for i, area in enumerate(areas)]
    content = io.BytesIO()
    palette_image(mask, class_set).save(content, "PNG")
    height, width = mask.shape
    return Row(
        _text(path),
        height,
        width,
        content.getvalue(),
        tuple(areas.tolist()),
        tuple(boxes),
    )


def _text(path: str) -> str:
    """Makes UTF-8 of a file's name that is none."""
    return os.fsencode(path).decode("utf-8", "replace")
