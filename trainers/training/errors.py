"""What a run can be stopped by that its user can mend."""

import contextlib
import pathlib
from collections.abc import Iterator

import tensorflow as tf


class RunError(ValueError):
    """A run folder that cannot be trained in: the message says why, and the way out."""


@contextlib.contextmanager
def writing_to(folder: pathlib.Path) -> Iterator[None]:
    """Says why a folder of a run cannot be written to, and what is left.

    Args:
        folder: made before. If it is gone, nothing is made anew in its place: it may
            be on a disk that is not there for the moment.

    Raises:
        RunError: if the folder is gone, the disk is full, or the like.
    """
    whole = "Every epoch that was finished before is whole"
    if not folder.is_dir():
        raise RunError(
            f"{folder} is gone. {whole}, wherever the folder is now: once it is back, "
            "the same command goes on."
        )
    try:
        yield
    # TensorFlow's errors are no OSError; Python's are not always told from a bug.
    except (OSError, tf.errors.OpError) as error:
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
        else:
            # FILE; REASON [Op:NAME], and maybe more lines.
            first = error.message.partition("\n")[0]
            reason = first.rpartition("; ")[2].partition(" [Op:")[0]
        raise RunError(
            f"{folder} cannot be written to: {reason}. {whole}: once the "
            "folder can be written to, the same command goes on."
        ) from error
