"""Cutting squares out of photos, and taking what is found in them back, by Pillow."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from stn_icnn_tf.geometry.candidate_squares import closer_corners, turned_maps
from stn_icnn_tf.geometry.squares import PlacedSquare

_BILINEAR, _NEAREST = Image.Resampling.BILINEAR, Image.Resampling.NEAREST


def resized(photo: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes bilinearly with antialiasing, as `tf.image.resize` does.

    Args:
        photo: uint8 or float32 `(height, width, 3)`.
        size: `(height, width)` of the result in pixels.

    Returns:
        float32 `(*size, 3)`: rounded to bytes, one pixel in a thousand had another
        class.
    """
    if photo.shape[:2] == tuple(size):
        return photo.astype("float32")
    return _by_channel(photo, size, lambda plane: plane.resize(size[::-1], _BILINEAR))


def warped(photo: np.ndarray, affine: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Warps a photo by an affine map, bilinearly, zero outside.

    Args:
        photo: uint8 or float32 `(height, width, 3)`.
        affine: float `(2, 3)`, output -> input, pixels (x, y).
        size: `(height, width)` of the result in pixels.

    Returns:
        float32 `(*size, 3)`.
    """
    return _by_channel(photo, size, lambda plane: _warped(plane, affine, size))


def _warped(
    plane: Image.Image,
    affine: np.ndarray,
    size: tuple[int, int],
    resampling: Image.Resampling = _BILINEAR,
) -> Image.Image:
    turn, shift = affine[:, :2], affine[:, 2]
    # For Pillow, a pixel's centre lies at one half.
    shift = shift + 0.5 - turn.sum(axis=1) / 2.0
    numbers = np.column_stack([turn, shift]).ravel().tolist()
    return plane.transform(size[::-1], Image.Transform.AFFINE, numbers, resampling)


def _by_channel(
    photo: np.ndarray,
    size: tuple[int, int],
    function: Callable[[Image.Image], Image.Image],
) -> np.ndarray:
    """Changes planes of floats, which Pillow has one by one."""
    result = np.empty((*size, 3), "float32")
    for channel in range(3):
        plane = Image.fromarray(np.ascontiguousarray(photo[..., channel]))
        result[..., channel] = function(plane.convert("F"))
    return result


class Cut(PlacedSquare):
    """A square as it is cut out of a photo, and the way back, in NumPy and Pillow."""

    def pixels(self, photo: np.ndarray) -> np.ndarray:
        """Cuts it out: `(side, side, 3)`, black where there is no photo.

        Of a photo in bytes these are bytes if the square is upright, else float32.
        """
        side = int(self.side)
        if not self._is_upright:
            affine = np.column_stack([self.turn, self.corner])
            return warped(photo, affine, (side, side))
        (to_x, from_x), (to_y, from_y) = self._overlaps()
        cut = np.zeros((side, side, 3), photo.dtype)
        cut[to_y, to_x] = photo[from_y, from_x]
        return cut

    def to_photo(self, plane: np.ndarray) -> np.ndarray:
        """Takes a plane `(side, side)` back, by nearest pixel; 0 outside."""
        width, height = (int(length) for length in self.size)
        if not self._is_upright:
            back = self.turn.T
            affine = np.column_stack([back, -back @ self.corner])
            picture = Image.fromarray(plane)
            return np.asarray(_warped(picture, affine, (height, width), _NEAREST))
        (from_x, to_x), (from_y, to_y) = self._overlaps()
        photo = np.zeros((height, width), plane.dtype)
        photo[to_y, to_x] = plane[from_y, from_x]
        return photo

    @property
    def _is_upright(self) -> bool:
        return self.turn[0, 1] == 0.0 and self.turn[0, 0] > 0.0

    def _overlaps(self) -> Sequence[tuple[slice, slice]]:
        """Tells, along x and y, which pixels of square and photo are the same."""
        overlaps = []
        for corner, length in zip(self.corner, self.size, strict=True):
            corner = int(corner)
            first = max(corner, 0)
            last = max(min(corner + int(self.side), int(length)), first)
            overlaps.append((slice(first - corner, last - corner), slice(first, last)))
        return overlaps


def candidate_views(photo: np.ndarray, size: int) -> np.ndarray:
    """Cuts all candidates out of a photo, see `inference.candidates`.

    Returns:
        float32 `(count, size, size, 3)`, 0..255.
    """
    pictures = {4: _resized_with_pad(photo, 4 * size)}
    pictures[2] = resized(pictures[4], (2 * size, 2 * size))
    views = [
        pictures[zoom][top : top + size, left : left + size]
        for zoom, left, top in closer_corners(size)
    ]
    views += [warped(pictures[2], turn, (size, size)) for turn in turned_maps(size)]
    return np.stack(views)


def _resized_with_pad(photo: np.ndarray, side: int) -> np.ndarray:
    """Brings a photo into the middle of a square: `tf.image.resize_with_pad`."""
    ratio = max(photo.shape[:2]) / side
    height, width = (length / ratio for length in photo.shape[:2])
    whole = max(math.floor(height), 1), max(math.floor(width), 1)
    top, left = math.floor((side - height) / 2), math.floor((side - width) / 2)
    square = np.zeros((side, side, 3), "float32")
    square[top : top + whole[0], left : left + whole[1]] = resized(photo, whole)
    return square
