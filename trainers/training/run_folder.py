"""The folder that a process may train in, whoever it is and wherever that lies."""

import contextlib
import pathlib
import tempfile
from collections.abc import Callable, Iterator

from stn_icnn_tf.files import is_remote, remove_unfinished
from trainers.training.remote_run import remote_run
from trainers.training.run_lock import locked


def keep_as_is() -> None:
    """What an epoch's end needs in a folder that nobody has to be told of."""


@contextlib.contextmanager
def open_run(
    run_dir: pathlib.Path | None,
) -> Iterator[tuple[pathlib.Path, Callable[[], None]]]:
    """Opens a run folder for the one process that may write it.

    Args:
        run_dir: the folder, which exists: a local one is locked, of a remote one a copy
            is made. None: of a worker that is not the chief, and gets a temporary one.

    Yields:
        the local folder to train in, and what is to be called when an epoch is written.

    Raises:
        RunError: if another process trains in the folder.
    """
    if run_dir is None:
        with tempfile.TemporaryDirectory() as folder:
            yield pathlib.Path(folder), keep_as_is
    elif is_remote(run_dir):
        with remote_run(run_dir) as run:
            yield run.local, run.upload
    else:
        with locked(run_dir):
            remove_unfinished(run_dir)
            yield run_dir, keep_as_is
