"""Finds and reads the files of a download, in a folder or a zip. No TensorFlow."""

import contextlib
import io
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator

from PIL import Image

from tfds_builders.zip_path import ZipPath

Root = pathlib.Path | ZipPath

_KINDS = {"JPEG": "a JPEG photo", "PNG": "an 8-bit PNG mask"}
_MOST_ERRORS = 20
# Enough for the header of nearly every picture; the others are read whole.
_HEADER_BYTES = 4096


def find_root(
    manual_dir: str | os.PathLike,
    folder_names: tuple[str, ...],
    archive_name: str,
    is_root: Callable[[Root], bool],
    contents: str,
) -> Root:
    """Finds a data set in a folder.

    Args:
        manual_dir: a folder that holds the data set, or that is the data set.
        folder_names: names that its folder may have.
        archive_name: name of the zip file, `FOLDER.zip`, with the data set at its
            top or in the folder FOLDER.
        is_root: says whether a folder, maybe one in the zip, is the data set.
        contents: what the data set must hold, for the error.

    Returns:
        the folder of the data set. A folder is taken before the zip file.

    Raises:
        ValueError: if the folder holds none of these, or a zip file that cannot be
            read.
    """
    folder = pathlib.Path(manual_dir)
    roots: list[Root] = [*(folder / name for name in folder_names), folder]
    for root in roots:
        if is_root(root):
            return root
    archive = folder / archive_name
    if archive.is_file():
        top = ZipPath.top(archive)
        for root in (top / archive.stem, top):
            if is_root(root):
                return root
    folders = ", ".join(f"the folder {name}" for name in folder_names)
    raise ValueError(
        f"Argument `manual_dir` must hold {folders}, or {archive_name}, with "
        f"{contents} in it. Received: manual_dir={manual_dir}"
    )


def raise_all(root: Root, errors: list[str]) -> None:
    """Raises one ValueError for all errors, if any; it shows the first 20."""
    if errors:
        lines = errors[:_MOST_ERRORS]
        if len(errors) > _MOST_ERRORS:
            lines.append(f"and {len(errors) - _MOST_ERRORS} more")
        shown = "\n  ".join(lines)
        raise ValueError(f"{root} is not usable, bad files: {len(errors)}\n  {shown}")


def names_in(folder: Root) -> Iterable[str]:
    """Returns the names of what a folder holds, in no order; none if it is missing."""
    if isinstance(folder, ZipPath):
        return folder.names()
    return os.listdir(folder) if folder.is_dir() else ()


def read_lines(path: Root, form: str) -> list[tuple[int, str]]:
    """Reads a list, one entry a line.

    Args:
        path: of the list.
        form: how a line reads, for the error.

    Returns:
        `(line number from 1, entry)`. Empty lines and what follows a # are passed
        over.

    Raises:
        ValueError: if the list is not there or is empty.
    """
    if not path.is_file():
        raise ValueError(f"{path} is missing: a list of lines `{form}`")
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    lines = [
        (number, line.partition("#")[0].strip())
        for number, line in enumerate(text.splitlines(), 1)
    ]
    entries = [(number, entry) for number, entry in lines if entry]
    if not entries:
        raise ValueError(f"{path} is empty: must hold lines `{form}`")
    return entries


def _start(path: Root, count: int) -> bytes:
    if isinstance(path, ZipPath):
        return path.read_bytes(count)
    with path.open("rb") as file:
        return file.read(count)


@contextlib.contextmanager
def _naming(path: Root, kind: str) -> Iterator[None]:
    """Names the picture in the error if it is missing or cannot be decoded."""
    if not path.is_file():
        raise ValueError(f"{path} is missing: {_KINDS[kind]} was expected")
    try:
        yield
    # A damaged file raises almost anything: OSError, SyntaxError, zlib.error,
    # zipfile.BadZipFile, ...
    except Exception as error:
        raise ValueError(
            f"{path} cannot be decoded: {_KINDS[kind]} was expected"
        ) from error


def read_picture(path: Root, kind: str) -> Image.Image:
    """Reads and decodes a picture.

    Args:
        path: of the picture.
        kind: `JPEG` or `PNG`.

    Raises:
        ValueError: naming the file, if it is missing or cannot be decoded.
    """
    with _naming(path, kind):
        picture = Image.open(io.BytesIO(path.read_bytes()), formats=(kind,))
        picture.load()
    return picture


def read_size(path: Root, kind: str) -> tuple[int, int]:
    """Returns `(width, height)` of a picture from its header alone.

    Arguments and errors are those of `read_picture`.
    """
    with _naming(path, kind):
        start = _start(path, _HEADER_BYTES)
        try:
            return Image.open(io.BytesIO(start), formats=(kind,)).size
        except Exception:
            if len(start) < _HEADER_BYTES:
                raise
        # A long EXIF segment or colour profile stands before the size.
        return Image.open(io.BytesIO(path.read_bytes()), formats=(kind,)).size


def read_photo(path: Root) -> tuple[bytes, tuple[int, int]]:
    """Reads a JPEG photo, and makes sure that it can be decoded.

    Returns:
        its bytes, and `(width, height)`.

    Raises:
        ValueError: naming the file, if it is missing or cannot be decoded.
    """
    with _naming(path, "JPEG"):
        content = path.read_bytes()
        photo = Image.open(io.BytesIO(content), formats=("JPEG",))
        size = photo.size
        # Decoded at an eighth of its size, which is fast and reads all of the file.
        photo.draft("L", (size[0] // 8, size[1] // 8))
        photo.load()
    return content, size
