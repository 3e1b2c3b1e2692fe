"""SavedModels for TensorFlow Serving."""

import os
import pathlib
import shutil
import tempfile

import tensorflow as tf

from stn_icnn_tf.inference import InferenceModel
from stn_icnn_tf.model import StnIcnn


def serving_module(model: StnIcnn, precision: str = "float32") -> tf.Module:
    """Puts the inference form of a model behind a function that can be served.

    The module's `serve` takes uint8 `(batch, height, width, 3)`, any size, and
    returns `{"mask": uint8 (batch, height, width)}`.
    """
    parser = InferenceModel(model, precision)

    class Serving(tf.Module):
        @tf.function(
            input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8, "images")]
        )
        def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"mask": parser(images)["mask"]}

    return Serving()


def export_saved_model(
    model: StnIcnn,
    output: str | pathlib.Path,
    version: int = 1,
    precision: str = "float32",
) -> pathlib.Path:
    """Writes `OUTPUT/VERSION/saved_model.pb`, complete or not at all.

    Args:
        model: the model.
        output: the model's folder, as TensorFlow Serving wants it.
        version: name of the version folder; an existing one is replaced.
        precision: `"float32"` or `"bfloat16"`, of the networks' arithmetic.

    Returns:
        the version folder.

    Raises:
        ValueError: if `version` is not positive, or `precision` is neither.
    """
    if version < 1:
        raise ValueError(
            f"Argument `version` must be positive. Received: version={version}"
        )
    output = pathlib.Path(output)
    output.mkdir(parents=True, exist_ok=True)
    target = output / str(version)
    # A server polls the folder: it must never see a half-written version.
    with tempfile.TemporaryDirectory(dir=output, prefix=".writing-") as folder:
        fresh = pathlib.Path(folder) / "model"
        module = serving_module(model, precision)
        tf.saved_model.save(
            module, str(fresh), signatures={"serving_default": module.serve}
        )
        if target.exists():
            shutil.rmtree(target)
        os.replace(fresh, target)
    return target
