"""Reads the files of a download, in a folder or a zip. No TensorFlow."""

import contextlib
import io
import os
import pathlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from PIL import Image

from tfds_builders.zip_path import ZipPath, folded

Root = pathlib.Path | ZipPath

_KINDS = {"JPEG": "a JPEG photo", "PNG": "an 8-bit PNG mask"}
# Pillow's modes of which decoders make different pixels, or 8 bits lose some.
_REFUSED = {"JPEG": ("CMYK",), "PNG": ("I", "I;16", "I;16B")}
_MOST_ERRORS = 20
# More files that are missing from one folder are named together.
_MOST_MISSING = 3
# Enough for the header of nearly every picture; the others are read whole.
_HEADER_BYTES = 4096


class MissingFile(ValueError):
    """A file or folder that is not there.

    Args:
        path: of it.
        expected: what it should have been.
    """

    def __init__(self, path: Root, expected: str) -> None:
        super().__init__(f"{path} is missing: {expected} was expected")
        self.folder, self.name = path.parent, path.name
        self.expected = expected


class _OtherMode(ValueError):
    """A picture of a mode that is not read."""


def _grouped(errors: Sequence[ValueError | str]) -> list[str]:
    """Writes a line an error; of many files that a folder lacks, one for them all."""
    lacking = defaultdict(list)
    for error in errors:
        if isinstance(error, MissingFile):
            lacking[error.folder, error.expected].append(error)
    lines = []
    for error in errors:
        group = []
        if isinstance(error, MissingFile):
            group = lacking[error.folder, error.expected]
        if len(group) <= _MOST_MISSING:
            lines.append(f"{error}{_other_spelling(group[:1])}")
        elif error is group[0]:
            names = ", ".join(one.name for one in group[:_MOST_MISSING])
            lines.append(
                f"{error.folder} lacks {len(group)} files: {names}, ...: "
                f"{error.expected} each was expected{_other_spelling(group)}"
            )
    return lines


def _other_spelling(missing: Sequence[MissingFile]) -> str:
    """Says if a missing file is there under a name that is written otherwise."""
    if not missing:
        return ""
    there = {folded(name): name for name in names_in(missing[0].folder)}
    for error in missing:
        if folded(error.name) in there:
            return (
                f"; there is {there[folded(error.name)]}, which is written otherwise "
                "(case, or the form of its accents)"
            )
    return ""


def raise_all(
    root: Root, errors: Sequence[ValueError | str], archive_name: str | None = None
) -> None:
    """Raises one ValueError for all errors, if any; it shows 20 lines of them.

    Args:
        root: the folder of the data set.
        errors: one a file, or more.
        archive_name: of the download, for the way out: files are missing or damaged
            where it was not unpacked whole.
    """
    if not errors:
        return
    lines = _grouped(errors)
    if len(lines) > _MOST_ERRORS:
        lines[_MOST_ERRORS:] = [f"and {len(lines) - _MOST_ERRORS} more"]
    if archive_name is not None:
        lines.append(way_out(root, archive_name))
    shown = "\n  ".join(lines)
    raise ValueError(f"{root} is not usable, bad files: {len(errors)}\n  {shown}")


def way_out(root: Root, archive_name: str) -> str:
    """Says what to do about a data set that is not whole."""
    if isinstance(root, ZipPath):
        return f"If {root.archive} was not downloaded whole, download it again."
    return (
        f"If {archive_name} was not unpacked whole, unpack it again; or put it into "
        "manual_dir and move this folder away: it is read packed, too."
    )


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
        ValueError: if the list is not there, is empty, or is no text.
    """
    if not path.is_file():
        raise ValueError(f"{path} is missing: a list of lines `{form}`")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + error.object.count(b"\n", 0, error.start)
        raise ValueError(
            f"{path}, line {line}: must be text in UTF-8, so that names other than "
            "ASCII are read. Save the list in that encoding."
        ) from error
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
        raise MissingFile(path, _KINDS[kind])
    try:
        yield
    # A damaged file raises almost anything: OSError, SyntaxError, zlib.error,
    # zipfile.BadZipFile, ...
    except Exception as error:
        reason = f" ({error})" if isinstance(error, _OtherMode) else ""
        raise ValueError(
            f"{path} cannot be decoded: {_KINDS[kind]} was expected{reason}"
        ) from error


def _check_mode(picture: Image.Image, kind: str) -> None:
    if picture.mode in _REFUSED[kind]:
        raise _OtherMode(f"its pixels are of the mode {picture.mode}")


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
        _check_mode(picture, kind)
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
        _check_mode(photo, "JPEG")
    return content, size
