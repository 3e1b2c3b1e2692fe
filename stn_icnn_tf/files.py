"""Writing one file: under the right name, complete or not at all."""

import os
import pathlib
import tempfile


def path_with_suffix(
    path: str | os.PathLike, suffix: str, argument: str = "output"
) -> pathlib.Path:
    """Returns the path of a file to write, once its name is checked.

    Args:
        path: the path.
        suffix: what it must end in.
        argument: which argument named it, for the error.

    Raises:
        ValueError: if it does not end in `suffix`.
    """
    path = pathlib.Path(path)
    if path.suffix != suffix:
        raise ValueError(
            f"Argument `{argument}` must end in {suffix}. Received: {argument}={path}"
        )
    return path


def write_whole(content: bytes, output: pathlib.Path) -> None:
    """Writes a file beside its place, and moves it there; makes the folder."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".writing-") as folder:
        fresh = pathlib.Path(folder) / output.name
        fresh.write_bytes(content)
        os.replace(fresh, output)
