"""A run folder in remote storage: a local copy to train in, uploaded as it changes.

TensorFlow writes logs and checkpoints where it knows the storage, and object storage
can neither append nor rename nor lock. So a run works in a local folder all the same.
"""

import contextlib
import os
import pathlib
import socket
import tempfile
import uuid
from collections.abc import Iterator

from trainers.training.errors import RunError

HOLDER_FILE = "holder"


class RemoteRun:
    """Holds a local folder and a remote one together.

    No lock of remote storage goes away with a killed process. So who starts last holds
    the folder: the file `holder` names it, and a trainer that finds another name there
    stops before it writes anything more.

    Args:
        remote: the run folder, a path of `files.as_path`, which exists.
        local: an empty folder.
    """

    def __init__(self, remote: pathlib.Path, local: pathlib.Path) -> None:
        self.remote, self.local = remote, local
        self._name = f"{socket.gethostname()} {os.getpid()} {uuid.uuid4().hex}"
        self._known: dict[str, tuple[int, int]] = {}
        (remote / HOLDER_FILE).write_text(self._name)
        _download(remote, local)
        self._known = self._local_files()

    def upload(self) -> None:
        """Brings the remote folder to what the local one holds now.

        What was written last goes last, and what is gone goes after that: an upload
        that is cut off leaves a checkpoint that can be read.

        Raises:
            RunError: if another process has started the run since.
            OSError: if the storage cannot be written.
        """
        self._check_holder()
        files = self._local_files()
        changed = [name for name in files if files[name] != self._known.get(name)]
        # A checkpoint's index after its data: without it none can be read.
        for name in sorted(
            changed, key=lambda n: (n.endswith(".index"), files[n][0], n)
        ):
            place = self.remote / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes((self.local / name).read_bytes())
        # And here it goes first.
        gone = sorted(set(self._known) - set(files), reverse=True)
        for name in gone:
            (self.remote / name).unlink(missing_ok=True)
        self._known = files

    def _check_holder(self) -> None:
        try:
            holder = (self.remote / HOLDER_FILE).read_text()
        except FileNotFoundError:
            holder = "nobody: the file is gone"
        if holder != self._name:
            raise RunError(
                f"{self.remote} is trained in by another process now, "
                f"{' '.join(holder.split()[:2])}. This one stops."
            )

    def _local_files(self) -> dict[str, tuple[int, int]]:
        """Time and size of every file, by its name."""
        files = {}
        for path in self.local.rglob("*"):
            if path.is_file():
                stat = path.stat()
                name = path.relative_to(self.local).as_posix()
                files[name] = (stat.st_mtime_ns, stat.st_size)
        return files


def _download(remote: pathlib.Path, local: pathlib.Path) -> None:
    for path in remote.iterdir():
        place = local / path.name
        if path.is_dir():
            place.mkdir(exist_ok=True)
            _download(path, place)
        elif path.name != HOLDER_FILE:
            place.write_bytes(path.read_bytes())


@contextlib.contextmanager
def remote_run(remote: pathlib.Path) -> Iterator[RemoteRun]:
    """Opens a remote run folder in a temporary one; uploads the rest at the end.

    Args:
        remote: the run folder, which exists.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = RemoteRun(remote, pathlib.Path(folder))
        try:
            yield run
            run.upload()
        except RunError as error:
            # What is to be deleted, say, is in the remote one.
            raise RunError(str(error).replace(folder, str(remote))) from error
