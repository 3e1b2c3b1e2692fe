"""Where the models lie that come with the package."""

import pathlib

_WEIGHTS = pathlib.Path(__file__).parent / "weights"


def shipped_models() -> tuple[str, ...]:
    """Returns the names of the models that come with the package."""
    return tuple(sorted(path.stem for path in _WEIGHTS.glob("*.keras")))


def shipped_file(name: str) -> pathlib.Path:
    """Returns the file of a shipped model, which need not exist."""
    return _WEIGHTS / f"{name}.keras"
