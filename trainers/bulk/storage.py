"""Files wherever Beam's file systems reach: this machine, gs://, s3://, hdfs://."""

import os
import re
import uuid

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from stn_icnn_tf.files import UNFINISHED, is_remote
from trainers.common.paths import local_path

_GLOB = re.compile(r"[*?[]")


def full_path(path: str) -> str:
    """Returns a path that means the same to every worker of this machine.

    Raises:
        ValueError: if its `~` is the home of nobody.
    """
    return path if is_remote(path) else os.path.abspath(local_path(path))


def is_glob(path: str) -> bool:
    """Whether a path has characters that stand for others."""
    return _GLOB.search(path) is not None


def matches(pattern: str) -> list[str]:
    """Lists the files that a pattern matches, sorted; `**` crosses folders."""
    (found,) = FileSystems.match([pattern])
    return sorted(file.path for file in found.metadata_list)


def read(path: str) -> bytes:
    """Reads a file.

    Raises:
        OSError: if that fails.
    """
    plain = CompressionTypes.UNCOMPRESSED
    with FileSystems.open(path, compression_type=plain) as file:
        return file.read()


def write_whole(content: bytes, path: str) -> None:
    """Writes a file beside its place and moves it there: it is whole, or not there."""
    folder, _ = FileSystems.split(path)
    fresh = FileSystems.join(folder, f"{UNFINISHED}{uuid.uuid4().hex}")
    plain = CompressionTypes.UNCOMPRESSED
    with FileSystems.create(fresh, compression_type=plain) as file:
        file.write(content)
    FileSystems.rename([fresh], [path])


def remove(pattern: str) -> None:
    """Removes the files that a pattern matches, if there are any."""
    found = matches(pattern)
    if found:
        FileSystems.delete(found)


def remove_unfinished(folder: str) -> None:
    """Removes what a killed process was writing in a folder."""
    remove(FileSystems.join(folder, f"{UNFINISHED}*"))
