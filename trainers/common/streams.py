"""Standard input and output of a script whose result is read by another program."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import BinaryIO

# What stands for standard input, where a file can be named.
STDIN = "-"


@contextlib.contextmanager
def result_stream() -> Iterator[BinaryIO]:
    """Gives standard output to the result alone: all else goes to standard error.

    Libraries included, those in C++, too. A reader that leaves early, as `head` does,
    ends the script without a traceback.

    Yields:
        the stream, of bytes.
    """
    sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        with (
            contextlib.redirect_stdout(sys.stderr),
            open(os.dup(stdout), "wb") as stream,
        ):
            yield stream
    except BrokenPipeError:
        sys.exit(1)
    finally:
        sys.stdout.flush()
        os.dup2(stdout, 1)
        os.close(stdout)
