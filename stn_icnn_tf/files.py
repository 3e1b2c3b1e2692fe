"""Writing one file: under the right name, complete or not at all."""

import os
import pathlib
import tempfile


def path_with_suffix(output: str | pathlib.Path, suffix: str) -> pathlib.Path:
    """Returns the path of a file to write, once its name is checked.

    Raises:
        ValueError: if it does not end in `suffix`.
    """
    output = pathlib.Path(output)
    if output.suffix != suffix:
        raise ValueError(
            f"Argument `output` must end in {suffix}. Received: output={output}"
        )
    return output


def write_whole(content: bytes, output: pathlib.Path) -> None:
    """Writes a file beside its place, and moves it there; makes the folder."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".writing-") as folder:
        fresh = pathlib.Path(folder) / output.name
        fresh.write_bytes(content)
        os.replace(fresh, output)
