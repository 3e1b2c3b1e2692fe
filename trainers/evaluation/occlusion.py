"""Covering parts of a face: what fig. 5 of the paper does by hand. NumPy only."""

from collections.abc import Iterable

import numpy as np

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet, Part

FILLS = ("skin", "noise")

# How far a rectangle reaches beyond its part, against the longer side of the part.
MARGIN = 0.15

Box = tuple[int, int, int, int]


def part_box(mask: np.ndarray, part: Part) -> Box | None:
    """Finds the rectangle around a part.

    Args:
        mask: integer `(height, width)`, class ids.
        part: the part.

    Returns:
        left, top, right, bottom in pixels, half open; None if the part is absent.
    """
    ys, xs = np.nonzero(np.isin(mask, part.classes))
    if not len(ys):
        return None
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


def grow(box: Box, margin: int, size: tuple[int, int]) -> Box:
    """Grows a rectangle by `margin` pixels a side, within `(height, width)`."""
    left, top, right, bottom = box
    return (
        max(left - margin, 0),
        max(top - margin, 0),
        min(right + margin, size[1]),
        min(bottom + margin, size[0]),
    )


def choose_parts(
    mask: np.ndarray,
    most: int,
    rng: np.random.Generator,
    class_set: ClassSet = EIGHT_PARTS,
) -> tuple[int, ...]:
    """Draws 1 to `most` of the parts that a label has: their indices, maybe none."""
    present = [
        index
        for index, part in enumerate(class_set.parts)
        if part_box(mask, part) is not None
    ]
    if not present:
        return ()
    count = rng.integers(1, min(most, len(present)) + 1)
    return tuple(sorted(rng.choice(present, count, replace=False).tolist()))


def cover_parts(
    image: np.ndarray,
    mask: np.ndarray,
    parts: Iterable[int],
    fill: str,
    rng: np.random.Generator,
    class_set: ClassSet = EIGHT_PARTS,
) -> tuple[np.ndarray, list[Box]]:
    """Covers parts, and a margin around each, with a filled rectangle.

    Args:
        image: uint8 `(height, width, 3)`.
        mask: integer `(height, width)`, class ids.
        parts: indices of the parts to cover; those that are absent are left out.
        fill: `"skin"`, the mean colour of what surrounds the rectangle and is no
            part; or `"noise"`, every value alike, pixel by pixel.
        rng: where noise is drawn from.
        class_set: has the parts.

    Returns:
        the covered photo, a copy; and the rectangles, left, top, right, bottom in
        pixels, half open.

    Raises:
        ValueError: if the fill is unknown.

    Reference:
        STN-iCNN fig. 5, where parts are covered "with their background".
    """
    if fill not in FILLS:
        raise ValueError(f"Argument `fill` must be one of {FILLS}. Received: {fill=}")
    covered, boxes = image.copy(), []
    for part in parts:
        box = part_box(mask, class_set.parts[part])
        if box is None:
            continue
        left, top, right, bottom = box
        margin = int(np.ceil(MARGIN * max(right - left, bottom - top)))
        left, top, right, bottom = box = grow(box, margin, mask.shape)
        shape = (bottom - top, right - left, 3)
        if fill == "noise":
            filling = rng.integers(0, 256, shape, "uint8")
        else:
            parts_mask = np.isin(mask, class_set.part_classes)
            filling = _color_around(image, parts_mask, box, margin)
        covered[top:bottom, left:right] = filling
        boxes.append(box)
    return covered, boxes


def _color_around(
    image: np.ndarray, in_parts: np.ndarray, box: Box, margin: int
) -> np.ndarray:
    """Means the pixels of the frame of `margin` pixels around a box.

    Pixels of a part are left out: a brow must not be covered with an eye's colour.
    """
    left, top, right, bottom = grow(box, margin, in_parts.shape)
    around = np.zeros(in_parts.shape, bool)
    around[top:bottom, left:right] = True
    around[box[1] : box[3], box[0] : box[2]] = False
    around &= ~in_parts
    # A box that fills the photo has nothing around it.
    pixels = image[around] if around.any() else image.reshape(-1, 3)
    return np.round(pixels.mean(axis=0)).astype("uint8")
