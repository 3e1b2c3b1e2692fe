"""Paths in a zip file of very many members. No TensorFlow."""

import dataclasses
import functools
import pathlib
import threading
import unicodedata
import zipfile

# Of the open zip files, which count their readers without a lock of their own.
_ZIP_LOCK = threading.RLock()


def folded(name: str) -> str:
    """Returns a name as file systems that take no notice of case compare it."""
    return unicodedata.normalize("NFC", name).casefold()


@functools.lru_cache(maxsize=2)
def _open_zip(archive: str, stamp: int) -> tuple[zipfile.ZipFile, dict[str, set]]:
    """Opens a zip file and lists its folders, once a process for each `stamp`."""
    del stamp  # Tells a file from the one that it has replaced.
    file = zipfile.ZipFile(archive)
    # Some programs on Windows write them, against the format.
    for name in [name for name in file.NameToInfo if "\\" in name]:
        file.NameToInfo[name.replace("\\", "/")] = file.NameToInfo.pop(name)
    folders: dict[str, set[str]] = {"": set()}
    for name in file.NameToInfo:
        path = name.rstrip("/")
        while path:
            folder, _, last = path.rpartition("/")
            known = folder in folders
            folders.setdefault(folder, set()).add(last)
            if known:  # So its parents know it already.
                break
            path = folder
    return file, folders


@dataclasses.dataclass(frozen=True)
class ZipPath:
    """A file or folder in a zip file, with as much of `pathlib.Path` as is used here.

    `zipfile.Path` does the same, but carries the index of its file along when it is
    pickled and works through all of it to list a folder. With 400,000 members that
    is too slow; here each process reads the index once.

    Attributes:
        archive: path of the zip file.
        stamp: its time of modification in ns.
        at: path within it, empty for its top.
    """

    archive: str
    stamp: int
    at: str = ""

    @classmethod
    def top(cls, archive: pathlib.Path) -> "ZipPath":
        """Returns the top of a zip file.

        Raises:
            ValueError: if it cannot be read.
        """
        path = cls(str(archive), archive.stat().st_mtime_ns)
        try:
            path._opened()
        except (zipfile.BadZipFile, OSError) as error:
            raise ValueError(
                f"{archive} cannot be read: the whole zip file was expected. If its "
                "download was broken off, download it again."
            ) from error
        return path

    @property
    def parent(self) -> "ZipPath":
        """The folder that it is in; of the top, the top."""
        return dataclasses.replace(self, at=self.at.rpartition("/")[0])

    @property
    def name(self) -> str:
        """Its name; of the top, none."""
        return self.at.rpartition("/")[2]

    def _opened(self) -> tuple[zipfile.ZipFile, dict[str, set]]:
        with _ZIP_LOCK:
            return _open_zip(self.archive, self.stamp)

    def __truediv__(self, name: str) -> "ZipPath":
        return dataclasses.replace(self, at=f"{self.at}/{name}".strip("/"))

    def __str__(self) -> str:
        return f"{self.archive}/{self.at}".rstrip("/")

    def is_file(self) -> bool:
        """Returns whether it is a file."""
        _, folders = self._opened()
        folder, _, last = self.at.rpartition("/")
        return last in folders.get(folder, ()) and not self.is_dir()

    def is_dir(self) -> bool:
        """Returns whether it is a folder with something in it."""
        return self.at in self._opened()[1]

    def names(self) -> set[str]:
        """Returns the names of what the folder holds."""
        return self._opened()[1].get(self.at, set())

    def read_bytes(self, count: int = -1) -> bytes:
        """Returns the content, or its first `count` bytes."""
        with _ZIP_LOCK, self._opened()[0].open(self.at) as file:
            return file.read(count)

    def read_text(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Returns the content as text."""
        return self.read_bytes().decode(encoding, errors)
