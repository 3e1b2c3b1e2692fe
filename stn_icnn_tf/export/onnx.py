"""ONNX files: the whole model as one function, in standard operations only.

The input is `image`, uint8 `(1, height, width, 3)`, RGB; the output is `mask`, uint8
`(1, height, width)`, class ids. The metadata's entry `labels` is JSON that names them.
"""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from stn_icnn_tf.class_sets import ClassSet
from stn_icnn_tf.export.signatures import describe_classes
from stn_icnn_tf.extras import needs_extra
from stn_icnn_tf.files import path_with_suffix, write_whole
from stn_icnn_tf.inference.fixed_size import FixedSizeModel
from stn_icnn_tf.models.stn_icnn import StnIcnn

OPSET = 18
# The entry of the model's metadata that describes its classes.
LABELS = "labels"


def export_onnx(
    model: StnIcnn, output: str | pathlib.Path, size: tuple[int, int] = (512, 512)
) -> pathlib.Path:
    """Writes an ONNX file, float32, complete or not at all.

    Args:
        model: the model.
        output: the file, `NAME.onnx`.
        size: `(height, width)` of the photos in pixels.

    Returns:
        the file.

    Raises:
        ValueError: if an argument is not one of the above.
        ImportError: if the extra `onnx` is missing.
    """
    output = path_with_suffix(output, ".onnx")
    _onnx_modules()  # Before the slow part: they may be missing.
    function = FixedSizeModel(model).function(size)
    write_whole(converted_to_onnx(function, model.class_set), output)
    return output


def converted_to_onnx(
    function: tf.types.experimental.PolymorphicFunction, class_set: ClassSet
) -> bytes:
    """Converts a function of one signature.

    Args:
        function: see `FixedSizeModel.function`.
        class_set: what the file's metadata name.

    Returns:
        the content of the file.

    Raises:
        ImportError: if the extra `onnx` is missing.
    """
    onnx, tf2onnx = _onnx_modules()
    converted, _ = tf2onnx.convert.from_function(
        function, input_signature=function.input_signature, opset=OPSET
    )
    onnx.helper.set_model_props(
        converted, {LABELS: json.dumps(describe_classes(class_set))}
    )
    # The converter only logs what it cannot convert, and copies it as it is.
    onnx.checker.check_model(converted, full_check=True)
    return converted.SerializeToString()


def _onnx_modules() -> tuple[Any, Any]:
    with needs_extra("Writing ONNX files needs onnx and tf2onnx", "onnx"):
        import onnx
        import tf2onnx
    return onnx, tf2onnx


def onnx_parser(
    file: str | pathlib.Path, threads: int = 1
) -> Callable[[np.ndarray], np.ndarray]:
    """Loads a file of `export_onnx` into ONNX Runtime, on the CPU.

    Args:
        file: the file.
        threads: how many the runtime may use.

    Returns:
        a function of a photo, uint8 `(1, height, width, 3)` of the file's size, that
        gives its mask, uint8 `(1, height, width)`.

    Raises:
        ImportError: if the extra `onnx` is missing.
    """
    with needs_extra("Running ONNX files needs onnxruntime", "onnx"):
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        str(file), options, providers=["CPUExecutionProvider"]
    )
    return lambda photo: session.run(["mask"], {"image": photo})[0]
