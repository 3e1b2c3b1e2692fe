"""What `FaceParser(engine="onnx")` runs: a zip of two ONNX files and of numbers.

`face.onnx` says what the networks do of one square picture of a face; what is large is
pasted outside of it. `view.onnx` says how sure the coarse net is of candidate crops.
"""

import dataclasses
import io
import json
import zipfile

import numpy as np
import tensorflow as tf

from stn_icnn_tf.export.browser import view_function
from stn_icnn_tf.export.onnx import converted_to_onnx
from stn_icnn_tf.export.quantized import drawn_photos, with_8_bit_convs
from stn_icnn_tf.geometry.windows import placed_share
from stn_icnn_tf.inference.candidates import coarse_confidence
from stn_icnn_tf.inference.fixed_size import FixedSizeModel
from stn_icnn_tf.models.steps import FramedPhotos
from stn_icnn_tf.models.stn_icnn import StnIcnn
from stn_icnn_tf.onnx_engine.engine import (
    FACE,
    ONNX_PRECISIONS,
    SETTINGS,
    VIEW,
    framed_canvas,
)


def engine_file(model: StnIcnn, precision: str = "float32") -> bytes:
    """Makes the content of the file that an `OnnxEngine` runs.

    Args:
        model: the model.
        precision: of the face's convs: `"float32"` or `"int8"`.

    Raises:
        ValueError: if there is no such precision, or the model does not letterbox its
            photos.
        ImportError: if the extra `onnx` is missing.
    """
    if precision not in ONNX_PRECISIONS:
        raise ValueError(
            f"Argument `precision` must be one of {ONNX_PRECISIONS}. "
            f"Received: precision={precision}"
        )
    if model.framing != "letterbox":
        raise ValueError(
            'With engine="onnx" a model must have framing="letterbox". '
            f"Received: framing={model.framing}"
        )
    fixed, class_set = FixedSizeModel(model), model.class_set
    settings = {
        "class_set": class_set.get_config(),
        "mean_crop": np.asarray(model.mean_crop).tolist(),
        "canvas_size": model.canvas_size,
        "coarse_image_size": model.coarse_image_size,
        "search_thresholds": dataclasses.asdict(model.search_thresholds),
    }
    face = converted_to_onnx(networks_function(fixed), class_set)
    view = converted_to_onnx(view_function(fixed, views=None), class_set)
    if precision == "int8":
        canvases = drawn_photos(model.canvas_size)
        calls = (framed_canvas(photo, model.coarse_image_size) for photo in canvases)
        # Not the view: which candidate is the best is a matter of small differences.
        face = with_8_bit_convs(face, calls)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr(FACE, face)
        file.writestr(VIEW, view)
        file.writestr(SETTINGS, json.dumps(settings))
    return content.getvalue()


def networks_function(
    model: FixedSizeModel,
) -> tf.types.experimental.PolymorphicFunction:
    """Returns what the networks say of one square picture, at the canvas's size.

    Returns:
        a function of `image`, float32 `(1, canvas, canvas, 3)` of 0..255, and of
        `coarse_image`, the same at the size of the coarse net's, that gives
        `theta`, float32 `(parts, 2, 3)`, patch -> canvas; `patches`, float32 `(part
        classes, patch, patch)`, probabilities, part by part; `base`, float32 `(base
        classes, coarse, coarse)`, if background is not the only one; and `sure`,
        float32 `(3,)`, as `browser.face_function` gives it.
    """

    def parse(image: tf.Tensor, coarse_image: tf.Tensor) -> dict[str, tf.Tensor]:
        # Pillow resizes in a third of the time.
        frame = model.photo_frame((model.canvas_size,) * 2)
        framed = FramedPhotos(coarse_image, image, frame, frame)
        parsed = model.parse_from_scores(model.coarse_scores(coarse_image), framed)
        sure = coarse_confidence(parsed.coarse_scores, model.class_set)
        said = {
            "theta": parsed.theta[0],
            "patches": _planes(tf.concat(parsed.probabilities, axis=-1)),
            "sure": tf.concat([*sure, placed_share(parsed.probabilities)], axis=0),
        }
        return said if parsed.base is None else said | {"base": _planes(parsed.base)}

    inputs = [
        tf.TensorSpec((1, side, side, 3), tf.float32, name)
        for name, side in (
            ("image", model.canvas_size),
            ("coarse_image", model.coarse_image_size),
        )
    ]
    return tf.function(parse, input_signature=inputs, autograph=False)


def _planes(scores: tf.Tensor) -> tf.Tensor:
    return tf.transpose(scores[0], (2, 0, 1))
