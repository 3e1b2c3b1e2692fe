"""Where models lie: those that come with the package, and others."""

import os
import pathlib

from stn_icnn_tf.files import as_path

_WEIGHTS = pathlib.Path(__file__).parent / "weights"


def shipped_models() -> tuple[str, ...]:
    """Returns the names of the models that come with the package."""
    return tuple(sorted(path.stem for path in _WEIGHTS.glob("*.keras")))


def shipped_file(name: str) -> pathlib.Path:
    """Returns the file of a shipped model, which need not exist."""
    return _WEIGHTS / f"{name}.keras"


def model_file(model: str | os.PathLike) -> pathlib.Path:
    """Returns the `.keras` file of a model.

    Args:
        model: a run folder (that holds `model.keras`), a `.keras` file, or the name of
            a shipped model.

    Raises:
        ValueError: if there is none.
    """
    path = as_path(model)
    for candidate in (path / "model.keras", path, shipped_file(str(model))):
        if candidate.is_file() and candidate.suffix == ".keras":
            return candidate
    raise ValueError(
        "Argument `model` must be a run folder that holds model.keras, a .keras file, "
        f"or one of the shipped models {shipped_models()}. Received: model={model}"
    )
