"""SavedModels for TensorFlow Serving."""

import os
import pathlib
import shutil
import tempfile

import tensorflow as tf

from stn_icnn_tf.model import StnIcnn


def serving_module(model: StnIcnn) -> tf.Module:
    """Wraps a model so that `tf.saved_model.save` finds its variables and function.

    The module's `serve` takes uint8 `(batch, height, width, 3)`, any size, and
    returns `{"mask": uint8 (batch, height, width)}`.
    """

    class Serving(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model_variables = [variable.value for variable in model.variables]

        @tf.function(
            input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8, "images")]
        )
        def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"mask": model(images, training=False)["mask"]}

    return Serving()


def export_saved_model(
    model: StnIcnn, output: str | pathlib.Path, version: int = 1
) -> pathlib.Path:
    """Writes `OUTPUT/VERSION/saved_model.pb`, complete or not at all.

    Args:
        model: the model.
        output: the model's folder, as TensorFlow Serving wants it.
        version: name of the version folder; an existing one is replaced.

    Returns:
        the version folder.

    Raises:
        ValueError: if `version` is not positive.
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
        module = serving_module(model)
        tf.saved_model.save(
            module, str(fresh), signatures={"serving_default": module.serve}
        )
        if target.exists():
            shutil.rmtree(target)
        os.replace(fresh, target)
    return target
