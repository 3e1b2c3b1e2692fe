"""LiteRT (TensorFlow Lite) files: the whole model as one function, built-in ops only.

The input is `image`, uint8 `(1, height, width, 3)`, RGB; the output is `mask`, uint8
`(1, height, width)`, class ids; the signature is `serving_default`. `labels.json`, in a
zip behind the model, names the classes.
"""

import io
import json
import os
import pathlib
import zipfile
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from stn_icnn_tf.class_sets import ClassSet
from stn_icnn_tf.export.signatures import LABELS_FILE, describe_classes
from stn_icnn_tf.extras import needs_extra
from stn_icnn_tf.files import path_with_suffix, write_whole
from stn_icnn_tf.inference.fixed_size import FixedSizeModel
from stn_icnn_tf.models.stn_icnn import StnIcnn

LITERT_PRECISIONS = ("float32", "float16", "int8", "int8_dynamic")


def export_litert(
    model: StnIcnn,
    output: str | pathlib.Path,
    size: tuple[int, int] = (512, 512),
    precision: str = "float32",
    calibration: Iterable[np.ndarray] | None = None,
) -> pathlib.Path:
    """Writes a LiteRT file, complete or not at all.

    Precisions other than float32 are those of the convs alone: in the geometry,
    rounding moves the windows. `float16` stores the weights in 16 bits and computes
    in float32. Both others compute in 8 bits: `int8` scales the inputs of a conv by
    the range seen in calibration, `int8_dynamic` by that of the photo at hand.

    Args:
        model: the model.
        output: the file, `NAME.tflite`.
        size: `(height, width)` of the photos in pixels.
        precision: one of `LITERT_PRECISIONS`.
        calibration: photos of faces, uint8 `(height, width, 3)` of that size, as
            varied as those to come; needed by `int8`, and by it alone.

    Returns:
        the file.

    Raises:
        ValueError: if an argument is not one of the above.
        ImportError: if `precision` is not float32 and the extra `litert` is missing.
    """
    output = path_with_suffix(output, ".tflite")
    if precision not in LITERT_PRECISIONS:
        raise ValueError(
            f"Argument `precision` must be one of {LITERT_PRECISIONS}. "
            f"Received: precision={precision}"
        )
    photos = [np.asarray(photo) for photo in calibration or ()]
    if precision == "int8" and not photos:
        raise ValueError(
            "Argument `calibration` must hold photos if `precision` is int8. "
            f"Received: calibration={calibration}"
        )
    for photo in photos:
        if photo.shape != (*size, 3) or photo.dtype != np.uint8:
            raise ValueError(
                f"Argument `calibration` must hold uint8 photos of shape {(*size, 3)}. "
                f"Received: {photo.dtype} of shape {photo.shape}"
            )
    if precision != "float32":
        _quantizer_modules()  # Before the slow part: they may be missing.
    content = _convert(FixedSizeModel(model).function(size))
    if precision != "float32":
        content = _lower(content, precision, photos)
    write_whole(_with_labels(content, model.class_set), output)
    return output


def _with_labels(content: bytes, class_set: ClassSet) -> bytes:
    """Adds `labels.json` behind the model: a zip, as LiteRT's own metadata are."""
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(LABELS_FILE, json.dumps(describe_classes(class_set)))
    return file.getvalue()


def read_litert_labels(file: str | pathlib.Path) -> dict:
    """Reads what a file of `export_litert` says of its classes and parts.

    Returns:
        see `signatures.describe_classes`.

    Raises:
        ValueError: if the file holds nothing of the kind.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            return json.loads(archive.read(LABELS_FILE))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"Argument `file` must be a LiteRT file that holds {LABELS_FILE}. "
            f"Received: file={file}: {error}"
        ) from error


def _convert(function: tf.types.experimental.PolymorphicFunction) -> bytes:
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()], tf.Module()
    )
    # The default, said out loud: an op that LiteRT lacks is an error.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return converter.convert()


def _lower(content: bytes, precision: str, photos: list[np.ndarray]) -> bytes:
    """Lowers the precision of the convs of a float32 file."""
    quantizer, qtyping = _quantizer_modules()
    lowering = quantizer.Quantizer(bytearray(content))
    everywhere, convs = ".*", qtyping.TFLOperationName.CONV_2D
    if precision == "float16":
        lowering.add_weight_only_config(
            everywhere, convs, num_bits=16, algorithm_key="float_casting"
        )
    elif precision == "int8_dynamic":
        lowering.add_dynamic_config(everywhere, convs, num_bits=8)
    else:
        lowering.add_static_config(
            everywhere, convs, activation_num_bits=8, weight_num_bits=8
        )
    seen = None
    if lowering.need_calibration:
        samples = [{"image": photo[None]} for photo in photos]
        seen = lowering.calibrate(
            {"serving_default": samples}, num_threads=os.cpu_count() or 1
        )
    result = lowering.quantize(
        seen, enable_progress_bar=False, enable_progress_report=False
    )
    return bytes(result.quantized_model)


def litert_parser(
    file: str | pathlib.Path, threads: int = 1
) -> Callable[[np.ndarray], np.ndarray]:
    """Loads a file of `export_litert` into the LiteRT interpreter.

    Args:
        file: the file.
        threads: how many the interpreter may use.

    Returns:
        a function of a photo, uint8 `(1, height, width, 3)` of the file's size, that
        gives its mask, uint8 `(1, height, width)`. It is not thread-safe. It raises
        ValueError if a photo has another size or dtype.

    Raises:
        ImportError: if the extra `litert` is missing.
        ValueError: if there is no such file, or it is none of LiteRT's.
    """
    with needs_extra("Running LiteRT files needs ai-edge-litert", "litert"):
        from ai_edge_litert.interpreter import Interpreter
    run = Interpreter(str(file), num_threads=threads).get_signature_runner()
    wanted = tuple(run.get_input_details()["image"]["shape"].tolist())

    def parse(photo: np.ndarray) -> np.ndarray:
        if np.shape(photo) != wanted or photo.dtype != np.uint8:
            raise ValueError(
                f"Argument `photo` must be uint8 of shape {wanted}, for which {file} "
                f"was made. Received: {photo.dtype} of shape {np.shape(photo)}"
            )
        return run(image=photo)["mask"]

    return parse


def _quantizer_modules() -> tuple[Any, Any]:
    need = "Writing LiteRT files that are not float32 needs ai-edge-quantizer"
    with needs_extra(need, "litert"):
        from ai_edge_quantizer import qtyping, quantizer
    return quantizer, qtyping
