"""STN-iCNN: end-to-end face parsing for Keras 3.

`FaceParser` parses photos; `StnIcnn` is the model.

Names are imported when they are used, so that what needs no TensorFlow, such as the
client of a served model, does not wait for it. Touching one that is Keras's, or
importing this package after Keras, registers every layer, so that
`keras.saving.load_model` reads a saved `.keras` file.
"""

import importlib
import sys
from typing import Any

__version__ = "0.1.0"

# Public name -> module that holds it.
_MODULES = {
    "CLASS_SETS": "class_sets",
    "EIGHT_PARTS": "class_sets",
    "ClassSet": "class_sets",
    "FaceParser": "face_parser",
    "FaceParsingScores": "metrics",
    "InterlinkedCNN": "layers.icnn",
    "LearnedCrop": "layers.learned_crop",
    "LocalizationNetwork": "layers.localization",
    "ParsedFace": "parsed_face",
    "Part": "class_sets",
    "StnIcnn": "models.stn_icnn",
    "VideoParser": "video_parser",
    "affine_grid": "geometry.affine",
    "compose_theta": "geometry.affine",
    "frame_theta": "geometry.affine",
    "grid_sample": "geometry.affine",
    "invert_theta": "geometry.affine",
    "load_model": "pretrained",
    "paste_back": "geometry.paste_back",
    "theta_from_centers": "geometry.affine",
}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if "keras" in sys.modules:
    importlib.import_module(f"{__name__}.models.stn_icnn")
    importlib.import_module(f"{__name__}.metrics")
