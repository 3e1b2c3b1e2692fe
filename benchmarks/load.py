"""Does a served model answer rightly under load, in steady memory, and how fast?

  python -m trainers.export --model=runs/helen --output=served/face_parser
  python -m benchmarks.load --base_path=served/face_parser

Many clients send photos, broken photos and malformed requests by gRPC, all at once.
Every mask must be the one that the model gave when it was called directly; every
broken photo must have an error of its own; every malformed request must be refused.
The stand-in for the server is started in a process of its own, or --address names a
server that runs (--server_pid: its process, if its memory is to be watched).
"""

import collections
import contextlib
import dataclasses
import pathlib
import random
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import psutil
import tensorflow as tf
from absl import app, flags

from benchmarks.load_cases import SHARES, Case, make_cases
from stn_icnn_tf.client.transports import GrpcTransport, ServingError
from trainers.common.flags import refuse_arguments, usage_errors

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    flags.DEFINE_string("base_path", None, "Folder of the exported version folders.")
    flags.DEFINE_string("model_name", "face_parser", "Name of the served model.")
    flags.DEFINE_string("address", None, "HOST:PORT of a server; default: stand-in.")
    flags.DEFINE_integer("server_pid", None, "Process of the server at --address.")
    flags.DEFINE_integer("workers", 8, "Requests that the stand-in runs at once.", 1)
    flags.DEFINE_integer("clients", 64, "Clients at once.", 1)
    flags.DEFINE_float("seconds", 60.0, "How long they send.", 0.1)
    flags.DEFINE_float("deadline", 60.0, "Seconds that a request may take.")
    flags.DEFINE_integer("side", 512, "Side of the largest photo, pixels.", 128)
    flags.DEFINE_float(
        "max_growth", 0.1, "Share by which memory may grow after the first quarter."
    )


@dataclasses.dataclass
class Record:
    """What happened under load.

    Attributes:
        seconds: from the first request to the last answer.
        answers: (kind of request, kind of answer, whether it is right) -> number.
        latencies: seconds of each request that was answered with masks.
        photos: masks that came back, or errors of broken photos.
        memory: (seconds, bytes) of the server, in the order of time; may be empty.
    """

    seconds: float = 0.0
    answers: collections.Counter = dataclasses.field(
        default_factory=collections.Counter
    )
    latencies: list[float] = dataclasses.field(default_factory=list)
    photos: int = 0
    memory: list[tuple[float, int]] = dataclasses.field(default_factory=list)

    @property
    def wrong(self) -> int:
        """Number of answers that are not the right ones."""
        return sum(n for (*_, right), n in self.answers.items() if not right)

    def memory_at(self, share: float) -> float:
        """Returns the median bytes in a tenth of the time around a share of it."""
        end = self.memory[-1][0]
        middle, reach = end * min(max(share, 0.05), 0.95), end * 0.05
        # At least the nearest: a busy machine may leave gaps.
        reach = max(reach, min(abs(at - middle) for at, _ in self.memory))
        return statistics.median(
            size for at, size in self.memory if abs(at - middle) <= reach
        )

    @property
    def growth(self) -> float:
        """Share by which the memory at the end is over that of the first quarter."""
        return self.memory_at(1.0) / self.memory_at(0.25) - 1.0


def direct_parser(saved_model: pathlib.Path) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function that calls a SavedModel directly: photo -> mask."""
    signature = tf.saved_model.load(str(saved_model)).signatures["serving_default"]
    return lambda photo: signature(images=tf.constant(photo[None]))["mask"][0].numpy()


@contextlib.contextmanager
def stand_in_process(
    base_path: str | pathlib.Path, model_name: str, workers: int = 8
) -> Iterator[tuple[str, int]]:
    """Runs the stand-in as a process while the context lasts: its address and id.

    Raises:
        RuntimeError: if it does not start.
    """
    command = [sys.executable, "-m", "serving.stand_in", f"--base_path={base_path}"]
    command += [f"--model_name={model_name}", f"--workers={workers}"]
    command += ["--grpc_port=0", "--rest_port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = re.search(r"gRPC (\d+)", process.stdout.readline())
            if port is None:
                raise RuntimeError(f"The stand-in did not start: {' '.join(command)}")
            yield f"localhost:{port[1]}", process.pid
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
    """
    record, lock = Record(), threading.Lock()
    counts = collections.Counter(case.kind for case in cases)
    weights = [SHARES[case.kind] / counts[case.kind] for case in cases]
    transports = [GrpcTransport(address, model_name, None) for _ in range(clients)]
    requests = [new_request(transports[0], case) for case in cases]
    start = time.perf_counter()

    def send(seed: int, transport: GrpcTransport) -> None:
        rng = random.Random(seed)
        while time.perf_counter() - start < seconds:
            (index,) = rng.choices(range(len(cases)), weights)
            case = cases[index]
            kind, right, latency = ask(transport, case, requests[index], deadline)
            with lock:
                record.answers[case.kind, kind, right] += 1
                if right and case.masks is not None:
                    record.latencies.append(latency)
                    record.photos += len(case.masks)

    threads = [
        threading.Thread(target=send, args=(seed, transport))
        for seed, transport in enumerate(transports)
    ]
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


def describe(record: Record) -> str:
    """Formats what happened, for people."""
    lines = [f"{'request':<16}{'answer':<22}{'number':>8}"]
    for (kind, answer, right), number in sorted(record.answers.items()):
        lines.append(f"{kind:<16}{answer:<22}{number:8d}{'' if right else '  WRONG'}")
    total = sum(record.answers.values())
    lines.append(
        f"{total} requests in {record.seconds:.1f} s: "
        f"{total / record.seconds:.1f} requests/s, "
        f"{record.photos / record.seconds:.1f} photos/s"
    )
    if record.latencies:
        p50, p90, p99, top = 1000 * np.percentile(record.latencies, [50, 90, 99, 100])
        lines.append(
            f"latency, requests with masks, ms: p50 {p50:.0f}, p90 {p90:.0f}, "
            f"p99 {p99:.0f}, max {top:.0f}"
        )
    if record.memory:
        start, quarter, middle, end = (
            record.memory_at(share) / 2**20 for share in (0.0, 0.25, 0.5, 1.0)
        )
        lines.append(
            f"memory of the server, MiB: start {start:.0f}, first quarter "
            f"{quarter:.0f}, middle {middle:.0f}, end {end:.0f}: "
            f"{record.growth:+.1%} since the first quarter"
        )
    return "\n".join(lines)


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
        address, pid = FLAGS.address, FLAGS.server_pid
        if address is None:
            address, pid = stack.enter_context(
                stand_in_process(FLAGS.base_path, FLAGS.model_name, FLAGS.workers)
            )
        record = put_under_load(
            address,
            FLAGS.model_name,
            cases,
            FLAGS.clients,
            FLAGS.seconds,
            FLAGS.deadline,
            pid,
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
