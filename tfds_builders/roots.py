"""Finds the folder of a data set in a download, or says why not. No TensorFlow."""

import itertools
import os
import pathlib
from collections.abc import Callable, Iterator

from tfds_builders.files import Root, names_in, way_out
from tfds_builders.zip_path import ZipPath, folded

# Folders that are looked into for a data set that lies elsewhere.
_MOST_FOLDERS = 200


def find_root(
    manual_dir: str | os.PathLike,
    folder_names: tuple[str, ...],
    archive_name: str,
    is_root: Callable[[Root], bool],
    folders: tuple[str, ...],
    contents: str,
) -> Root:
    """Finds a data set in a folder.

    Args:
        manual_dir: a folder that holds the data set, or that is the data set.
        folder_names: names that its folder may have.
        archive_name: name of the zip file, `FOLDER.zip`, with the data set at its
            top or in the folder FOLDER.
        is_root: says whether a folder, maybe one in the zip, is the data set.
        folders: that the data set must hold.
        contents: what the data set must hold, for the error.

    Returns:
        the folder of the data set. A folder is taken before the zip file.

    Raises:
        ValueError: if the folder holds none of these, one that lacks a folder, or a
            zip file that cannot be read.
    """
    folder = pathlib.Path(manual_dir)
    archive = folder / archive_name
    roots: list[Root] = [*(folder / name for name in folder_names), folder]
    for root in roots:
        if is_root(root):
            _refuse_incomplete(root, folders, archive, is_root)
            return root
    if archive.is_file():
        for root in _in_zip(archive):
            if is_root(root):
                _refuse_incomplete(root, folders, archive, is_root)
                return root
    named = ", ".join(f"the folder {name}" for name in folder_names)
    wanted = (*folder_names, archive_name, *folders)
    raise ValueError(
        f"Argument `manual_dir` must hold {named}, or {archive_name}, with "
        f"{contents} in it. Received: manual_dir={manual_dir}."
        f"{_elsewhere(folder, is_root, wanted, archive_name)}"
    )


def _in_zip(archive: pathlib.Path) -> tuple[ZipPath, ZipPath]:
    top = ZipPath.top(archive)
    return top / archive.stem, top


def _refuse_incomplete(
    root: Root,
    folders: tuple[str, ...],
    archive: pathlib.Path,
    is_root: Callable[[Root], bool],
) -> None:
    missing = [name for name in folders if not (root / name).is_dir()]
    if not missing:
        return
    help = way_out(root, archive.name)
    if isinstance(root, pathlib.Path) and archive.is_file():
        try:
            whole = any(map(is_root, _in_zip(archive)))
        except ValueError:
            whole = False
        if whole:
            help = f"Unpack {archive} again, or move {root} away: it is read packed."
        else:
            help = f"{archive} beside it is not whole either: download it again."
    raise ValueError(f"{root} has no folder {' and '.join(missing)}. {help}")


def _elsewhere(
    folder: pathlib.Path,
    is_root: Callable[[Root], bool],
    wanted: tuple[str, ...],
    archive_name: str,
) -> str:
    """Says where the data set may be, or what there is in its place."""
    if not folder.is_dir():
        return " There is no such folder."
    by_fold = {folded(name): name for name in wanted}
    for path in itertools.islice(_folders(folder), _MOST_FOLDERS):
        if path != folder and is_root(path):
            return f" There is one in {path}: give that as manual_dir."
        for name in sorted(names_in(path)):
            right = by_fold.get(folded(name))
            if right is not None and right != name:
                return f" There is {path / name}: its name must be {right}."
            if name.startswith(f"{archive_name}."):
                return f" {path / name} is a download that was broken off: finish it."
    return ""


def _folders(top: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a folder, those in it, and those in them."""
    inner = [path for path in sorted(top.iterdir()) if path.is_dir()]
    yield from (top, *inner)
    for path in inner:
        yield from (below for below in sorted(path.iterdir()) if below.is_dir())
