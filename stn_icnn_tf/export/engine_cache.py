"""Where the file of a model for ONNX Runtime is kept once it is made."""

import hashlib
import os
import pathlib
import sys
import warnings
from typing import Any

import stn_icnn_tf
from stn_icnn_tf.files import local_copy, write_whole
from stn_icnn_tf.onnx_engine.engine import OnnxEngine, import_onnxruntime
from stn_icnn_tf.shipped import model_file

# To be raised when `export.engine_file` changes what it makes.
_FORM = 4


def cache_folder() -> pathlib.Path:
    """Returns the folder in which files are kept for this user: it may be deleted."""
    home = pathlib.Path(os.path.expanduser("~"))
    if "XDG_CACHE_HOME" in os.environ:
        parent = pathlib.Path(os.environ["XDG_CACHE_HOME"])
    elif sys.platform == "win32":
        parent = pathlib.Path(os.environ.get("LOCALAPPDATA", home / "AppData/Local"))
    elif sys.platform == "darwin":
        parent = home / "Library/Caches"
    else:
        parent = home / ".cache"
    return parent / "stn_icnn_tf"


def cached_file(model: str | os.PathLike, precision: str = "float32") -> pathlib.Path:
    """Returns where the file of a model is kept, once it is made.

    Args:
        model: a shipped model, a run folder, or a `.keras` file.
        precision: see `engine_file`.

    Raises:
        ValueError: if it is none of these.
    """
    with local_copy(model_file(model)) as file:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    name = f"{digest}-{stn_icnn_tf.__version__}-{_FORM}-{precision}.zip"
    return cache_folder() / name


def made_engine(model: Any, precision: str = "float32") -> OnnxEngine:
    """Makes an engine of a `StnIcnn`, and keeps nothing; raises as `load_engine`."""
    import_onnxruntime()
    return OnnxEngine(_engine_file(model, precision))


def load_engine(model: str | os.PathLike, precision: str = "float32") -> OnnxEngine:
    """Loads a model for ONNX Runtime; makes its file if it is not there.

    Only to make it TensorFlow is needed. It is made again if it is damaged. Where it
    cannot be kept, a warning says so.

    Args:
        model: see `cached_file`.
        precision: see `engine_file`.

    Raises:
        ValueError: if there is no such model, or `engine_file` refuses it.
        ImportError: if the extra `onnx` is missing.
    """
    import_onnxruntime()  # Before the slow part: it may be missing.
    file = cached_file(model, precision)
    try:
        return OnnxEngine(file.read_bytes())
    except (OSError, ValueError):
        pass  # Not there, or damaged.
    from stn_icnn_tf.pretrained import load_model

    content = _engine_file(load_model(os.fspath(model)), precision)
    try:
        write_whole(content, file)
    except OSError as error:
        warnings.warn(
            f"{file} cannot be written ({error.strerror}): it will be made again. "
            "XDG_CACHE_HOME names another folder.",
            stacklevel=3,
        )
    return OnnxEngine(content)


def _engine_file(model: Any, precision: str) -> bytes:
    from stn_icnn_tf.export.engine import engine_file  # It needs TensorFlow.

    return engine_file(model, precision)
