"""Clips of a face whose motion is known: what `benchmarks.flicker` measures on."""

import dataclasses
import fractions
import itertools
import pathlib
import tempfile
from collections.abc import Callable

import numpy as np
from PIL import Image

from benchmarks.overlays import astronaut
from stn_icnn_tf.clips import ClipWriter, read_clip

# Side of the frames; where in the photo they look, and how much they enlarge it.
SIDE = 360
MIDDLE, ENLARGED = (222.0, 128.0), 1.4
# Standard deviation of the noise of a camera, in grey levels.
NOISE = 6.0
# It is encoded as a camera's chip does, with a key frame each half second; then once
# more, as where it is uploaded to. x264's rate factors.
RATE_FACTORS = "20", "23"
_LIKE_A_CHIP = {"tune": "zerolatency", "g": "12"}
RATE = 25
# Pixels along the border, which motion takes out of sight.
BORDER = 16


@dataclasses.dataclass(frozen=True)
class Pose:
    """Where the face is: shift from the middle in pixels, and zoom."""

    x: float = 0.0
    y: float = 0.0
    zoom: float = 1.0

    @property
    def scale(self) -> float:
        """Pixels of the photo a pixel of the frame."""
        return 1.0 / (ENLARGED * self.zoom)

    @property
    def corner(self) -> np.ndarray:
        """Where in the photo the frame's first pixel lies, (x, y)."""
        half = (SIDE - 1.0) / 2.0
        return np.array(MIDDLE) - self.scale * (half + np.array([self.x, self.y]))


def still(time: int) -> Pose:
    """A face that does not move."""
    return Pose()


def gentle(time: int) -> Pose:
    """A head that is held still: drift below a pixel a frame, and some zoom."""
    return Pose(
        6.0 * np.sin(2 * np.pi * time / 60.0),
        4.0 * np.sin(2 * np.pi * time / 45.0 + 1.0),
        1.0 + 0.02 * np.sin(2 * np.pi * time / 50.0),
    )


def fast(time: int) -> Pose:
    """A head that swings by up to 8 pixels a frame."""
    return Pose(40.0 * np.sin(2 * np.pi * time / 32.0))


def jump(time: int) -> Pose:
    """A head that is elsewhere from one frame to the next, every 4 frames."""
    return Pose(*((-40.0, 10.0) if time // 4 % 2 else (35.0, -15.0)))


def render(pose: Pose) -> np.ndarray:
    """Draws the photo at a pose: uint8 `(SIDE, SIDE, 3)`."""
    # Pillow's places are those of pixel corners, ours those of their middles.
    x, y = pose.corner + 0.5 - 0.5 * pose.scale
    return np.asarray(
        Image.fromarray(astronaut()).transform(
            (SIDE, SIDE),
            Image.Transform.AFFINE,
            (pose.scale, 0, x, 0, pose.scale, y),
            Image.Resampling.BICUBIC,
        )
    )


def film(motion: Callable[[int], Pose], count: int, seed: int = 0) -> list[np.ndarray]:
    """Films the face: with noise, encoded as H.264 twice, and decoded again.

    Returns:
        `count` frames, uint8 `(SIDE, SIDE, 3)`.
    """
    rng = np.random.default_rng(seed)
    frames = []
    for time in range(count):
        noisy = render(motion(time)) + rng.normal(0, NOISE, (SIDE, SIDE, 3))
        frames.append(np.clip(np.round(noisy), 0, 255).astype("uint8"))
    for factor in RATE_FACTORS:
        frames = _encoded(frames, factor)
    return frames


def _encoded(frames: list[np.ndarray], factor: str) -> list[np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "clip.mp4"
        with ClipWriter(path, crf=factor, **_LIKE_A_CHIP) as writer:
            for time, frame in enumerate(frames):
                writer.write(frame, fractions.Fraction(time, RATE))
        return [frame.pixels for frame in read_clip(path)]


def seen_from(mask: np.ndarray, there: Pose, here: Pose) -> np.ndarray:
    """Moves a mask as the face moved, by nearest pixel.

    Args:
        mask: uint8 `(SIDE, SIDE)`, at the pose `there`.
        there: see above.
        here: the pose at which it is wanted.

    Returns:
        uint8 `(SIDE, SIDE)`; the outermost pixels again where the mask has none.
    """
    places = [
        (corner + here.scale * np.arange(SIDE) - other) / there.scale
        for corner, other in zip(here.corner, there.corner)
    ]
    x, y = (np.clip(np.round(place).astype(int), 0, SIDE - 1) for place in places)
    return mask[y][:, x]


def on_photo(mask: np.ndarray, pose: Pose) -> np.ndarray:
    """Takes a mask back to places on the photo, the same whatever the pose.

    Its edges are known to a part of a pixel, and by nearest pixel a mask that is as
    steady as can be would flicker. So each place takes the class that has the most
    around it, by a Gaussian of one pixel.

    Args:
        mask: uint8 `(SIDE, SIDE)`, at the pose.
        pose: see above.

    Returns:
        int `(places, places)`, of the middle of the frame.
    """
    middle = np.arange(BORDER, SIDE - BORDER) - (SIDE - 1.0) / 2.0
    # (x, y) of the places, in pixels of the frame.
    places = [
        (MIDDLE[axis] + middle / ENLARGED - pose.corner[axis]) / pose.scale
        for axis in (0, 1)
    ]
    across, down = (_gaussians(place).astype("float32") for place in places)
    present = np.unique(mask)
    shares = [down @ (mask == label).astype("float32") @ across.T for label in present]
    return present[np.argmax(shares, axis=0)]


def _gaussians(places: np.ndarray) -> np.ndarray:
    weights = np.exp(-0.5 * (places[:, None] - np.arange(SIDE)) ** 2)
    return weights / weights.sum(axis=1, keepdims=True)


def flicker(masks: list[np.ndarray], poses: list[Pose]) -> np.ndarray:
    """Counts how often the class of a place on the photo changes from frame to frame.

    Args:
        masks: of the frames one after the other, uint8 `(SIDE, SIDE)` each.
        poses: of the same.

    Returns:
        float `(places, places)`: the changes a frame, as a share of the face's pixels
        each. Their sum is the share of the face that changes from frame to frame.
    """
    labels = [on_photo(mask, pose) for mask, pose in zip(masks, poses)]
    changes = [
        (before != after) / max(np.count_nonzero(after), 1)
        for before, after in itertools.pairwise(labels)
    ]
    return np.mean(changes, axis=0)


def misplaced(masks: list[np.ndarray], poses: list[Pose]) -> float:
    """Measures flicker that is no matter of the pixel grid.

    Args:
        masks: of the frames one after the other, uint8 `(SIDE, SIDE)` each.
        poses: of the same.

    Returns:
        the share of the face's pixels whose class no pixel around the same place had in
        the frame before, 3 x 3: the mean of the frames.
    """
    shares = []
    for (before, there), (after, here) in itertools.pairwise(zip(masks, poses)):
        around = np.pad(seen_from(before, there, here), 1, mode="edge")
        near = [
            around[y : y + SIDE, x : x + SIDE] == after
            for y in range(3)
            for x in range(3)
        ]
        shares.append(np.sum(~np.any(near, axis=0)) / max(np.count_nonzero(after), 1))
    return float(np.mean(shares))


def mean_f1(mask: np.ndarray, expected: np.ndarray) -> float:
    """Returns the mean F1 of the classes that are expected on 30 pixels or more."""
    scores = []
    for label in range(1, int(expected.max()) + 1):
        wanted, found = expected == label, mask == label
        if np.sum(wanted) >= 30:
            both = np.sum(wanted & found)
            scores.append(2.0 * both / (np.sum(wanted) + np.sum(found)))
    return float(np.mean(scores))
