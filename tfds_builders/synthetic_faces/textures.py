"""Backgrounds and skin: noise at several scales, gradients, stripes, shapes."""

import numpy as np
from PIL import Image, ImageDraw


def smooth_noise(
    rng: np.random.Generator, size: tuple[int, int], cells: int, channels: int = 1
) -> np.ndarray:
    """Returns smooth noise, float32 `(height, width, channels)`, about -1..1.

    Args:
        rng: source of randomness.
        size: `(height, width)` in pixels.
        cells: cells along a side; more are finer.
        channels: number of independent channels.
    """
    height, width = size
    planes = []
    for _ in range(channels):
        coarse = rng.standard_normal((cells + 1, cells + 1)).astype("float32") * 0.6
        plane = Image.fromarray(coarse).resize((width, height), Image.BICUBIC)
        planes.append(np.asarray(plane, "float32"))
    return np.stack(planes, axis=-1)


def _random_color(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(10, 245, 3).astype("float32")


def background(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Draws a background, uint8 `(height, width, 3)`."""
    height, width = size
    xs = np.linspace(0, 1, width, dtype="float32")[None, :, None]
    ys = np.linspace(0, 1, height, dtype="float32")[:, None, None]
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.clip(0.5 + np.cos(angle) * (xs - 0.5) + np.sin(angle) * (ys - 0.5), 0, 1)
    pixels = _random_color(rng) * ramp + _random_color(rng) * (1 - ramp)
    for cells in (3, 12):
        strength = rng.uniform(0, 45)
        pixels = pixels + strength * smooth_noise(rng, size, cells, 3)
    if rng.random() < 0.3:
        frequency, turn = rng.uniform(20, 120), rng.uniform(0, np.pi)
        wave = np.sin(frequency * (np.cos(turn) * xs + np.sin(turn) * ys))
        pixels = pixels + rng.uniform(10, 50) * np.sign(wave)
    picture = Image.fromarray(np.clip(pixels, 0, 255).astype("uint8"))
    draw = ImageDraw.Draw(picture)
    for _ in range(rng.integers(0, 9)):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        w, h = rng.uniform(0.05, 0.4, 2) * min(size)
        color = tuple(int(c) for c in _random_color(rng))
        shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
        shape([x, y, x + w, y + h], fill=color)
    return np.asarray(picture)


def skin_texture(
    rng: np.random.Generator, size: tuple[int, int], skin: np.ndarray
) -> np.ndarray:
    """Draws blotchy skin of a colour, uint8 `(height, width, 3)`."""
    pixels = skin + rng.uniform(4, 12) * smooth_noise(rng, size, 4)
    pixels = pixels + rng.uniform(2, 6) * smooth_noise(rng, size, 40)
    return np.clip(pixels, 0, 255).astype("uint8")
