"""Writing one file: under the right name, complete or not at all."""

import contextlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator


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


# Of the folders in which files are written before they are moved to their place.
UNFINISHED = ".writing-"


def remove_unfinished(folder: pathlib.Path) -> None:
    """Removes what a killed process was writing in a folder that is no other's."""
    for path in list(folder.rglob(f"{UNFINISHED}*")):
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def written_beside(output: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives a path to write to, and moves what was written there to its place.

    Args:
        output: the file's place; its folder is made.

    Yields:
        a path of the same name on the same disk. If the block raises, `output` stays
        as it was.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=UNFINISHED) as folder:
        fresh = pathlib.Path(folder) / output.name
        yield fresh
        os.replace(fresh, output)


def write_whole(content: bytes, output: pathlib.Path) -> None:
    """Writes a file beside its place, and moves it there; makes the folder."""
    with written_beside(output) as fresh:
        fresh.write_bytes(content)


def make_room(folder: pathlib.Path, size: int) -> None:
    """Makes sure that a folder has room for a file, by writing one of that size.

    For what is written by a library that does not bear a full disk, such as HDF5,
    whose files cannot be closed then, and which may crash.

    Args:
        folder: of the file.
        size: of the file in bytes.

    Raises:
        OSError: if there is none.
    """
    chunk = bytes(1 << 20)
    with tempfile.TemporaryFile(dir=folder) as file:
        for start in range(0, size, len(chunk)):
            file.write(chunk[: size - start])
