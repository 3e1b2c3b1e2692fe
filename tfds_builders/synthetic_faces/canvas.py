"""The canvas that faces are drawn on: outlines, pose, mask. NumPy and Pillow only.

A face is laid out in face units: the origin is midway between the eyes, x to the
image's right, y down, and the eyes' centres are 1 apart. A pose takes face units
to pixels. Shapes are drawn `SCALE` times larger than the photo and shrunk; the
mask is drawn from the same outlines at the photo's size.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

SCALE = 2

Color = tuple[float, float, float]


@dataclasses.dataclass(frozen=True)
class Pose:
    """Takes face units to pixels: yaw and pitch shift features, roll turns all."""

    center: tuple[float, float]
    eye_distance: float
    roll: float
    yaw: float
    pitch: float

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Maps `(n, 2)` face units to `(n, 2)` pixels."""
        x, y = points[:, 0].copy(), points[:, 1].copy()
        # The face is a half-cylinder: what is near its rim turns out of view.
        depth = np.sqrt(np.maximum(1.0 - (x / 1.6) ** 2, 0.0))
        x = x * np.cos(self.yaw) + (depth - 0.6) * np.sin(self.yaw)
        y = y * np.cos(self.pitch) + 0.5 * (depth - 0.6) * np.sin(self.pitch)
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        turned = np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)
        return turned * self.eye_distance + np.asarray(self.center)


def curve(points: list, closed: bool = True, steps: int = 8) -> np.ndarray:
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
    segments = []
    for a, b, c, d in zip(p[:-3], p[1:-2], p[2:-1], p[3:], strict=True):
        segments.append(
            0.5
            * (
                2 * b
                + (c - a) * t
                + (2 * a - 5 * b + 4 * c - d) * t**2
                + (3 * b - a - 3 * c + d) * t**3
            )
        )
    if not closed:
        segments.append(p[-2:-1])
    return np.concatenate(segments)


def ellipse(cx: float, cy: float, rx: float, ry: float, count: int = 40) -> np.ndarray:
    """Returns the outline of an ellipse in face units, `(count, 2)`."""
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([cx + rx * np.cos(angle), cy + ry * np.sin(angle)], axis=-1)


class Stencil(NamedTuple):
    """How much of each pixel is covered, 0..255, and where its corner lies."""

    image: Image.Image
    at: tuple[int, int]


class Canvas:
    """A picture that shapes are painted on, and the mask that goes with it."""

    def __init__(self, pixels: np.ndarray, pose: Pose) -> None:
        height, width = pixels.shape[:2]
        self.size = (width, height)
        self.large = (width * SCALE, height * SCALE)
        self.picture = Image.fromarray(pixels).resize(self.large, Image.BILINEAR)
        self.mask = Image.new("L", self.size, 0)
        self.pose = pose

    def stencil(self, outline: np.ndarray, blur: float = 0.0) -> "Stencil":
        """Draws a filled outline; `blur` is in face units."""
        points = self.pose(outline) * SCALE + (SCALE - 1) / 2
        radius = max(blur * self.pose.eye_distance * SCALE, 0.8)
        low = np.maximum(np.floor(points.min(0) - 2 * radius) - 2, 0).astype(int)
        high = np.ceil(points.max(0) + 2 * radius).astype(int) + 2
        high = np.maximum(np.minimum(high, self.large), low + 1)
        image = Image.new("L", tuple(high - low), 0)
        ImageDraw.Draw(image).polygon([tuple(p) for p in points - low], fill=255)
        # A box blur twice is a Gaussian to the eye, and many times faster.
        for _ in range(2):
            image = image.filter(ImageFilter.BoxBlur(radius * 0.6))
        return Stencil(image, (int(low[0]), int(low[1])))

    def paint(
        self,
        outline: np.ndarray,
        color: Color,
        opacity: float = 1.0,
        blur: float = 0.0,
        within: "Stencil | None" = None,
    ) -> None:
        """Paints a filled outline, maybe only within another."""
        image, (left, top) = self.stencil(outline, blur)
        if within is not None:
            limit = Image.new("L", image.size, 0)
            limit.paste(within.image, (within.at[0] - left, within.at[1] - top))
            image = ImageChops.multiply(image, limit)
        if opacity < 1.0:
            image = image.point([int(value * opacity) for value in range(256)])
        fill = tuple(int(np.clip(c, 0, 255)) for c in color)
        box = (left, top, left + image.width, top + image.height)
        self.picture.paste(fill, box, mask=image)

    def texture(self, pixels: np.ndarray, outline: np.ndarray, blur: float) -> None:
        """Paints an outline with a picture of the photo's size."""
        large = Image.fromarray(pixels).resize(self.large, Image.BILINEAR)
        image, (left, top) = self.stencil(outline, blur)
        box = (left, top, left + image.width, top + image.height)
        self.picture.paste(large.crop(box), box, mask=image)

    def line(self, points: np.ndarray, color: Color, width: float) -> None:
        """Draws an open line; `width` is in face units."""
        pixels = self.pose(points) * SCALE + (SCALE - 1) / 2
        ImageDraw.Draw(self.picture).line(
            [tuple(p) for p in pixels],
            fill=tuple(int(np.clip(c, 0, 255)) for c in color),
            width=max(round(width * self.pose.eye_distance * SCALE), 1),
            joint="curve",
        )

    def label(self, outline: np.ndarray, class_id: int) -> None:
        """Labels a filled outline."""
        points = [tuple(p) for p in self.pose(outline)]
        ImageDraw.Draw(self.mask).polygon(points, fill=class_id)

    def finish(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Shrinks, lights, blurs and adds the noise of a camera."""
        small = self.picture.resize(self.size, Image.BOX)
        small = small.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 1.0)))
        pixels = np.asarray(small, "float32")
        width, height = self.size
        # Light from one side, and its colour.
        angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.0, 0.45)
        xs = np.linspace(-1, 1, width, dtype="float32")[None, :]
        ys = np.linspace(-1, 1, height, dtype="float32")[:, None]
        light = 1.0 + strength * (np.cos(angle) * xs + np.sin(angle) * ys)
        cast = rng.uniform(0.88, 1.12, 3) * rng.uniform(0.7, 1.15)
        pixels = pixels * light[..., None] * cast.astype("float32")
        if rng.random() < 0.1:
            pixels = np.repeat(pixels.mean(-1, keepdims=True), 3, axis=-1)
        deviation = rng.uniform(0.5, 6.0)
        pixels += deviation * rng.standard_normal(pixels.shape, dtype="float32")
        return np.clip(pixels, 0, 255).astype("uint8"), np.array(self.mask)
