"""The canvas that faces are drawn on: outlines, pose, mask. NumPy and Pillow only.

A face is laid out in face units: the origin is midway between the eyes, x to the
image's right, y down, and the eyes' centres are 1 apart. A pose takes face units
to pixels. Shapes are drawn `SCALE` times larger than the photo and shrunk; the
mask is drawn from the same outlines, and holds what lies at the pixels' centres.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet

SCALE = 2
# Odd, so that one of the small pixels lies at the centre of each pixel.
LABEL_SCALE = 5

Color = tuple[float, float, float] | np.ndarray


@dataclasses.dataclass(frozen=True)
class Pose:
    """Takes face units to pixels: yaw and pitch shift features, roll turns all.

    Attributes:
        center: `(x, y)` of the point between the eyes, in pixels.
        eye_distance: pixels of a face unit.
        roll: clockwise in the image, in radians.
        yaw: towards the image's right, in radians.
        pitch: downwards, in radians.
    """

    center: tuple[float, float]
    eye_distance: float
    roll: float
    yaw: float
    pitch: float

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Maps `(n, 2)` face units to `(n, 2)` pixels."""
        x, y = points[:, 0], points[:, 1]
        depth = self._depth(x, y)
        x = x * np.cos(self.yaw) + depth * np.sin(self.yaw)
        y = y * np.cos(self.pitch) + 0.5 * depth * np.sin(self.pitch)
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        turned = np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)
        return turned * self.eye_distance + np.asarray(self.center)

    def inverse(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Maps pixels to face units, nearly: x and y of any one shape."""
        x = (x - self.center[0]) / self.eye_distance
        y = (y - self.center[1]) / self.eye_distance
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        seen_x, seen_y = cos * x + sin * y, cos * y - sin * x
        x, y = seen_x, seen_y
        for _ in range(3):
            depth = self._depth(x, y)
            x = (seen_x - depth * np.sin(self.yaw)) / np.cos(self.yaw)
            y = (seen_y - 0.5 * depth * np.sin(self.pitch)) / np.cos(self.pitch)
        return x, y

    def _depth(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        # A half-cylinder, whose rim turns out of view, and the nose on it.
        head = np.sqrt(np.maximum(1.0 - (x / 1.6) ** 2, 0.0)) - 0.6
        nose = 0.35 * np.exp(-((x / 0.35) ** 2) - ((y - 0.6) / 0.35) ** 2)
        return head + nose


def curve(points: np.ndarray | list, closed: bool = True, steps: int = 8) -> np.ndarray:
    """Threads a smooth (Catmull-Rom) curve through points.

    Args:
        points: `(n, 2)` control points.
        closed: whether the last point joins the first.
        steps: points a segment.

    Returns:
        float `(m, 2)`.
    """
    p = np.asarray(points, float)
    if closed:
        p = np.concatenate([p[-1:], p, p[:2]])
    else:
        p = np.concatenate([p[:1], p, p[-1:]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    a, b, c, d = (p[i : len(p) - 3 + i, None] for i in range(4))
    threaded = 0.5 * (
        2 * b
        + (c - a) * t
        + (2 * a - 5 * b + 4 * c - d) * t**2
        + (3 * b - a - 3 * c + d) * t**3
    )
    threaded = threaded.reshape(-1, 2)
    return threaded if closed else np.concatenate([threaded, p[-1:]])


def ellipse(cx: float, cy: float, rx: float, ry: float, count: int = 32) -> np.ndarray:
    """Returns the outline of an ellipse in face units, `(count, 2)`."""
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([cx + rx * np.cos(angle), cy + ry * np.sin(angle)], axis=-1)


def sided(name: str, side: int) -> str:
    """Names the class on one side of the image: -1 is left, 1 right."""
    return f"left_{name}" if side < 0 else f"right_{name}"


def ribbon(points: np.ndarray, width: float) -> np.ndarray:
    """Returns the outline of an open line of `(n, 2)` points that has a width."""
    along = np.gradient(points, axis=0)
    along /= np.linalg.norm(along, axis=-1, keepdims=True)
    across = 0.5 * width * np.stack([-along[:, 1], along[:, 0]], axis=-1)
    return np.concatenate([points + across, (points - across)[::-1]])


class Stencil(NamedTuple):
    """How much of each pixel is covered, 0..255, and where its corner lies."""

    image: Image.Image
    at: tuple[int, int]


class Canvas:
    """A picture that shapes are painted on, and the mask that goes with it.

    Args:
        pixels: uint8 `(height, width, 3)`, what is behind the face.
        pose: where the face is.
        class_set: of the mask.

    Attributes:
        mask: uint8 `(height, width)`, the labels so far.
    """

    def __init__(
        self, pixels: np.ndarray, pose: Pose, class_set: ClassSet = EIGHT_PARTS
    ) -> None:
        height, width = pixels.shape[:2]
        self.size = (width, height)
        self.large = (width * SCALE, height * SCALE)
        self.picture = Image.fromarray(pixels).resize(
            self.large, Image.Resampling.NEAREST
        )
        self.pose = pose
        self.class_set = class_set
        self.mask = np.zeros((height, width), "uint8")

    def stencil(self, outline: np.ndarray, blur: float = 0.0) -> Stencil:
        """Draws a filled outline; `blur` is in face units."""
        points = _enlarge(self.pose(outline), SCALE)
        radius = blur * self.pose.eye_distance * SCALE
        low = np.floor(points.min(0) - 2 * radius) - 2
        high = np.ceil(points.max(0) + 2 * radius) + 2
        low = np.clip(low, 0, np.subtract(self.large, 1)).astype(int)
        high = np.maximum(np.clip(high, 0, self.large), low + 1).astype(int)
        width, height = (int(side) for side in high - low)
        # What is soft needs few pixels.
        step = max(int(radius / 2.5), 1)
        size = (-(-width // step), -(-height // step))
        image = Image.new("L", size, 0)
        ImageDraw.Draw(image).polygon(_flat((points - low) / step), fill=255)
        if radius > 0.5:
            image = _soften(image, radius * 0.6 / step)
        if step > 1:
            large = (size[0] * step, size[1] * step)
            image = image.resize(large, Image.Resampling.BILINEAR).crop(
                (0, 0, width, height)
            )
        return Stencil(image, (int(low[0]), int(low[1])))

    def paint(
        self,
        outline: np.ndarray,
        color: Color,
        opacity: float = 1.0,
        blur: float = 0.0,
        within: Stencil | None = None,
    ) -> None:
        """Paints a filled outline, maybe only within another.

        Args:
            outline: `(n, 2)` in face units.
            color: RGB in 0..255; what is beyond is clipped.
            opacity: 0..1.
            blur: how soft the edge is, in face units.
            within: what else must cover a pixel.
        """
        image, (left, top) = self.stencil(outline, blur)
        if within is not None:
            limit = Image.new("L", image.size, 0)
            limit.paste(within.image, (within.at[0] - left, within.at[1] - top))
            image = ImageChops.multiply(image, limit)
        if opacity < 1.0:
            image = image.point([int(value * opacity) for value in range(256)])
        box = (left, top, left + image.width, top + image.height)
        self.picture.paste(_rgb(color), box, mask=image)

    def texture(self, pixels: np.ndarray, outline: np.ndarray, blur: float) -> None:
        """Paints an outline with a picture of the photo's size."""
        image, (left, top) = self.stencil(outline, blur)
        box = (left, top, left + image.width, top + image.height)
        right, bottom = left + image.width, top + image.height
        source = (left / SCALE, top / SCALE, right / SCALE, bottom / SCALE)
        patch = Image.fromarray(pixels).resize(
            image.size, Image.Resampling.BILINEAR, box=source
        )
        self.picture.paste(patch, box, mask=image)

    def line(self, points: np.ndarray, color: Color, width: float) -> None:
        """Draws an open line; `width` is in face units."""
        ImageDraw.Draw(self.picture).line(
            _flat(_enlarge(self.pose(points), SCALE)),
            fill=_rgb(color),
            width=max(round(width * self.pose.eye_distance * SCALE), 1),
            joint="curve",
        )

    def label(self, outline: np.ndarray, name: str, over_parts: bool = True) -> None:
        """Labels a filled outline.

        Args:
            outline: `(n, 2)` in face units.
            name: of the class; background, if the class set has none of that name.
            over_parts: whether pixels of a cropped part become it, too.
        """
        known = name in self.class_set.names
        class_id = self.class_set.id_of(name) if known else 0
        wanted = self.mask != class_id
        if not over_parts:
            wanted &= ~np.isin(self.mask, self.class_set.part_classes)
        if not wanted.any():
            return
        points = self.pose(outline)
        low = np.clip(np.floor(points.min(0)), 0, self.size).astype(int)
        high = np.clip(np.ceil(points.max(0)) + 1, 0, self.size).astype(int)
        if (low >= high).any():  # Beyond the photo.
            return
        width, height = (int(side) for side in (high - low) * LABEL_SCALE)
        image = Image.new("1", (width, height), 0)
        points = _enlarge(points - low, LABEL_SCALE)
        ImageDraw.Draw(image).polygon(_flat(points), fill=1)
        centers = slice(LABEL_SCALE // 2, None, LABEL_SCALE)
        covered = np.asarray(image)[centers, centers]
        box = np.s_[low[1] : high[1], low[0] : high[0]]
        self.mask[box][covered & wanted[box]] = class_id

    def shrink(self, blur: float) -> np.ndarray:
        """Returns the picture at the photo's size, float32 `(height, width, 3)`.

        Args:
            blur: of the lens, in pixels.
        """
        small = self.picture.reduce(SCALE).filter(ImageFilter.BoxBlur(blur))
        return np.asarray(small, "float32")


def _soften(image: Image.Image, radius: float) -> Image.Image:
    # A box blur twice is a Gaussian to the eye, and many times faster.
    box = ImageFilter.BoxBlur(radius)
    return image.filter(box).filter(box)


def _enlarge(points: np.ndarray, scale: int) -> np.ndarray:
    # Whole numbers are the centres of pixels, at both scales.
    return points * scale + (scale - 1) / 2


def _flat(points: np.ndarray) -> list[float]:
    # Pillow would cut the fractions off.
    return np.rint(points).ravel().tolist()


def _rgb(color: Color) -> tuple[int, ...]:
    return tuple(int(min(max(channel, 0), 255)) for channel in color)
