"""What a page in a browser runs: two ONNX files, and what must be known of them.

`face.onnx` parses one square picture of a face; `view.onnx` says how sure the coarse
net is of one candidate crop. The page brings photos to them, and searches for the face
as `FaceSearch` does: `model.json` holds the numbers that it needs.
"""

import dataclasses
import json
import pathlib

import numpy as np
import tensorflow as tf

from stn_icnn_tf.export.onnx import converted_to_onnx
from stn_icnn_tf.export.signatures import describe_classes
from stn_icnn_tf.files import as_path, write_whole
from stn_icnn_tf.geometry import candidate_squares as candidates
from stn_icnn_tf.inference.candidates import candidate_confidence, coarse_confidence
from stn_icnn_tf.inference.fixed_size import FixedSizeModel
from stn_icnn_tf.models.stn_icnn import StnIcnn

FACE_FILE, VIEW_FILE, MODEL_FILE = "face.onnx", "view.onnx", "model.json"


def face_function(
    model: FixedSizeModel,
) -> tf.types.experimental.PolymorphicFunction:
    """Returns what parses one face, at the size at which the model cuts out parts.

    Returns:
        a function of `image`, uint8 `(1, canvas, canvas, 3)`, that gives `mask`, uint8
        `(1, canvas, canvas)`; `centers`, float32 `(1, parts, 2)`, the middle of each
        part's window, (x, y) of -1..1; and `sure`, float32 `(3,)`: confidence and
        found, see `coarse_confidence`, and placed, see `placed_share`.
    """

    def parse(image: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = model(image)
        sure = coarse_confidence(outputs["coarse_scores"], model.class_set)
        return {
            "mask": outputs["mask"],
            "centers": outputs["theta"][..., 2],
            "sure": tf.concat([*sure, outputs["placed"]], axis=0),
        }

    shape = (1, model.canvas_size, model.canvas_size, 3)
    return _function(parse, tf.TensorSpec(shape, tf.uint8, "image"))


def view_function(
    model: FixedSizeModel, views: int | None = 1
) -> tf.types.experimental.PolymorphicFunction:
    """Returns what tells how well candidate crops show a face.

    Args:
        model: the model.
        views: how many at a time; None: any number.

    Returns:
        a function of `view`, float32 `(views, size, size, 3)` of 0..255, that gives
        `sure`, float32 `(views, 3)`, see `candidate_confidence`: confidence, found
        and center; of one view `(3,)`.
    """

    def look(view: tf.Tensor) -> dict[str, tf.Tensor]:
        scores = model.coarse_scores(view)
        sure = candidate_confidence(scores, model.class_set)
        return {"sure": tf.concat(sure, 0) if views == 1 else tf.stack(sure, -1)}

    shape = (views, model.coarse_image_size, model.coarse_image_size, 3)
    return _function(look, tf.TensorSpec(shape, tf.float32, "view"))


def describe_model(model: FixedSizeModel, name: str) -> dict:
    """Describes a model: what `model.json` holds."""
    return {
        **describe_classes(model.class_set),
        "name": name,
        "face": {"file": FACE_FILE, "side": model.canvas_size},
        "view": {"file": VIEW_FILE, "side": model.coarse_image_size},
        "mean_centers": np.asarray(model.mean_crop)[:, 1:].round(6).tolist(),
        "search": {
            **dataclasses.asdict(model.search_thresholds),
            "closer": candidates.CLOSER,
            "rolls": candidates.ROLLS,
            "more_confident": candidates.MORE_CONFIDENT,
            "sure_turn": candidates.SURE_TURN,
            "turned": candidates.TURNED,
            "far": candidates.FAR,
            "far_turned": candidates.FAR_TURNED,
            "tried": candidates.TRIED,
            "worth": candidates.WORTH,
        },
    }


def export_browser(
    model: StnIcnn, output: str | pathlib.Path, name: str = "model"
) -> pathlib.Path:
    """Writes `face.onnx`, `view.onnx` and `model.json`, each complete or not at all.

    Args:
        model: the model.
        output: folder of the files.
        name: of the model, for the page to show.

    Returns:
        the file `model.json`, which is written last.

    Raises:
        ImportError: if the extra `onnx` is missing.
    """
    output = as_path(output)
    fixed = FixedSizeModel(model)
    functions = {FACE_FILE: face_function(fixed), VIEW_FILE: view_function(fixed)}
    for file, function in functions.items():
        write_whole(converted_to_onnx(function, model.class_set), output / file)
    description = json.dumps(describe_model(fixed, name), indent=1)
    write_whole(description.encode(), output / MODEL_FILE)
    return output / MODEL_FILE


def _function(
    function: object, spec: tf.TensorSpec
) -> tf.types.experimental.PolymorphicFunction:
    return tf.function(function, input_signature=[spec], autograph=False)
