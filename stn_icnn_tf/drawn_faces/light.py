"""Light on a drawn face, and the camera that takes it. NumPy and Pillow only."""

import numpy as np
from PIL import Image

from stn_icnn_tf.drawn_faces.canvas import Pose
from stn_icnn_tf.drawn_faces.look import Look

# Pixels between the points that light is worked out at.
_STEP = 3


def shade(
    rng: np.random.Generator, size: tuple[int, int], pose: Pose, look: Look
) -> tuple[np.ndarray, np.ndarray]:
    """Lights the relief of a face from one direction.

    Args:
        rng: source of randomness.
        size: `(height, width)` in pixels.
        pose: where the face is.
        look: what the face looks like.

    Returns:
        factor: float32 `(height, width, 1)`, multiplies the colours; about 1.
        gloss: float32 `(height, width, 1)`, the highlights that are added, 0..255.
    """
    height, width = size
    xs = np.arange(0, width + _STEP, _STEP, dtype="float32")[None, :]
    ys = np.arange(0, height + _STEP, _STEP, dtype="float32")[:, None]
    x, y = pose.inverse(xs, ys)
    relief = _relief(x, y, look)
    slope = np.gradient(relief, _STEP / pose.eye_distance)
    normal = np.stack([-slope[1], -slope[0], np.ones_like(relief)])
    normal /= np.sqrt(np.square(normal).sum(0))
    # From above more often than from below, from the front more than the side.
    light = np.array([rng.normal(0, 0.6), rng.normal(-0.45, 0.4), rng.uniform(0.6, 1)])
    light /= np.linalg.norm(light)
    facing = np.maximum(np.tensordot(light, normal, 1), 0.0)
    ambient = rng.uniform(0.35, 0.85)
    # Close to the outline of the head, so that what is behind it has no halo.
    rim = (x / 1.1) ** 2 + ((y - 0.19) / 1.5) ** 2
    on_face = np.clip((1.0 - rim) / 0.15, 0, 1)
    factor = ambient + (1 - ambient) * facing / max(light[2], 0.5)
    factor = 1 + on_face * (factor - 1)
    half = light + np.array([0, 0, 1])
    half /= np.linalg.norm(half)
    gloss = np.maximum(np.tensordot(half, normal, 1), 0) ** rng.uniform(12, 40)
    gloss = gloss * on_face * rng.uniform(0, 55)
    # The light of the whole photo falls off to one side.
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.0, 0.35)
    ramp = np.cos(angle) * (xs / width - 0.5) + np.sin(angle) * (ys / height - 0.5)
    factor = factor * (1 + 2 * strength * ramp)
    return _enlarge(factor, size), _enlarge(gloss, size)


def photograph(
    rng: np.random.Generator,
    pixels: np.ndarray,
    factor: np.ndarray,
    gloss: np.ndarray,
) -> np.ndarray:
    """Adds light, a colour cast, contrast and the noise of a camera.

    Args:
        rng: source of randomness.
        pixels: float32 `(height, width, 3)` in 0..255.
        factor: float32 `(height, width, 1)`, see `shade`.
        gloss: float32 `(height, width, 1)`, see `shade`.

    Returns:
        uint8 `(height, width, 3)`.
    """
    cast = rng.uniform(0.9, 1.1, 3) * rng.uniform(0.75, 1.15)
    contrast, middle = rng.uniform(0.8, 1.35), rng.uniform(100, 140)
    gain = (cast * contrast).astype("float32")
    pixels = pixels * factor
    pixels += gloss
    pixels *= gain
    pixels += np.float32(middle * (1 - contrast))
    if rng.random() < 0.12:
        grey = pixels @ np.array([0.3, 0.59, 0.11], "float32")
        pixels = np.repeat(grey[..., None], 3, axis=-1)
        pixels *= (1 - rng.uniform(0, 0.15) * np.arange(3) * rng.integers(2)).astype(
            "float32"
        )
    noise = rng.standard_normal(pixels.shape, dtype="float32")
    noise *= np.float32(rng.uniform(0.5, 6.0))
    pixels += noise
    return np.clip(pixels, 0, 255, out=pixels).astype("uint8")


def _relief(x: np.ndarray, y: np.ndarray, look: Look) -> np.ndarray:
    """Height of the face towards the viewer, in face units."""
    nose, mouth = look.nose_length, look.mouth_y
    apart = np.abs(x)
    relief = 1.15 * np.sqrt(
        np.maximum(1 - (x / 1.2) ** 2 - ((y - 0.2) / 1.75) ** 2, 0.03)
    )
    # The ridge rises from between the eyes to the tip, and ends under it.
    ridge = np.clip((y + 0.2) / (nose + 0.2), 0, 1) * np.clip(
        (nose + 0.1 - y) / 0.12, 0, 1
    )
    relief += 0.26 * ridge * np.exp(-((x / (0.1 + 0.06 * ridge)) ** 2))
    # Centre, radii and height of each rise; both sides at once.
    for cx, cy, rx, ry, rise in (
        (0.0, nose * 0.88, 0.15, 0.14, 0.14),
        (look.nose_width * 0.36, nose * 0.95, 0.09, 0.09, 0.07),
        (0.36, -0.04, 0.24, 0.14, -0.12),
        (0.5, 0.0, 0.17, 0.1, 0.06),
        (0.5, -0.27, 0.4, 0.1, 0.06),
        (0.62, 0.5, 0.3, 0.25, 0.1),
        (look.mouth_width * 0.55, mouth, 0.12, 0.2, -0.04),
        (0.0, mouth - 0.06, 0.32, 0.07, 0.06),
        (0.0, mouth + 0.1 + look.mouth_open, 0.3, 0.08, 0.07),
        (0.0, mouth + 0.26 + look.mouth_open, 0.3, 0.06, -0.05),
        (0.0, 1.5, 0.28, 0.14, 0.12),
    ):
        relief += rise * np.exp(-(((apart - cx) / rx) ** 2) - ((y - cy) / ry) ** 2)
    return relief


def _enlarge(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    height, width = size
    image = Image.fromarray(plane.astype("float32"))
    box = (0, 0, width / _STEP, height / _STEP)
    return np.asarray(
        image.resize((width, height), Image.Resampling.BILINEAR, box=box)
    )[..., None]
