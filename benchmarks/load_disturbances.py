"""What clients and operators do to a server beside asking it: for `benchmarks.load`.

Each disturbance is one of those that servers fall over: a slow client, one that
vanishes, a body of 200 MB, thousands of connections, a version swapped. It says what
it saw, and whether that is right; what it must not do, change the answers that others
get or leave memory behind, `benchmarks.load` sees.
"""

import base64
import contextlib
import dataclasses
import json
import pathlib
import shutil
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from benchmarks.load_cases import Case
from stn_icnn_tf.client.transports import GrpcTransport, RestTransport, ServingError

# What a disturbance saw, and whether it is right.
Seen = Iterable[tuple[str, bool]]


@dataclasses.dataclass(frozen=True)
class Target:
    """The server that is disturbed.

    Attributes:
        grpc: `HOST:PORT` of its gRPC interface.
        rest: `HOST:PORT` of its REST interface.
        model_name: name of the served model.
        base_path: folder of its versions, which may be changed; None: not at hand.
        deadline: seconds that an answer may take.
    """

    grpc: str
    rest: str
    model_name: str
    base_path: pathlib.Path | None
    deadline: float

    def connect(self) -> socket.socket:
        """Opens a connection to the REST interface."""
        host, port = self.rest.rsplit(":", 1)
        return socket.create_connection((host, int(port)), self.deadline)

    @contextlib.contextmanager
    def transport(self) -> Iterator[GrpcTransport]:
        """Opens a connection to the gRPC interface while the context lasts."""
        transport = GrpcTransport(self.grpc, self.model_name, None)
        try:
            yield transport
        finally:
            transport.close()

    def http_request(self, files: list[bytes]) -> bytes:
        """Makes a whole HTTP request for `serving_bytes`."""
        encoded = [{"b64": base64.b64encode(file).decode()} for file in files]
        body = json.dumps({"signature_name": "serving_bytes", "inputs": encoded})
        head = f"POST /v1/models/{self.model_name}:predict HTTP/1.1\r\n"
        head += f"Host: {self.rest}\r\nConnection: close\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def slow_client(target: Target, case: Case, seconds: float = 10.0) -> Seen:
    """Sends a request in forty pieces over `seconds`; it is answered all the same."""
    content = target.http_request(list(case.inputs["image_bytes"]))
    step = -(-len(content) // 40)
    with target.connect() as connection:
        for start in range(0, len(content), step):
            connection.sendall(content[start : start + step])
            time.sleep(seconds / 40)
        with connection.makefile("rb") as answer:
            right = b" 200 " in answer.readline()
    yield "answered" if right else "refused", right


def vanishing_clients(target: Target, case: Case, count: int = 100) -> Seen:
    """Leaves by a reset: within the request, and before the answer, by turns."""
    content = target.http_request(list(case.inputs["image_bytes"]))
    for index in range(count):
        with target.connect() as connection:
            sent = len(content) // 2 if index % 2 else len(content)
            connection.sendall(content[:sent])
            # Close by a reset instead of a farewell.
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        yield "gone", True


def large_bodies(target: Target, case: Case, megabytes: int = 200) -> Seen:
    """Sends bodies of 200 MB that are no photo, by both protocols."""
    junk = np.random.default_rng(0).bytes(megabytes * 10**6)
    with target.transport() as transport:
        try:
            photo = case.inputs["image_bytes"][0]
            masks, errors = transport.predict([junk, photo], target.deadline)
            right = not masks[0] and bool(errors[0]) and bool(masks[1])
            yield "an error of its own" if right else "wrong", right
        except ServingError as error:
            yield error.code, False
    # No JSON: the server says so, and need not read on.
    head = f"POST /v1/models/{target.model_name}:predict HTTP/1.1\r\n"
    head += f"Host: {target.rest}\r\nContent-Length: {len(junk)}\r\n\r\n"
    with target.connect() as connection:
        connection.sendall(head.encode())
        with contextlib.suppress(ConnectionError):
            connection.sendall(junk)
        with connection.makefile("rb") as answer:
            right = b" 400 " in answer.readline()
    yield "INVALID_ARGUMENT" if right else "not refused", right


def connections(target: Target, case: Case, count: int = 10_000) -> Seen:
    """Opens and closes connections, to both interfaces by turns."""
    del case
    host, port = target.grpc.rsplit(":", 1)
    for index in range(count):
        if index % 2:
            socket.create_connection((host, int(port)), target.deadline).close()
        else:
            target.connect().close()
        yield "closed", True


def swapped_version(target: Target, case: Case) -> Seen:
    """Adds a version that gives the same masks, then takes the old one away."""
    del case
    if target.base_path is None:
        return
    client = RestTransport(target.rest, target.model_name, None)
    old = max(int(p.name) for p in target.base_path.iterdir() if p.name.isdecimal())
    new = str(old + 1)
    # Whole at once, as `trainers.export --next_version` does.
    shutil.copytree(target.base_path / str(old), target.base_path / f".{new}")
    (target.base_path / f".{new}").rename(target.base_path / new)
    available = _wait(lambda: int(new) in client.status(target.deadline), target)
    yield "available" if available else "not loaded", available
    shutil.rmtree(target.base_path / str(old))
    gone = _wait(lambda: [*client.status(target.deadline)] == [int(new)], target)
    yield "let go" if gone else "kept", gone


DISTURBANCES: dict[str, Callable[[Target, Case], Seen]] = {
    "slow client": slow_client,
    "vanishing client": vanishing_clients,
    "connection": connections,
    "version swap": swapped_version,
    "body of 200 MB": large_bodies,
}


def disturb(target: Target, case: Case, see: Callable[[str, str, bool], None]) -> None:
    """Disturbs a server in every way, one after the other.

    Args:
        target: the server.
        case: a request for `serving_bytes` that it answers.
        see: is told the disturbance, what it saw, and whether that is right.
    """
    for name, disturbance in DISTURBANCES.items():
        try:
            for seen, right in disturbance(target, case):
                see(name, seen, right)
        except (OSError, ServingError) as error:
            see(name, type(error).__name__, False)


def _wait(condition: Callable[[], bool], target: Target) -> bool:
    end = time.monotonic() + target.deadline
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True
