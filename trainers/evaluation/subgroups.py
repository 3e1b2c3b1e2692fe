"""Groups photos by what their labels tell: face, mouth, roll, glasses, hat, hair."""

import math
from collections.abc import Collection, Iterator, Mapping

import numpy as np

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from stn_icnn_tf.geometry.windows import part_centers
from stn_icnn_tf.metrics import scores
from trainers.common.markdown import markdown_table

# Bounds between the groups: side of the box around all parts in pixels, share of
# the mouth that is inner mouth, degrees between the line through the eyes and level.
SMALL_FACE, LARGE_FACE = 150, 250
OPEN_MOUTH = 0.15
ROLLED = 10.0

# Hair is long from this share of it below the mouth.
LONG_HAIR = 0.1

# Classes that make a group, also where the model does not have them.
WORN = ("glasses", "hat")
HAIR = "hair"
SHOWN = (*WORN, HAIR)
MOUTH = ("inner_mouth", "upper_lip", "lower_lip")
EYES = ("left_eye", "right_eye")


def photo_subgroups(
    mask: np.ndarray,
    shown: Mapping[str, np.ndarray] | None = None,
    class_set: ClassSet = EIGHT_PARTS,
) -> Iterator[str]:
    """Yields the names of the groups that a photo belongs to.

    Args:
        mask: uint8 `(height, width)`, class ids.
        shown: name of `SHOWN` -> bool of the same shape, where it is; without those
            that the labels do not draw.
        class_set: of the ids. A group that its classes cannot tell is left out.
    """
    ys, xs = np.nonzero(np.isin(mask, class_set.part_classes))
    if len(xs):
        side = max(np.ptp(xs), np.ptp(ys)) + 1
        if side < SMALL_FACE:
            yield f"face below {SMALL_FACE} px"
        elif side < LARGE_FACE:
            yield f"face {SMALL_FACE} to {LARGE_FACE} px"
        else:
            yield f"face from {LARGE_FACE} px"
    if all(name in class_set.names for name in MOUTH):
        inner, *lips = (mask == class_set.id_of(name) for name in MOUTH)
        mouth = (inner | lips[0] | lips[1]).sum()
        if mouth:
            opened = inner.sum() / mouth >= OPEN_MOUTH
            yield "mouth open" if opened else "mouth closed"
    roll = head_roll(mask, class_set)
    if roll is not None:
        yield (
            f"head rolled {ROLLED:.0f} degrees or more"
            if abs(roll) >= ROLLED
            else f"head rolled less than {ROLLED:.0f} degrees"
        )
    shown = shown or {}
    for name in WORN:
        if name in shown:
            yield name if shown[name].any() else f"no {name}"
    if HAIR in shown and len(ys):
        yield "long hair" if has_long_hair(shown[HAIR], ys) else "no long hair"


def has_long_hair(hair: np.ndarray, rows: np.ndarray) -> bool:
    """Tells whether hair hangs lower than the face's parts.

    Args:
        hair: bool `(height, width)`.
        rows: integer, those of the pixels of the parts.
    """
    below = hair[rows.max() + 1 :].sum()
    return bool(below > LONG_HAIR * hair.sum())


def head_roll(mask: np.ndarray, class_set: ClassSet = EIGHT_PARTS) -> float | None:
    """Returns how the line through the eyes falls to the right, in degrees.

    None if an eye is not there.
    """
    if not all(name in class_set.part_names for name in EYES):
        return None
    centers, present = (np.asarray(a) for a in part_centers(mask, class_set))
    left, right = (class_set.part_names.index(name) for name in EYES)
    if not (present[left] and present[right]):
        return None
    across, down = centers[right] - centers[left]
    return math.degrees(math.atan2(down, across))


class SubgroupScores:
    """Sums the confusion matrices of the photos of each group.

    Args:
        class_set: of the labels.
        undrawn: its classes that the data set does not draw.
    """

    def __init__(
        self, class_set: ClassSet = EIGHT_PARTS, undrawn: Collection[int] = ()
    ) -> None:
        self.class_set = class_set
        self.undrawn = undrawn
        self.photos: dict[str, int] = {}
        self.matrices: dict[str, np.ndarray] = {}

    def update(
        self,
        matrix: np.ndarray,
        mask: np.ndarray,
        shown: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Adds one photo.

        Args:
            matrix: integer `(classes, classes)`, its confusion matrix.
            mask: see `photo_subgroups`.
            shown: see `photo_subgroups`.
        """
        for name in photo_subgroups(mask, shown, self.class_set):
            self.photos[name] = self.photos.get(name, 0) + 1
            self.matrices[name] = self.matrices.get(name, 0) + matrix

    def result(self) -> dict[str, dict[str, float]]:
        """Returns group -> `photos`, `overall`, `mean_f1`."""
        rows: dict[str, dict[str, float]] = {}
        for name in sorted(self.photos):
            result = scores(self.matrices[name], self.class_set, self.undrawn)
            rows[name] = {"photos": self.photos[name]}
            rows[name].update({k: result[k] for k in ("overall", "mean_f1")})
        return rows


def format_subgroups(rows: dict[str, dict[str, float]]) -> str:
    """Formats the groups as a table in Markdown."""
    return markdown_table(
        ("photos with", "photos", "overall", "mean_f1"),
        [
            (name, str(r["photos"]), f"{r['overall']:.3f}", f"{r['mean_f1']:.3f}")
            for name, r in rows.items()
        ],
    )
