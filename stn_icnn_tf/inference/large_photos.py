"""Photos so long that the square around them would not fit into memory.

They are parsed as a shrunk copy; then the face that is found is parsed again from its
own pixels. So memory grows with the photo and not with the square of its longer side.
"""

from typing import Any

import numpy as np
from PIL import Image

from stn_icnn_tf.inference.engine import Engine, Found

# The longer side, in pixels, of what is parsed at its own size; and that of the copy,
# and of a square that is cut out of the photo itself.
MOST_SIDE = 8192
SHRUNK_SIDE = 2048
# By how much of its side around a square the photo is handed on with it: the face may
# move its square.
_AROUND = 1.0
_PIXELS_AT_ONCE = 2**18


def is_large(photo: np.ndarray) -> bool:
    """Whether a photo is to be parsed as this module does."""
    return max(photo.shape[:2]) > MOST_SIDE


def shrunk(photo: np.ndarray) -> tuple[np.ndarray, int]:
    """Shrinks a photo, uint8 `(height, width, 3)`, by a whole factor.

    Returns:
        the copy, whose pixels are the means of squares; and the factor.
    """
    factor = -(-max(photo.shape[:2]) // SHRUNK_SIDE)
    # Some rows at a time, for Pillow copies what it is given.
    step = factor * max(_PIXELS_AT_ONCE // (factor * photo.shape[1]), 1)
    rows = [
        np.asarray(Image.fromarray(photo[top : top + step]).reduce(factor))
        for top in range(0, len(photo), step)
    ]
    return np.concatenate(rows), factor


def scaled_square(square: Any, factor: float) -> np.ndarray:
    """Takes a square to the same photo at `factor` times the size."""
    x, y, side, roll = np.asarray(square, "float32")
    middle = [(x + 0.5) * factor - 0.5, (y + 0.5) * factor - 0.5]
    return np.array([*middle, side * factor, roll], "float32")


class LargePhotos:
    """Parses large photos by what parses others.

    Args:
        engine: parses them.
        find_faces: whether faces are searched for.
    """

    def __init__(self, engine: Engine, find_faces: bool) -> None:
        self._engine, self._find_faces = engine, find_faces

    def parse(self, photo: np.ndarray) -> Found:
        """Parses a photo of one face.

        Args:
            photo: uint8 `(height, width, 3)`, RGB, for which `is_large` holds.

        Returns:
            `mask`, `theta` and `square` as `FaceSearch` gives them, in NumPy; `is_cut`,
            whether the square is not the whole photo.
        """
        copy, factor = shrunk(photo)
        (framed,) = self._engine.parse_framed([copy])
        found, is_cut = framed, False
        if self._find_faces and not framed["fits"]:
            found = self._engine.find(copy, framed)
            is_cut = bool(np.any(found["square"] != framed["square"]))
        square = scaled_square(found["square"], factor)
        if is_cut:
            from_photo = self.parse_square(photo, square)
            if from_photo is not None:
                return {**from_photo, "is_cut": True}
        # Too large a face to be cut out, or the whole photo.
        height, width = photo.shape[:2]
        mask = found["mask"].repeat(factor, axis=0).repeat(factor, axis=1)
        theta = _moved(found["theta"], copy, photo, factor=factor)
        mask = mask[:height, :width]
        return {"mask": mask, "theta": theta, "square": square, "is_cut": is_cut}

    def parse_square(self, photo: np.ndarray, square: np.ndarray) -> Found | None:
        """Parses the face in a square, see `FaceSearch`, with what lies around it.

        Returns:
            `mask`, `theta` and `square`, in NumPy; None if the square is too large to
            be cut out, or lies beside the photo.
        """
        height, width = photo.shape[:2]
        x, y, side, _ = square
        reach = side * (0.5 + _AROUND)
        left, top = (int(max(middle - reach, 0)) for middle in (x, y))
        right, bottom = int(min(x + reach, width)), int(min(y + reach, height))
        if side > SHRUNK_SIDE or right <= left or bottom <= top:
            return None
        window = photo[top:bottom, left:right]
        moved = np.array([x - left, y - top, *square[2:]], "float32")
        found = self._engine.parse_square(window, moved)
        mask = np.zeros((height, width), "uint8")
        mask[top:bottom, left:right] = found["mask"]
        theta = _moved(found["theta"], window, photo, (left, top))
        square = found["square"] + np.array([left, top, 0, 0], "float32")
        return {"mask": mask, "theta": theta, "square": square}


def _moved(
    theta: np.ndarray,
    part: np.ndarray,
    whole: np.ndarray,
    corner: tuple[int, int] = (0, 0),
    factor: int = 1,
) -> np.ndarray:
    """Takes theta `(parts, 2, 3)` from a part of a photo, or its copy, to the photo.

    Args:
        theta: patch -> part.
        part: `(height, width, 3)`.
        whole: the same.
        corner: of the part in the photo, (x, y) in pixels.
        factor: by which the photo is finer than the part.
    """
    height, width = part.shape[:2]
    own = np.maximum([width - 1.0, height - 1.0], 1.0)
    height, width = whole.shape[:2]
    extent = np.maximum([width - 1.0, height - 1.0], 1.0)
    middle = (theta[..., 2] + 1.0) / 2.0 * own
    middle = (middle + 0.5) * factor - 0.5 + corner
    axes = theta[..., :2] * (own * factor / extent)[:, None]
    middle = 2.0 * middle / extent - 1.0
    return np.concatenate([axes, middle[..., None]], axis=-1).astype("float32")
