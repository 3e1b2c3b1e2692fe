"""How large the classes of a mask are, and of what colour. No TensorFlow."""

import dataclasses
from typing import Any

import numpy as np

from stn_icnn_tf.class_groups import known_names
from stn_icnn_tf.class_sets import ClassSet
from stn_icnn_tf.color import to_lab

Box = tuple[int, int, int, int]

# Of `Region.row`.
COLUMNS = (
    "class",
    "pixels",
    "share_of_photo",
    "share_of_face",
    "red",
    "green",
    "blue",
    "lightness",
    "a",
    "b",
    "left",
    "top",
    "right",
    "bottom",
)

# Rows that are summed at once: colours as floats take much memory.
_ROWS = 256


@dataclasses.dataclass(frozen=True)
class Region:
    """The pixels of a class.

    Attributes:
        name: of the class.
        pixels: how many they are.
        share_of_photo: that, of all pixels of the photo, 0..1.
        share_of_face: that, divided by the pixels of skin, brows, eyes, nose, lips and
            inner mouth together: above 1 of what is larger than the face. None if there
            are none, or the class set does not know them all.
        rgb: mean red, green and blue, 0..255; None if there is no pixel.
        lab: mean CIELAB of the pixels, see `color.to_lab`; None if there is no pixel.
        box: left, top, right and bottom, right and bottom exclusive; None if there is
            no pixel.
    """

    name: str
    pixels: int
    share_of_photo: float
    share_of_face: float | None
    rgb: tuple[float, float, float] | None
    lab: tuple[float, float, float] | None
    box: Box | None

    def row(self) -> tuple[Any, ...]:
        """Returns the values of `COLUMNS`; what is not known is an empty text."""
        shares = [
            "" if share is None else round(share, 6)
            for share in (self.share_of_photo, self.share_of_face)
        ]
        colors: list[Any] = [""] * 6
        if self.rgb is not None and self.lab is not None:
            colors = [round(value, 2) for value in (*self.rgb, *self.lab)]
        return (self.name, self.pixels, *shares, *colors, *(self.box or [""] * 4))


def box_around(inside: np.ndarray) -> Box | None:
    """Returns the box around the pixels of a mask, bool `(height, width)`."""
    columns, rows = (np.flatnonzero(inside.any(axis=axis)) for axis in (0, 1))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def measure_regions(
    photo: np.ndarray, mask: np.ndarray, class_set: ClassSet
) -> list[Region]:
    """Measures each class but background, whether it is seen or not, by its id.

    Args:
        photo: uint8 `(height, width, 3)`.
        mask: uint8 `(height, width)`, class ids.
        class_set: of these ids.
    """
    count = class_set.num_classes
    pixels, sums = np.zeros(count, int), np.zeros((count, 6))
    for start in range(0, len(mask), _ROWS):
        rows = slice(start, start + _ROWS)
        seen = mask[rows] > 0
        ids, colors = mask[rows][seen], photo[rows][seen]
        pixels += np.bincount(ids, minlength=count)
        for channel, values in enumerate(np.hstack([colors, to_lab(colors)]).T):
            sums[:, channel] += np.bincount(ids, values, count)
    face = pixels[list(known_names(class_set).get("face", ()))].sum()
    found = []
    for class_id, name in enumerate(class_set.names[1:], 1):
        size = int(pixels[class_id])
        means = (sums[class_id] / size).tolist() if size else None
        found.append(
            Region(
                name,
                size,
                size / mask.size,
                float(size / face) if face else None,
                means and tuple(means[:3]),
                means and tuple(means[3:]),
                box_around(mask == class_id) if size else None,
            )
        )
    return found
