"""Reading photos, upright. No TensorFlow, no Keras."""

import io
import os

import numpy as np
from PIL import Image, ImageOps

# Pillow's errors on broken files are of many kinds.
READ_ERRORS = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def read_photo(photo: str | os.PathLike | bytes) -> np.ndarray:
    """Reads a file as uint8 `(height, width, 3)`, RGB, after its EXIF rotation.

    Args:
        photo: its path, or its content.

    Raises:
        OSError: if it cannot be read as a picture, see also `READ_ERRORS`.
    """
    file = io.BytesIO(photo) if isinstance(photo, bytes) else photo
    with Image.open(file) as picture:
        return np.array(ImageOps.exif_transpose(picture).convert("RGB"))
