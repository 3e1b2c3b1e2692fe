"""Groups photos by what their labels tell: size of the face, mouth, head roll."""

import math
from collections.abc import Iterator

import numpy as np

from stn_icnn_tf.class_sets import CELEBAMASK_HQ_LABELS, CLASS_NAMES, PART_NAMES
from stn_icnn_tf.geometry.windows import part_centers
from stn_icnn_tf.metrics import scores

# Bounds between the groups: side of the box around all parts in pixels, share of
# the mouth that is inner mouth, degrees between the line through the eyes and level.
SMALL_FACE, LARGE_FACE = 150, 250
OPEN_MOUTH = 0.15
ROLLED = 10.0

GLASSES = "eye_g"


def photo_subgroups(
    mask: np.ndarray, glasses: np.ndarray | None = None
) -> Iterator[str]:
    """Yields the names of the groups that a photo belongs to.

    Args:
        mask: uint8 `(height, width)`, class ids.
        glasses: bool of the same shape, where there are glasses; None: not known.
    """
    ys, xs = np.nonzero(mask)
    if len(xs):
        side = max(np.ptp(xs), np.ptp(ys)) + 1
        if side < SMALL_FACE:
            yield f"face below {SMALL_FACE} px"
        elif side < LARGE_FACE:
            yield f"face {SMALL_FACE} to {LARGE_FACE} px"
        else:
            yield f"face from {LARGE_FACE} px"
    mouth = np.isin(mask, (6, 7, 8)).sum()
    if mouth:
        opened = (mask == 7).sum() / mouth >= OPEN_MOUTH
        yield "mouth open" if opened else "mouth closed"
    roll = head_roll(mask)
    if roll is not None:
        yield (
            f"head rolled {ROLLED:.0f} degrees or more"
            if abs(roll) >= ROLLED
            else f"head rolled less than {ROLLED:.0f} degrees"
        )
    if glasses is not None:
        yield "glasses" if glasses.any() else "no glasses"


def head_roll(mask: np.ndarray) -> float | None:
    """Returns how the line through the eyes falls to the right, in degrees.

    None if an eye is not there.
    """
    centers, present = (np.asarray(values) for values in part_centers(mask))
    left, right = PART_NAMES.index("left_eye"), PART_NAMES.index("right_eye")
    if not (present[left] and present[right]):
        return None
    across, down = centers[right] - centers[left]
    return math.degrees(math.atan2(down, across))


def class_table(class_names: tuple[str, ...]) -> np.ndarray | None:
    """Returns the class id of each id of a data set, 0 for what is no part of ours.

    None if the data set's ids are ours already.
    """
    if tuple(class_names) == CLASS_NAMES:
        return None
    return np.array([CELEBAMASK_HQ_LABELS.get(n, 0) for n in class_names], "uint8")


class SubgroupScores:
    """Sums the confusion matrices of the photos of each group."""

    def __init__(self) -> None:
        self.photos: dict[str, int] = {}
        self.matrices: dict[str, np.ndarray] = {}

    def update(
        self, matrix: np.ndarray, mask: np.ndarray, glasses: np.ndarray | None = None
    ) -> None:
        """Adds one photo.

        Args:
            matrix: integer `(9, 9)`, its confusion matrix.
            mask: see `photo_subgroups`.
            glasses: see `photo_subgroups`.
        """
        for name in photo_subgroups(mask, glasses):
            self.photos[name] = self.photos.get(name, 0) + 1
            self.matrices[name] = self.matrices.get(name, 0) + matrix

    def result(self) -> dict[str, dict[str, float]]:
        """Returns group -> `photos`, `overall`, `mean_f1`."""
        rows = {}
        for name in sorted(self.photos):
            result = scores(self.matrices[name])
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
