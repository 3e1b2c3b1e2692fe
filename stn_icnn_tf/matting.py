"""Soft masks: how much of each pixel is of a class. NumPy and Pillow only.

They are worked out on at most `WORK_PIXELS` pixels. A guided filter then says how, near
each pixel, the mask follows from the photo's colours, and that goes for the photo at
its own size as well.

The filter is ours since what offers one is heavy for two functions: OpenCV's stands in
its contrib package, and scikit-image has none.
"""

import numpy as np
from PIL import Image

WORK_PIXELS = 2**20

# Of a refined matte: less is nothing, and more than 1 minus it is all.
HAZE = 0.08


def work_size(size: tuple[int, int]) -> tuple[int, int]:
    """Returns the size `(height, width)` that mattes of a photo are worked out at."""
    height, width = size
    shrink = min((WORK_PIXELS / (height * width)) ** 0.5, 1.0)
    return max(round(height * shrink), 1), max(round(width * shrink), 1)


def resize(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes a plane, float32; bilinear when it grows, by areas when it shrinks."""
    plane = np.asarray(plane, "float32")
    if plane.shape == tuple(size):
        return plane
    shrinks = size[0] * size[1] < plane.size
    how = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(plane).resize(size[::-1], how))


def resize_photo(photo: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Shrinks a photo, uint8 `(height, width, 3)`, without aliasing."""
    if photo.shape[:2] == tuple(size):
        return photo
    picture = Image.fromarray(photo)
    return np.asarray(picture.resize(size[::-1], Image.Resampling.BOX))


def box_mean(plane: np.ndarray, radius: int) -> np.ndarray:
    """Averages over squares of `2 * radius + 1` pixels, as much as the plane has.

    Args:
        plane: float `(height, width)`.
        radius: in pixels.

    Returns:
        float64 `(height, width)`.
    """
    for axis, count in enumerate(plane.shape):
        # A leading zero, so that a sum is the difference of two.
        around = [(0, 0), (0, 0)]
        around[axis] = (1, 0)
        sums = np.pad(np.cumsum(plane, axis, dtype="float64"), around)
        low = np.maximum(np.arange(count) - radius, 0)
        high = np.minimum(np.arange(count) + radius + 1, count)
        pixels = (high - low).reshape((-1, 1) if axis == 0 else (1, -1))
        plane = (sums.take(high, axis) - sums.take(low, axis)) / pixels
    return plane


def refine(
    matte: np.ndarray, photo: np.ndarray, radius: int, epsilon: float = 1e-4
) -> np.ndarray:
    """Moves the edges of a matte onto those of its photo, by a guided filter.

    Within `radius` the matte is taken for a linear function of the photo's colours.

    Args:
        matte: float `(height, width)`, 0..1; may be smaller than the photo.
        photo: uint8 `(height, width, 3)`.
        radius: in pixels of the matte.
        epsilon: the variance, of colours in 0..1, below which there is no edge.

    Returns:
        float32 of the photo's height and width, 0..1.

    Reference:
        He, Sun, Tang 2013, Guided Image Filtering, eq. 19 to 21; with a small matte,
        He, Sun 2015, Fast Guided Filter.
    """
    size = photo.shape[:2]
    guide = resize_photo(photo, matte.shape).astype("float32") / 255.0
    red, green, blue = planes = np.moveaxis(guide, -1, 0)

    def mean(plane: np.ndarray) -> np.ndarray:
        return box_mean(plane, radius)

    means, matte_mean = [mean(plane) for plane in planes], mean(matte)
    r, g, b = (
        mean(plane * matte) - plane_mean * matte_mean
        for plane, plane_mean in zip(planes, means, strict=True)
    )
    rr = mean(red * red) - means[0] ** 2 + epsilon
    gg = mean(green * green) - means[1] ** 2 + epsilon
    bb = mean(blue * blue) - means[2] ** 2 + epsilon
    rg = mean(red * green) - means[0] * means[1]
    rb = mean(red * blue) - means[0] * means[2]
    gb = mean(green * blue) - means[1] * means[2]
    # Cramer's rule: the covariance of the colours is 3 x 3, and symmetric.
    minors = (
        (gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb),
        (gb * rb - rg * bb, rr * bb - rb * rb, rb * rg - rr * gb),
        (rg * gb - gg * rb, rb * rg - rr * gb, rr * gg - rg * rg),
    )
    determinant = rr * minors[0][0] + rg * minors[0][1] + rb * minors[0][2]
    slopes = [(row[0] * r + row[1] * g + row[2] * b) / determinant for row in minors]
    offset = matte_mean - sum(s * m for s, m in zip(slopes, means, strict=True))
    refined = resize(mean(offset), size).copy()
    for channel, slope in enumerate(slopes):
        refined += resize(mean(slope), size) * (photo[..., channel] / np.float32(255))
    # The filter leaves a haze, where what is next to a class has its colours, too.
    refined = (refined - HAZE) / (1.0 - 2.0 * HAZE)
    return np.clip(refined, 0.0, 1.0, out=refined)


def inner_edge(matte: np.ndarray, radius: int) -> np.ndarray:
    """Fades a matte out towards its edge, inside it: there it is 0.

    Args:
        matte: float `(height, width)`, 0..1.
        radius: in pixels, over which it fades.

    Returns:
        float32 of that shape.
    """
    faded = np.clip(2.0 * box_mean(matte, radius) - 1.0, 0.0, 1.0)
    return faded.astype("float32")


def own_colors(photo: np.ndarray, alpha: np.ndarray, radius: int) -> np.ndarray:
    """Takes what shines through out of the colours of half-covered pixels.

    Args:
        photo: uint8 `(height, width, 3)`.
        alpha: float `(height, width)`, how much of each pixel is covered.
        radius: in pixels of the work size, from where colours are taken.

    Returns:
        uint8 `(height, width, 3)`: where `alpha` is 1, those of the photo.

    Reference:
        Forte 2021, Approximate Fast Foreground Colour Estimation.
    """
    size, small = alpha.shape, work_size(alpha.shape)
    cover = resize(alpha, small)
    near = resize_photo(photo, small).astype("float32")
    inside = np.maximum(box_mean(cover, radius), 1e-6)
    outside = np.maximum(box_mean(1.0 - cover, radius), 1e-6)
    result = photo.copy()
    mixed = (alpha > 0.0) & (alpha < 1.0)
    share = alpha[mixed]
    for channel in range(3):
        plane = near[..., channel]
        front = resize(box_mean(plane * cover, radius) / inside, size)[mixed]
        back = box_mean(plane * (1.0 - cover), radius) / outside
        back = resize(back, size)[mixed]
        # How far off the mixture of both is, is the front's, as far as it covers.
        missed = photo[mixed, channel] - share * front - (1.0 - share) * back
        own = front + share * missed
        result[mixed, channel] = np.clip(np.round(own), 0, 255)
    return result
