"""What is done to the pixels of a class: tint, smooth, cut out. No TensorFlow."""

from collections.abc import Sequence

import numpy as np

from stn_icnn_tf import matting
from stn_icnn_tf.color import read_color, to_lab, to_rgb

# Rows that are tinted at once: colours as floats take much memory.
_ROWS = 256

# By how much skin's brightness varies, of 255; what varies more is an edge.
SKIN_DEVIATION = 12.0


def checked_strength(strength: float) -> float:
    """Returns the strength of an effect.

    Raises:
        ValueError: if it is not of 0..1.
    """
    if not 0.0 <= strength <= 1.0:
        raise ValueError(
            f"Argument `strength` must be of 0..1. Received: strength={strength}"
        )
    return float(strength)


def tint(
    photo: np.ndarray,
    matte: np.ndarray,
    color: str | Sequence[int],
    strength: float = 0.7,
) -> np.ndarray:
    """Gives pixels a colour, and leaves how light they are: CIELAB's L.

    What is darker than the colour gets less of it, down to none in black, and what is
    lighter too, up to white: shadows and highlights stay what they are.

    Args:
        photo: uint8 `(height, width, 3)`.
        matte: float `(height, width)`, 0..1, how much of each pixel is tinted.
        color: see `read_color`.
        strength: 0..1; at 1 nothing of the old colour is left.

    Returns:
        uint8 `(height, width, 3)`.

    Raises:
        ValueError: if `color` or `strength` is none.
    """
    strength = checked_strength(strength)
    light, *chroma = to_lab(np.array(read_color(color), "uint8"))
    light = np.clip(light, 1.0, 99.0)
    result = photo.copy()
    for start in range(0, len(photo), _ROWS):
        rows = slice(start, start + _ROWS)
        chosen = matte[rows] * strength > 0
        if not chosen.any():
            continue
        lab = to_lab(photo[rows][chosen])
        shade = np.minimum(lab[:, 0] / light, (100.0 - lab[:, 0]) / (100.0 - light))
        share = (matte[rows][chosen] * strength)[:, None]
        lab[:, 1:] += share * (shade[:, None] * chroma - lab[:, 1:])
        result[rows][chosen] = to_rgb(lab)
    return result


def smooth(
    photo: np.ndarray, matte: np.ndarray, radius: int, strength: float = 0.6
) -> np.ndarray:
    """Smooths pixels, and keeps edges: a guided filter that sees the matte alone.

    Args:
        photo: uint8 `(height, width, 3)`.
        matte: float `(height, width)`, 0..1; where it is 0, nothing changes.
        radius: of what is smoothed, in pixels of `matting.work_size`.
        strength: 0..1.

    Returns:
        uint8 `(height, width, 3)`.

    Raises:
        ValueError: if `strength` is none.

    Reference:
        He, Sun, Tang 2013, Guided Image Filtering; the weights are ours.
    """
    strength = checked_strength(strength)
    size, small = matte.shape, matting.work_size(matte.shape)
    weight = matting.resize(matte, small)
    total = np.maximum(matting.box_mean(weight, radius), 1e-6)

    def mean(plane: np.ndarray) -> np.ndarray:
        return matting.box_mean(plane * weight, radius) / total

    colors = np.moveaxis(matting.resize_photo(photo, small).astype("float32"), -1, 0)
    luma = np.tensordot(np.array([0.299, 0.587, 0.114], "float32"), colors, 1)
    variance = np.maximum(mean(luma * luma) - mean(luma) ** 2, 0.0)
    # How much of a pixel stays: more where its surroundings vary more than skin does.
    stays = variance / (variance + SKIN_DEVIATION**2)
    kept = matting.resize(mean(stays), size)
    share = strength * matte
    result = photo.copy()
    for channel, plane in enumerate(colors):
        flat = matting.resize(mean((1.0 - stays) * mean(plane)), size)
        before = photo[..., channel]
        after = before + share * (kept * before + flat - before)
        result[..., channel] = np.clip(np.round(after), 0, 255)
    return result


def cut_out(photo: np.ndarray, alpha: np.ndarray, radius: int) -> np.ndarray:
    """Makes a photo transparent but for what a matte covers.

    Args:
        photo: uint8 `(height, width, 3)`.
        alpha: float `(height, width)`, 0..1.
        radius: see `matting.own_colors`.

    Returns:
        uint8 `(height, width, 4)`, RGB and alpha; half-covered pixels have the
        colours of what covers them.
    """
    colors = matting.own_colors(photo, alpha, radius)
    return np.dstack([colors, np.round(alpha * 255).astype("uint8")])
