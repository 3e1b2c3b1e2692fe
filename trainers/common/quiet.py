"""Leaves a script's output to what it says itself; errors stay.

TensorFlow's C++ code reads how much to log when it is loaded: `trainers/__init__.py`
calls this before. `--verbosity=1` brings everything back, `--verbosity=-1` warnings.
Where TF_CPP_MIN_LOG_LEVEL is set, it says what TensorFlow's C++ code logs.
"""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import IO, cast

from absl import app, flags, logging

LEVEL = "TF_CPP_MIN_LOG_LEVEL"

# What is logged while TensorFlow is loaded heeds no level. Without NVIDIA's driver it
# calls it an error (303) that there is none.
_NOISE = r"^[IW][0-9]{4} |^WARNING: All log messages before|cuInit: .*\(303\)"


def given_verbosity(argv: list[str]) -> int | None:
    """Reads `--verbosity` before absl does.

    Args:
        argv: the arguments of a script.

    Returns:
        absl's level: 1 debug, 0 info, -1 warning, -2 error; None if none is given.
    """
    value = None
    names = ("--verbosity", "-verbosity", "--v", "-v")
    for argument, following in zip(argv, [*argv[1:], ""]):
        name, sign, text = argument.partition("=")
        if name in names:
            with contextlib.suppress(ValueError):  # absl will say what is wrong.
                value = int(text if sign else following)
    return value


def filter_stderr(pattern: str) -> Callable[[], None]:
    """Drops lines that match from what this process, C++ included, writes to stderr.

    A process of its own drops them: what is written last before a crash still shows.

    Args:
        pattern: extended regular expression of grep.

    Returns:
        ends it.
    """
    grep = shutil.which("grep")
    if grep is None:
        return lambda: None
    sys.stderr.flush()
    before = os.dup(2)
    command = [grep, "--line-buffered", "-v", "-E", pattern]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=2)
    with cast(IO[bytes], process.stdin) as pipe:
        os.dup2(pipe.fileno(), 2)

    def end() -> None:
        sys.stderr.flush()
        os.dup2(before, 2)
        os.close(before)
        # So that its lines come before what follows; not for a child that holds on to
        # the pipe.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1)

    return end


def quiet_libraries() -> None:
    """Silences the libraries; C++ code only before TensorFlow is loaded."""
    # Of `python -m trainers.NAME`, while it imports this package; or the command.
    is_script = pathlib.Path(*sys.argv[:1]).name in ("-m", "face-parse")
    verbosity = given_verbosity(sys.argv) if is_script else None
    if verbosity is None:
        # Else absl takes it to be 0, and shows what every library does.
        flags.FLAGS.verbosity = logging.WARNING
        verbosity = logging.ERROR
    # TensorFlow counts up from 0, info; absl down.
    level = os.environ.setdefault(LEVEL, str(min(max(-verbosity, 0), 3)))
    if is_script and level != "0":
        end = filter_stderr(_NOISE)

        def loaded() -> None:
            _find_accelerators()
            end()

        app.call_after_init(loaded)


@contextlib.contextmanager
def quietly_loaded() -> Iterator[None]:
    """Silences TensorFlow where a block of a script is the first to load it."""
    if "tensorflow" in sys.modules or os.environ.get(LEVEL) == "0":
        yield
        return
    end = filter_stderr(_NOISE)
    try:
        yield
        _find_accelerators()
    finally:
        end()


def _find_accelerators() -> None:
    """Has TensorFlow say now what it says when it first looks for them."""
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].config.list_physical_devices()
