"""Loading a model by run folder, by file or by name."""

import pathlib

import keras

from stn_icnn_tf.model import StnIcnn

_WEIGHTS = pathlib.Path(__file__).parent / "weights"


def shipped_models() -> tuple[str, ...]:
    """Returns the names of the models that come with the package."""
    return tuple(sorted(path.stem for path in _WEIGHTS.glob("*.keras")))


def load_model(model: str | pathlib.Path) -> StnIcnn:
    """Loads a model.

    Args:
        model: a run folder (that holds `model.keras`), a `.keras` file, or the
            name of a shipped model.

    Returns:
        the model, ready to call on photos.

    Raises:
        ValueError: if `model` is none of these, or holds something else.
    """
    path = pathlib.Path(model)
    candidates = (path / "model.keras", path, _WEIGHTS / f"{model}.keras")
    for candidate in candidates:
        if candidate.is_file() and candidate.suffix == ".keras":
            loaded = keras.saving.load_model(candidate, compile=False)
            if not isinstance(loaded, StnIcnn):
                raise ValueError(
                    f"Argument `model` must hold a StnIcnn. Received: model={model}, "
                    f"which holds a {type(loaded).__name__}"
                )
            return loaded
    raise ValueError(
        "Argument `model` must be a run folder that holds model.keras, a .keras file, "
        f"or one of the shipped models {shipped_models()}. Received: model={model}"
    )
