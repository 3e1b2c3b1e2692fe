"""Backgrounds, skin and hair: noise at several scales, gradients, stripes, shapes."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def smooth_noise(
    rng: np.random.Generator, size: tuple[int, int], cells: tuple[int, int]
) -> np.ndarray:
    """Returns smooth noise, float32 `(height, width, 1)`, about -1..1.

    Args:
        rng: source of randomness.
        size: `(height, width)` in pixels.
        cells: cells down and across; more are finer.
    """
    height, width = size
    coarse = rng.standard_normal(cells, dtype="float32") * np.float32(0.6)
    plane = Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(plane)[..., None]


def background(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Draws a background, uint8 `(height, width, 3)`.

    Things of random shape on a gradient, out of focus or not, with noise over it.
    """
    height, width = size
    near, far = _random_color(rng), _random_color(rng)
    if rng.random() < 0.4:  # Plain, as in a studio.
        far = near * rng.uniform(0.5, 1.0)
    angle = rng.uniform(0, 2 * np.pi)
    xs = np.linspace(-0.5, 0.5, width, dtype="float32")[None, :, None]
    ys = np.linspace(-0.5, 0.5, height, dtype="float32")[:, None, None]
    ramp = np.clip(0.5 + np.cos(angle) * xs + np.sin(angle) * ys, 0, 1)
    ramp = ramp.astype("float32")
    pixels = far + (near - far) * ramp
    if rng.random() < 0.25:
        frequency, turn = rng.uniform(20, 120), rng.uniform(0, np.pi)
        wave = np.sin(frequency * (np.cos(turn) * xs + np.sin(turn) * ys))
        pixels += rng.uniform(8, 40) * np.sign(wave).astype("float32")
    picture = Image.fromarray(np.clip(pixels, 0, 255).astype("uint8"))
    draw = ImageDraw.Draw(picture)
    for _ in range(rng.integers(0, 16)):
        _draw_thing(rng, draw, size)
    if rng.random() < 0.6:
        radius = rng.uniform(0.5, 0.04 * min(size))
        picture = picture.filter(ImageFilter.BoxBlur(radius))
    pixels = np.asarray(picture, "float32")
    rough = rng.uniform(0, 20) * smooth_noise(rng, size, (8, 8))
    if rng.random() < 0.5:
        down, across = rng.integers(20, 160, 2)
        rough = rough + rng.uniform(0, 30) * smooth_noise(
            rng, size, (int(down), int(across))
        )
    return np.clip(pixels + rough, 0, 255).astype("uint8")


def skin_texture(
    rng: np.random.Generator, size: tuple[int, int], skin: np.ndarray
) -> np.ndarray:
    """Draws blotchy skin of a colour, uint8 `(height, width, 3)`."""
    blotches = rng.uniform(0.0, 0.05) * smooth_noise(rng, size, (6, 6))
    pores = rng.uniform(0.0, 0.06) * smooth_noise(rng, size, (90, 90))
    pixels = skin.astype("float32") * (1 + blotches + pores)
    return np.clip(pixels, 0, 255).astype("uint8")


def hair_texture(
    rng: np.random.Generator, size: tuple[int, int], hair: np.ndarray
) -> np.ndarray:
    """Draws strands of a colour, uint8 `(height, width, 3)`: straight or curly."""
    across = int(rng.integers(40, 140))
    down = int(rng.integers(4, 12)) if rng.random() < 0.75 else across
    strands = rng.uniform(0.2, 0.55) * smooth_noise(rng, size, (down, across))
    locks = rng.uniform(0.1, 0.4) * smooth_noise(rng, size, (4, 12))
    pixels = (hair.astype("float32") + 6) * (1 + strands + locks)
    return np.clip(pixels, 0, 255).astype("uint8")


def _random_color(rng: np.random.Generator) -> np.ndarray:
    # Most things are rather grey.
    grey, strength = rng.uniform(5, 245), rng.uniform(0, 1) ** 2 * 160
    color = grey + strength * rng.uniform(-0.5, 0.5, 3)
    return np.clip(color, 0, 255).astype("float32")


def _draw_thing(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, size: tuple[int, int]
) -> None:
    height, width = size
    center = rng.uniform(0, 1, 2) * (width, height)
    radii = rng.uniform(0.01, 0.3, 2) * min(size)
    color = tuple(int(c) for c in _random_color(rng))
    corners = rng.uniform(0, 2 * np.pi, int(rng.choice([3, 4, 5, 24])))
    outline = np.stack([np.cos(np.sort(corners)), np.sin(np.sort(corners))], -1)
    points = (center + outline * radii).ravel().tolist()
    if rng.random() < 0.3:
        draw.line(points, fill=color, width=int(rng.integers(1, 6)))
    else:
        draw.polygon(points, fill=color)
