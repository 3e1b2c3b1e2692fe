"""Colours: sRGB and CIELAB (white point D65). No TensorFlow, no Keras."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import ImageColor

# IEC 61966-2-1: linear RGB -> XYZ, divided by the white point: white is 1, 1, 1.
_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_TO_XYZ = (_TO_XYZ / _TO_XYZ.sum(axis=1, keepdims=True)).astype("float32")
_TO_RGB = np.linalg.inv(_TO_XYZ).astype("float32")

_VALUES = np.arange(256) / 255.0
_LINEAR = np.where(
    _VALUES <= 0.04045, _VALUES / 12.92, ((_VALUES + 0.055) / 1.055) ** 2.4
).astype("float32")

# Below this CIELAB is linear.
_DELTA = 6.0 / 29.0


def to_lab(pixels: np.ndarray) -> np.ndarray:
    """Turns sRGB, uint8 `(..., 3)`, into CIELAB.

    Returns:
        float32 `(..., 3)`: L in 0..100, a (green to red) and b (blue to yellow).
    """
    xyz = _LINEAR[pixels] @ _TO_XYZ.T
    bent = np.where(
        xyz > _DELTA**3, np.cbrt(xyz), xyz / np.float32(3 * _DELTA**2) + 4 / 29
    )
    x, y, z = np.moveaxis(bent, -1, 0)
    lab = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
    return lab.astype("float32")


def to_rgb(lab: np.ndarray) -> np.ndarray:
    """Turns CIELAB into sRGB, uint8; what no screen can show is clipped."""
    y = (lab[..., 0] + 16) / 116
    bent = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    xyz = np.where(bent > _DELTA, bent**3, 3 * _DELTA**2 * (bent - 4 / 29))
    linear = np.clip(xyz.astype("float32") @ _TO_RGB.T, 0, 1)
    values = np.where(
        linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055
    )
    return np.round(values * 255).astype("uint8")


def read_color(color: str | Sequence[int]) -> tuple[int, int, int]:
    """Reads a colour: `"#a03020"`, a name such as `"crimson"`, or three numbers.

    Raises:
        ValueError: if it is none; an alpha is one number too many.
    """
    values: Any = color
    if isinstance(color, str):
        try:
            values = ImageColor.getrgb(color)
        except ValueError:
            values = ()
    values = tuple(values) if isinstance(values, (Sequence, np.ndarray)) else ()
    numbers = [value for value in values if isinstance(value, (int, np.integer))]
    if len(values) != 3 or len(numbers) != 3 or not all(0 <= v <= 255 for v in values):
        raise ValueError(
            "Argument `color` must be like #a03020, a name such as crimson, or red, "
            f"green and blue of 0..255. Received: color={color}"
        )
    red, green, blue = map(int, values)
    return red, green, blue
