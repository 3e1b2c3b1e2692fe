"""Paths from the command line, local or remote, and outputs that can be written.

A flag that names a file or folder is defined by `define_path`. What a script writes is
checked by `output_file` or `output_folder` before its work, not after it.
"""

import glob
import os
import pathlib
import tempfile
import uuid

from absl import flags

from stn_icnn_tf.files import UNFINISHED, as_path, is_remote


def local_path(text: str) -> str:
    """Reads a local path; `~` is the home folder, wherever the shell leaves it.

    Raises:
        ValueError: if it names remote storage, or the home of nobody.
    """
    if is_remote(text):
        raise ValueError(
            "This path must be one on this machine, not in remote storage; nothing is "
            f"downloaded: save the file first. Received: {text}"
        )
    path = os.path.expanduser(text)
    if path.startswith("~"):
        raise ValueError(
            f"A path must name a user who has a home folder here after `~`. "
            f"Received: {text}"
        )
    return path


def matched_paths(text: str) -> list[str]:
    """Reads a path or a glob: `*` and `?`, which some shells leave, `**` any folders.

    A file of that very name comes first. In remote storage there are no globs.

    Returns:
        the path; or what matches, sorted: files, and folders if no file does. A glob
        that nothing matches is returned as it is.

    Raises:
        ValueError: as `any_path` does.
    """
    path = any_path(text)
    if is_remote(path) or os.path.lexists(path) or not glob.has_magic(path):
        return [path]
    matches = sorted(glob.glob(path, recursive=True))
    files = [match for match in matches if not os.path.isdir(match)]
    return files or matches or [path]


def any_path(text: str) -> str:
    """Reads a path as `local_path` does, or one in remote storage, see `as_path`.

    Raises:
        ValueError: if it names storage that nobody knows, or the home of nobody.
        ImportError: if the storage needs a package that is not installed.
    """
    if not is_remote(text):
        return local_path(text)
    return str(as_path(text))


class _PathParser(flags.ArgumentParser):
    """Reads the value of a flag by `local_path`, or by `any_path`."""

    def __init__(self, remote: bool) -> None:
        self._read = any_path if remote else local_path
        self.syntactic_help = "a path" if remote else "a path on this machine"

    def parse(self, argument: str) -> str:
        try:
            return self._read(argument)
        except ImportError as error:
            raise ValueError(str(error)) from error

    def flag_type(self) -> str:
        return "path"


def define_path(
    name: str, default: str | None, help: str, remote: bool = False
) -> None:
    """Defines a flag that names a file or folder; its value is a text.

    Args:
        name: of the flag.
        default: its value.
        help: what it is.
        remote: whether it may be in remote storage.
    """
    flags.DEFINE(_PathParser(remote), name, default, help)


def define_paths(
    name: str, default: list[str] | None, help: str, remote: bool = False
) -> None:
    """Defines a flag that names files or folders, once each; see `define_path`."""
    flags.DEFINE_multi(_PathParser(remote), None, name, default, help)


def output_file(path: str | pathlib.Path, argument: str = "output") -> pathlib.Path:
    """Returns the path of a file to write later; makes its folder now.

    Args:
        path: the path.
        argument: which argument named it, for the error.

    Raises:
        ValueError: if no such file can be written.
    """
    path = as_path(path)
    if path.is_dir():
        raise ValueError(
            f"Argument `{argument}` must be a file. Received: {argument}={path}, "
            "a folder"
        )
    _make_writable(path.parent, path, argument)
    return path


def output_folder(path: str | pathlib.Path, argument: str = "output") -> pathlib.Path:
    """Returns the path of a folder to write to later; makes it now.

    Args:
        path: the path.
        argument: which argument named it, for the error.

    Raises:
        ValueError: if nothing can be written there.
    """
    path = as_path(path)
    _make_writable(path, path, argument)
    return path


def refuse_unwritable(path: str | pathlib.Path, argument: str = "output") -> None:
    """Refuses a folder that could not be made or written to; makes nothing.

    For a script whose other arguments may be refused after a long while.

    Args:
        path: of the folder.
        argument: which argument named it, for the error.

    Raises:
        ValueError: if nothing could be written there.
    """
    path = pathlib.Path(path).absolute()
    there = next(p for p in (path, *path.parents) if os.path.lexists(p))
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        why = "cannot be written to" if there.is_dir() else "is no folder"
        raise ValueError(
            f"Argument `{argument}` must be a path where files can be written. "
            f"Received: {argument}={path}: {there} {why}"
        )


def _make_writable(folder: pathlib.Path, path: pathlib.Path, argument: str) -> None:
    # Each kind of storage has errors of its own: no such bucket, no right to write.
    errors = Exception if is_remote(folder) else OSError
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _try_to_write(folder)
    except errors as error:
        reason = str(error)
        if isinstance(error, OSError) and error.strerror:
            reason = f"{error.strerror}: {error.filename}"
        raise ValueError(
            f"Argument `{argument}` must be a path where files can be written. "
            f"Received: {argument}={path}: {reason}"
        ) from error


def _try_to_write(folder: pathlib.Path) -> None:
    if is_remote(folder):
        probe = folder / f"{UNFINISHED}{uuid.uuid4().hex}"
        probe.write_bytes(b"")
        probe.unlink()
    else:
        with tempfile.TemporaryFile(dir=folder):
            pass
