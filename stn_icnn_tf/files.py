"""Files here and in remote storage; writing one, complete or not at all.

A path in remote storage, such as `gs://BUCKET/me.jpg`, is a `upath.UPath`, which has
the methods of `pathlib.Path`. Both come from `as_path`.
"""

import contextlib
import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

from stn_icnn_tf.extras import needs_extra

_REMOTE = re.compile(r"[A-Za-z][\w+.-]*://")
# Pages, not storage.
_WEB = ("http", "https", "ftp")


def is_remote(path: Any) -> bool:
    """Whether a path names remote storage: `SCHEME://...`."""
    return not isinstance(path, (bytes, pathlib.PurePath)) and bool(
        _REMOTE.match(str(path))
    )


def as_path(path: str | os.PathLike) -> pathlib.Path:
    """Reads a path; `~` is the home folder.

    Args:
        path: a local one; or `gs://...`, `s3://...`, or what else fsspec knows.

    Raises:
        ValueError: if nobody knows that kind of storage, or it is the web.
        ImportError: if it needs a package that is not installed.
    """
    if not is_remote(path):
        return pathlib.Path(os.path.expanduser(path))
    scheme = str(path).partition("://")[0]
    if scheme.lower() in _WEB:
        raise ValueError(
            "A path must be a local one, or of a storage such as gs:// or s3://; "
            f"nothing is downloaded: save the file first. Received: {path}"
        )
    with needs_extra(f"Paths like {scheme}:// need fsspec's packages", "cloud"):
        import fsspec
        from upath import UPath

        try:
            fsspec.get_filesystem_class(scheme)
        except ValueError as error:
            raise ValueError(
                "A path must be a local one, or of a storage that fsspec knows, such "
                f"as gs:// or s3://. Received: {path}"
            ) from error
    return UPath(path)


@contextlib.contextmanager
def local_copy(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives a file to those who read local ones alone; a local one as it is.

    Raises:
        OSError: if it cannot be read.
    """
    if not is_remote(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / path.name
        copy.write_bytes(path.read_bytes())
        yield copy


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
    path = as_path(path)
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
        a path of the same name on the same disk; for remote storage a local one, and
        what was written there appears as a whole when it is uploaded. If the block
        raises, `output` stays as it was.
    """
    if is_remote(output):
        with tempfile.TemporaryDirectory() as folder:
            fresh = pathlib.Path(folder) / output.name
            yield fresh
            output.write_bytes(fresh.read_bytes())
        return
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
