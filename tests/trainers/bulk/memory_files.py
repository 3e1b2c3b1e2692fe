"""A file system of Beam's in memory, which stands in for remote storage."""

import io
import typing

from apache_beam.io.filesystem import (
    BeamIOError,
    FileMetadata,
    FileSystem,
)


class _File(io.BytesIO):
    def __init__(self, path):
        super().__init__()
        self._path = path

    def close(self):
        if not self.closed:
            MemoryFiles.files[self._path] = self.getvalue()
        super().close()


class MemoryFiles(FileSystem):
    """Files by their paths, `memory://...`; it has no folders, as buckets have none."""

    files: typing.ClassVar = {}

    @classmethod
    def scheme(cls):
        return "memory"

    def join(self, basepath, *paths):
        return "/".join([basepath.rstrip("/"), *paths])

    def split(self, path):
        head, _, tail = path.rpartition("/")
        return head, tail

    def mkdirs(self, path):
        raise BeamIOError("there are no folders")

    def has_dirs(self):
        return False

    def _list(self, dir_or_prefix):
        for path, content in list(self.files.items()):
            if path.startswith(dir_or_prefix):
                yield FileMetadata(path, len(content), 0.0)

    def create(self, path, mime_type="", compression_type="auto"):
        return _File(path)

    def open(self, path, mime_type="", compression_type="auto"):
        if path not in self.files:
            raise BeamIOError(f"no such object: {path}")
        return io.BytesIO(self.files[path])

    def copy(self, source_file_names, destination_file_names):
        raise NotImplementedError

    def rename(self, source_file_names, destination_file_names):
        for source, destination in zip(source_file_names, destination_file_names):
            self.files[destination] = self.files.pop(source)

    def exists(self, path):
        return path in self.files

    def size(self, path):
        return len(self.files[path])

    def last_updated(self, path):
        return 0.0

    def checksum(self, path):
        raise NotImplementedError

    def metadata(self, path):
        return FileMetadata(path, len(self.files[path]), 0.0)

    def delete(self, paths):
        for path in paths:
            del self.files[path]
