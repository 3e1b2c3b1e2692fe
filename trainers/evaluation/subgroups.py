"""Groups photos by what their labels tell: size of the face, mouth, head roll."""

import math
from collections.abc import Collection, Iterator

import numpy as np

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from stn_icnn_tf.geometry.windows import part_centers
from stn_icnn_tf.metrics import scores

# Bounds between the groups: side of the box around all parts in pixels, share of
# the mouth that is inner mouth, degrees between the line through the eyes and level.
SMALL_FACE, LARGE_FACE = 150, 250
OPEN_MOUTH = 0.15
ROLLED = 10.0

GLASSES = "eye_g"
MOUTH = ("inner_mouth", "upper_lip", "lower_lip")
EYES = ("left_eye", "right_eye")


def photo_subgroups(
    mask: np.ndarray,
    glasses: np.ndarray | None = None,
    class_set: ClassSet = EIGHT_PARTS,
) -> Iterator[str]:
    """Yields the names of the groups that a photo belongs to.

    Args:
        mask: uint8 `(height, width)`, class ids.
        glasses: bool of the same shape, where there are glasses; None: not known.
        class_set: of the ids. A group that its classes cannot tell is left out.
    """
    cropped = [k for part in class_set.parts for k in part.classes]
    ys, xs = np.nonzero(np.isin(mask, cropped))
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
    if glasses is not None:
        yield "glasses" if glasses.any() else "no glasses"


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
        self, matrix: np.ndarray, mask: np.ndarray, glasses: np.ndarray | None = None
    ) -> None:
        """Adds one photo.

        Args:
            matrix: integer `(classes, classes)`, its confusion matrix.
            mask: see `photo_subgroups`.
            glasses: see `photo_subgroups`.
        """
        for name in photo_subgroups(mask, glasses, self.class_set):
            self.photos[name] = self.photos.get(name, 0) + 1
            self.matrices[name] = self.matrices.get(name, 0) + matrix

    def result(self) -> dict[str, dict[str, float]]:
        """Returns group -> `photos`, `overall`, `mean_f1`."""
        rows = {}
        for name in sorted(self.photos):
            result = scores(self.matrices[name], self.class_set, self.undrawn)
            rows[name] = {"photos": self.photos[name]}
            rows[name].update({k: result[k] for k in ("overall", "mean_f1")})
        return rows


def format_subgroups(rows: dict[str, dict[str, float]]) -> str:
    """Formats the groups as a table in Markdown."""
    lines = ["| photos with | photos | overall | mean_f1 |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {row['photos']} | {row['overall']:.3f} | {row['mean_f1']:.3f} |"
        for name, row in rows.items()
    ]
    return "\n".join(lines)
