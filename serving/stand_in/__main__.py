"""Runs the stand-in until it is stopped.

python -m serving.stand_in --base_path=served/face_parser
"""

import contextlib
import ctypes
import signal
import sys
import threading

import tensorflow as tf
from absl import app, flags

from serving.stand_in.models import LoadedModel
from serving.stand_in.servers import serve
from trainers.common.flags import refuse_arguments, usage_errors

FLAGS = flags.FLAGS

# How often new versions are looked for, as the server does.
POLL_SECONDS = 1.0


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    flags.DEFINE_string("base_path", None, "Folder of the version folders.")
    flags.DEFINE_string("model_name", "face_parser", "Name of the served model.")
    flags.DEFINE_integer("grpc_port", 8500, "Port of the gRPC interface; 0: any.")
    flags.DEFINE_integer("rest_port", 8501, "Port of the REST interface; 0: any.")
    flags.DEFINE_integer("workers", 8, "gRPC requests that run at once.", 1)


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        model = LoadedModel(FLAGS.model_name, FLAGS.base_path)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with serve(model, FLAGS.grpc_port, FLAGS.rest_port, FLAGS.workers) as ports:
        print(f"gRPC {ports.grpc} REST {ports.rest}", flush=True)
        while not stopped.wait(POLL_SECONDS):
            try:
                model.refresh()
            except (OSError, ValueError, tf.errors.OpError) as error:
                # What is loaded is served on.
                print(f"A new version cannot be loaded: {error}", file=sys.stderr)
            _trim()


def _trim() -> None:
    """Gives freed memory back to the system, where the C library can.

    glibc keeps what a thread has freed for that thread: after large requests each
    would hold the size of one, and that looks like a leak.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


if __name__ == "__main__":
    define_flags()
    flags.mark_flag_as_required("base_path")
    app.run(main)
