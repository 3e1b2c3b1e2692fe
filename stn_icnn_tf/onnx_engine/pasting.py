"""Pasting the parts and the base layer into a square, in NumPy.

The rule is that of `pasting_rule`. A part is sampled in its window only, and some rows
at a time: so a large photo takes no planes of floats. Nothing is a matrix product:
NumPy's would start threads for a millisecond's work.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from stn_icnn_tf.class_sets import ClassSet
from stn_icnn_tf.geometry.bilinear import to_pixels
from stn_icnn_tf.geometry.pasting_rule import (
    Pasted,
    combine,
    decide,
    part_labels,
)

_PIXELS_AT_ONCE = 2**19

# Of coarse pixels whose neighbours have other labels.
_EDGE = 255


class Networks(NamedTuple):
    """What the networks say of a square.

    Attributes:
        theta: float32 `(parts, 2, 3)`, patch -> square, without rotation.
        patches: one float32 `(classes, patch, patch)` a part, probabilities.
        base: float32 `(base classes, coarse_size, coarse_size)`, probabilities among
            these; None if background is the only one.
    """

    theta: np.ndarray
    patches: list[np.ndarray]
    base: np.ndarray | None


class _Taps(NamedTuple):
    """How pixels along an axis are read from others: each between two.

    Attributes:
        first: integer `(count,)`, the one before each.
        after: float32 `(count,)`, how far behind it each lies, 0..1.
    """

    first: np.ndarray
    after: np.ndarray

    @classmethod
    def at(cls, places: np.ndarray, size: int) -> "_Taps":
        """Reads at places, clipped to those of `size` pixels."""
        places = np.clip(places, 0.0, size - 1.0)
        first = np.minimum(places.astype("int64"), size - 2)
        return cls(first, (places - first).astype("float32"))

    def of(self, pixels: slice) -> "_Taps":
        """Returns those of some pixels."""
        return _Taps(self.first[pixels], self.after[pixels])


def _sample(planes: np.ndarray, rows: _Taps, columns: _Taps) -> np.ndarray:
    """Samples planes bilinearly: float32 `(count, rows, columns)`."""
    above, below = planes[:, rows.first], planes[:, rows.first + 1]
    planes = above + rows.after[:, None] * (below - above)
    left, right = planes[..., columns.first], planes[..., columns.first + 1]
    right -= left
    right *= columns.after
    right += left
    return right


class _Sampler:
    """Reads patches and base layer at the pixels of a square of some side."""

    def __init__(self, said: Networks, side: int) -> None:
        # Patches fade out over one pixel beyond their corners' centres.
        self.patches = [np.pad(p, ((0, 0), (1, 1), (1, 1))) for p in said.patches]
        patch = said.patches[0].shape[-1]
        pixels = np.linspace(-1.0, 1.0, side, dtype="float32")
        self.taps, self.windows = [], []
        for theta in said.theta:
            places = [
                to_pixels((pixels - theta[axis, 2]) / theta[axis, axis], patch) + 1.0
                for axis in (1, 0)
            ]
            self.taps.append([_Taps.at(place, patch + 2) for place in places])
            self.windows.append([_span(place, patch + 1) for place in places])
        if said.base is not None:
            self.planes = said.base
            self.base_taps = _base_taps(side, said.base.shape[-1])

    def part(self, index: int, rows: slice) -> tuple[tuple[slice, slice], np.ndarray]:
        """Samples a part in its window.

        Args:
            index: of the part.
            rows: those of the square that are wanted.

        Returns:
            where in the square; float32 `(classes, height, width)`, which may be empty.
        """
        down, across = self.windows[index]
        first = max(down.start, rows.start)
        down = slice(first, max(min(down.stop, rows.stop), first))
        taps_y, taps_x = self.taps[index]
        sampled = _sample(self.patches[index], taps_y.of(down), taps_x.of(across))
        return (down, across), sampled

    def base(self, down: slice, across: slice) -> np.ndarray:
        """Samples the base layer: float32 `(base classes, height, width)`."""
        taps = self.base_taps
        return _sample(self.planes, taps.of(down), taps.of(across))


def paste_back(said: Networks, side: int, class_set: ClassSet) -> np.ndarray:
    """Pastes the labels of the parts, see `geometry.paste_back`; the same mask.

    Args:
        said: what the networks say.
        side: of the square in pixels.
        class_set: says which classes a part has.

    Returns:
        uint8 `(side, side)`, class ids.
    """
    sampler, base = _Sampler(said, side), said.base
    mask = np.zeros((side, side), "uint8")
    if base is not None:
        enlarged = enlarged_labels(base, side, class_set.base_classes)
        mask = enlarged.labels
    tops, across = zip(*sampler.windows, strict=True)
    across = _around(across)
    width = across.stop - across.start
    for rows in _strips(_around(tops), max(_PIXELS_AT_ONCE // max(width, 1), 1)):
        shape = rows.stop - rows.start, width
        planes = Pasted(
            np.ones(shape, "float32"), np.zeros(shape, "float32"),
            np.zeros(shape, "uint8"),
        )  # fmt: skip
        for index, part in enumerate(class_set.parts):
            (down, along), scores = sampler.part(index, rows)
            inside = (
                slice(down.start - rows.start, down.stop - rows.start),
                slice(along.start - across.start, along.stop - across.start),
            )
            before = Pasted(*(plane[inside] for plane in planes))
            after = combine(before, part_labels(scores, part.classes, "uint8"))
            for plane, values in zip(planes, after, strict=True):
                plane[inside] = values
        labels = None
        if base is not None:
            labels = enlarged.best_within(rows, across), mask[rows, across]
        mask[rows, across] = decide(planes, labels)
    return mask


def paste_probabilities(said: Networks, side: int, class_set: ClassSet) -> np.ndarray:
    """Pastes the probabilities of all classes, as `rectangles.paste_probabilities`.

    Returns:
        float32 `(classes, side, side)`.
    """
    sampler, whole = _Sampler(said, side), slice(0, side)
    planes = np.zeros((class_set.num_classes, side, side), "float32")
    rest = np.ones((side, side), "float32")
    for index, part in enumerate(class_set.parts):
        where, scores = sampler.part(index, whole)
        rest[where] *= 1.0 - scores.sum(axis=0)
        planes[(list(part.classes), *where)] = scores
    shares = [1.0] if said.base is None else sampler.base(whole, whole)
    for class_id, share in zip(class_set.base_classes, shares, strict=True):
        planes[class_id] = rest * share
    planes /= planes.sum(axis=0)
    return planes


class EnlargedLabels(NamedTuple):
    """The best class of each pixel of a square, see `base_layer.EnlargedLabels`.

    Attributes:
        labels: uint8 `(side, side)`, class ids.
        edges: integer `(pixels,)`, those beside which another class is the best.
        best: float32 `(pixels,)`, the highest probability of each of these.
        taps: how the square reads the base layer, along either axis.
        flat_best: float32 `(1, coarse, coarse)`, the highest of each coarse pixel.
    """

    labels: np.ndarray
    edges: np.ndarray
    best: np.ndarray
    taps: _Taps
    flat_best: np.ndarray

    def best_within(self, down: slice, across: slice) -> np.ndarray:
        """Finds the highest probability of each pixel of a rectangle: float32."""
        best = _sample(self.flat_best, self.taps.of(down), self.taps.of(across))[0]
        # It is right but along edges. These are in the order of their rows.
        side = len(self.labels)
        some = slice(
            *np.searchsorted(self.edges, (down.start * side, down.stop * side))
        )
        rows, columns = np.divmod(self.edges[some], side)
        inside = (columns >= across.start) & (columns < across.stop)
        rows, columns = rows[inside] - down.start, columns[inside] - across.start
        best[rows, columns] = self.best[some][inside]
        return best


def enlarged_labels(
    base: np.ndarray, side: int, classes: tuple[int, ...]
) -> EnlargedLabels:
    """Finds the best class of each pixel, see `base_layer.enlarged_labels`.

    Args:
        base: float32 `(classes, coarse, coarse)`, probabilities.
        side: of the result in pixels.
        classes: ids of the classes.
    """
    coarse = base.shape[-1]
    taps = first, after = _base_taps(side, coarse)
    ids = np.array(classes, "uint8")
    labels = ids.take(base.argmax(axis=0))
    corner = labels[:-1, :-1]
    alike = (corner == labels[1:, :-1]) & (corner == labels[:-1, 1:])
    alike &= corner == labels[1:, 1:]
    marked = np.where(alike, corner, np.uint8(_EDGE))
    # Rows first: whole runs of memory.
    marked = marked.T.take(first, axis=0).T.take(first, axis=0)
    # A row of pixels after the other, each of few numbers.
    pixels = np.ascontiguousarray(base.reshape(len(base), -1).T)
    edges = np.flatnonzero(marked == _EDGE)
    best = np.empty(len(edges), "float32")
    # Some at a time, as floats.
    for start in range(0, len(edges), _PIXELS_AT_ONCE):
        some = slice(start, start + _PIXELS_AT_ONCE)
        rows, columns = np.divmod(edges[some], side)
        corners = first[rows] * coarse + first[columns]
        down, right = after[rows, None], after[columns, None]

        def between(at: np.ndarray, right: np.ndarray = right) -> np.ndarray:
            one, other = pixels.take(at, axis=0), pixels.take(at + 1, axis=0)
            other -= one
            other *= right
            other += one
            return other

        above, below = between(corners), between(corners + coarse)
        below -= above
        below *= down
        below += above
        winner = below.argmax(axis=1)
        marked.ravel()[edges[some]] = ids.take(winner)
        best[some] = below[np.arange(len(below)), winner]
    return EnlargedLabels(marked, edges, best, taps, base.max(axis=0)[None])


def _base_taps(side: int, coarse: int) -> _Taps:
    """Reads the pixels of a square from coarse ones; their areas are aligned."""
    places = (np.arange(side, dtype="float32") + 0.5) * (coarse / side) - 0.5
    return _Taps.at(places, coarse)


def _span(places: np.ndarray, end: int) -> slice:
    """Tells which pixels read anything of a patch: those between 0 and `end`."""
    read = np.flatnonzero((places > 0.0) & (places < end))
    return slice(int(read[0]), int(read[-1]) + 1) if len(read) else slice(0, 0)


def _around(spans: tuple[slice, ...]) -> slice:
    """Returns what covers all spans that hold anything."""
    spans = tuple(span for span in spans if span.stop > span.start) or (slice(0, 0),)
    return slice(min(s.start for s in spans), max(s.stop for s in spans))


def _strips(rows: slice, count: int) -> Iterator[slice]:
    for start in range(rows.start, rows.stop, count):
        yield slice(start, min(start + count, rows.stop))
