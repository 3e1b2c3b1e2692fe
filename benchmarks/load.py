"""Does a served model answer rightly under load, in steady memory, and how fast?

  python -m trainers.export --model=runs/helen --output=served/face_parser
  python -m benchmarks.load --base_path=served/face_parser

Many clients send photos, broken photos and malformed requests by gRPC, all at once.
Every mask must be the one that the model gave when it was called directly; every
broken photo must have an error of its own; every malformed request must be refused.
Meanwhile the server is disturbed: by a slow client, by clients that vanish, by 10,000
connections opened and closed, by a version that is swapped and by bodies of 200 MB.
The stand-in for the server is started in a process of its own, or --address names a
server that runs (--rest_address: its other port, if it is to be disturbed;
--server_pid: its process, if its memory is to be watched).
"""

import collections
import contextlib
import functools
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import psutil
import tensorflow as tf
from absl import app, flags

from benchmarks.load_cases import SHARES, Case, decode_mask, make_cases
from benchmarks.load_disturbances import Target, disturb, swapped_version
from benchmarks.load_record import Record, describe
from stn_icnn_tf.client.transports import GrpcTransport, ServingError
from trainers.common.flags import refuse_arguments, usage_errors

FLAGS = flags.FLAGS

# Is told a kind of request, the kind of answer, and whether it is right.
See = Callable[[str, str, bool], None]


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    flags.DEFINE_string("base_path", None, "Folder of the exported version folders.")
    flags.DEFINE_string("model_name", "face_parser", "Name of the served model.")
    flags.DEFINE_string("address", None, "HOST:PORT of a server; default: stand-in.")
    flags.DEFINE_string("rest_address", None, "HOST:PORT of its REST interface.")
    flags.DEFINE_bool("disturb", True, "Whether the server is disturbed meanwhile.")
    flags.DEFINE_integer("server_pid", None, "Process of the server at --address.")
    flags.DEFINE_integer("workers", 8, "Requests that the stand-in runs at once.", 1)
    flags.DEFINE_integer("clients", 64, "Clients at once.", 1)
    flags.DEFINE_float("seconds", 60.0, "How long they send.", 0.1)
    # Two cores are full with 64 clients: a request waits its turn, up to 107 s where
    # other work ran beside it, and so does a version that is swapped in.
    flags.DEFINE_float("deadline", 240.0, "Seconds that a request may take.")
    flags.DEFINE_integer("side", 512, "Side of the largest photo, pixels.", 128)
    flags.DEFINE_float(
        "max_growth", 0.1, "Share by which memory may grow after the first quarter."
    )


def direct_parser(saved_model: pathlib.Path) -> Callable[[np.ndarray | bytes], Any]:
    """Returns a function that calls a SavedModel directly: a photo, or a file -> mask.

    Of a file the face is searched for, if the model was exported so.
    """
    signatures = tf.saved_model.load(str(saved_model)).signatures

    def parse(photo: np.ndarray | bytes) -> np.ndarray:
        if isinstance(photo, bytes):
            files = tf.constant([photo])
            answer = signatures["serving_bytes"](image_bytes=files)
            return decode_mask(answer["mask_bytes"][0].numpy())
        pixels = tf.constant(photo[None])
        return signatures["serving_default"](images=pixels)["mask"][0].numpy()

    return parse


class Server(NamedTuple):
    """A server that runs: its two addresses, `HOST:PORT`, and its process."""

    grpc: str
    rest: str | None
    pid: int | None


@contextlib.contextmanager
def stand_in_process(
    base_path: str | pathlib.Path, model_name: str, workers: int = 8
) -> Iterator[Server]:
    """Runs the stand-in as a process while the context lasts.

    Raises:
        RuntimeError: if it does not start.
    """
    command = [sys.executable, "-m", "serving.stand_in", f"--base_path={base_path}"]
    command += [f"--model_name={model_name}", f"--workers={workers}"]
    command += ["--grpc_port=0", "--rest_port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            ports = re.search(r"gRPC (\d+) REST (\d+)", process.stdout.readline())
            if ports is None:
                raise RuntimeError(f"The stand-in did not start: {' '.join(command)}")
            yield Server(f"localhost:{ports[1]}", f"localhost:{ports[2]}", process.pid)
        finally:
            process.terminate()


def new_request(transport: GrpcTransport, case: Case) -> Any:
    """Makes the `PredictRequest` of a case."""
    request = transport.new_request(case.signature)
    for name, value in case.inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def ask(
    transport: GrpcTransport, case: Case, request: Any, deadline: float
) -> tuple[str, bool, float]:
    """Sends the request of a case.

    Returns:
        the kind of answer, whether it is the right one, and seconds until it came.
    """
    sent = time.perf_counter()
    try:
        answer = transport.send(request, deadline)
    except ServingError as error:
        answer = error
    seconds = time.perf_counter() - sent
    return (*case.judge(answer), seconds)


def put_under_load(
    address: str,
    model_name: str,
    cases: list[Case],
    clients: int,
    seconds: float,
    deadline: float,
    pid: int | None = None,
    disturbance: Callable[[See], None] | None = None,
) -> Record:
    """Sends requests by many clients at once, each with a connection of its own.

    Args:
        address: `HOST:PORT`, the server's gRPC port.
        model_name: name of the served model.
        cases: the requests.
        clients: threads that send, one request after the other.
        seconds: how long they go on.
        deadline: seconds that a request may take.
        pid: process whose memory is watched, or None.
        disturbance: is called after a third of the time, and tells its argument what
            it saw. Requests are sent until a quarter of the time after it ended.
    """
    record, lock = Record(), threading.Lock()
    counts = collections.Counter(case.kind for case in cases)
    weights = [SHARES[case.kind] / counts[case.kind] for case in cases]
    transports = [GrpcTransport(address, model_name, None) for _ in range(clients)]
    requests = [new_request(transports[0], case) for case in cases]
    start = time.perf_counter()

    disturbed = threading.Event()

    def see(kind: str, answer: str, right: bool) -> None:
        with lock:
            record.answers[kind, answer, right] += 1

    def disturb_meanwhile() -> None:
        try:
            if disturbance is not None:
                time.sleep(seconds / 3)
                disturbance(see)
                time.sleep(seconds / 4)
        except Exception as error:
            see("disturbance", repr(error), False)
        finally:
            disturbed.set()

    def send(seed: int, transport: GrpcTransport) -> None:
        rng = random.Random(seed)
        while time.perf_counter() - start < seconds or not disturbed.is_set():
            (index,) = rng.choices(range(len(cases)), weights)
            case = cases[index]
            kind, right, latency = ask(transport, case, requests[index], deadline)
            see(case.kind, kind, right)
            with lock:
                if right and case.masks is not None:
                    record.latencies.append(latency)
                    record.photos += len(case.masks)

    threads = [
        threading.Thread(target=send, args=(seed, transport))
        for seed, transport in enumerate(transports)
    ]
    threads.append(threading.Thread(target=disturb_meanwhile))
    server = None if pid is None else psutil.Process(pid)
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if server is not None:
            elapsed = time.perf_counter() - start
            record.memory.append((elapsed, server.memory_info().rss))
        time.sleep(seconds / 200)
    record.seconds = time.perf_counter() - start
    for transport in transports:
        transport.close()
    return record


def main(argv: list[str]) -> None:
    """Runs the script; exits 1 if an answer is wrong, or memory grows."""
    refuse_arguments(argv)
    versions = pathlib.Path(FLAGS.base_path).glob("[0-9]*/saved_model.pb")
    latest = max((int(path.parent.name) for path in versions), default=None)
    if latest is None:
        raise app.UsageError(f"--base_path={FLAGS.base_path} holds no SavedModel.")
    with usage_errors():
        parse = direct_parser(pathlib.Path(FLAGS.base_path) / str(latest))
        cases = make_cases(parse, FLAGS.side)
    with contextlib.ExitStack() as stack:
        server = Server(FLAGS.address, FLAGS.rest_address, FLAGS.server_pid)
        base_path = None
        if FLAGS.address is None:
            # Its versions will be swapped: a copy of them.
            base_path = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
            folder = pathlib.Path(FLAGS.base_path) / str(latest)
            shutil.copytree(folder, base_path / str(latest))
            server = stack.enter_context(
                stand_in_process(base_path, FLAGS.model_name, FLAGS.workers)
            )
        disturbance = None
        if FLAGS.disturb and server.rest is not None:
            target = Target(
                server.grpc, server.rest, FLAGS.model_name, base_path, FLAGS.deadline
            )
            # The first swap of a process leaves memory behind, the later ones do not.
            if not all(right for _, right in swapped_version(target, cases[0])):
                sys.exit("The server did not take up a new version.")
            disturbance = functools.partial(disturb, target, cases[0])
        record = put_under_load(
            server.grpc,
            FLAGS.model_name,
            cases,
            FLAGS.clients,
            FLAGS.seconds,
            FLAGS.deadline,
            server.pid,
            disturbance,
        )
    print(describe(record))
    if record.wrong:
        sys.exit(f"{record.wrong} answers are wrong.")
    if record.memory and record.growth > FLAGS.max_growth:
        sys.exit(f"The server's memory grew by more than {FLAGS.max_growth:.0%}.")


if __name__ == "__main__":
    define_flags()
    flags.mark_flag_as_required("base_path")
    app.run(main)
