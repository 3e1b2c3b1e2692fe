"""One trainer a run folder."""

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import socket
from collections.abc import Iterator
from typing import IO

from trainers.training.errors import RunError, writing_to

LOCK_FILE = "lock"
# What a file system without locks answers.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)


@contextlib.contextmanager
def locked(run_dir: pathlib.Path) -> Iterator[None]:
    """Holds the lock of a run folder.

    The operating system holds it on the file `lock`, and lets go when the process
    ends, however it ends: a killed run leaves nothing to clear away. Over a network
    the system may not see another host's lock. So the file names host and process
    while it is held, and another host's name in it counts, too.

    Args:
        run_dir: the run folder, which exists.

    Raises:
        RunError: if another process trains in the folder, or may do so on another
            host.
    """
    path = run_dir / LOCK_FILE
    with open(path, "a+") as file:
        free = _lock(file)
        host, process = _holder(file)
        if host not in (None, socket.gethostname()):
            raise RunError(
                f"Process {process} on host {host} trains in {run_dir}, or was killed "
                f"there. If it trains no more, delete {path}."
            )
        if free is False or (free is None and _runs(process)):
            raise RunError(
                f"Process {process or 'another'} on this host trains in {run_dir}. "
                "Wait until it ends, or choose another --run_dir."
            )
        with writing_to(run_dir):
            file.truncate(0)
            json.dump({"host": socket.gethostname(), "process": os.getpid()}, file)
            file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def _lock(file: IO) -> bool | None:
    """Locks a file; False: another process holds it; None: no file here has locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True


def _holder(file: IO) -> tuple[str | None, int | None]:
    file.seek(0)
    try:
        holder = json.load(file)
        return str(holder["host"]), int(holder["process"])
    except (KeyError, TypeError, ValueError):
        return None, None  # Empty, or its writer was killed in the midst of it.


def _runs(process: int | None) -> bool:
    # A container that starts again gives out the same numbers.
    if process in (None, os.getpid()):
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # Someone else's.
    return True
