"""Which workers train together: what TF_CONFIG says, and the wait for all of them."""

import contextlib
import dataclasses
import json
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any

from absl import logging

from trainers.training.errors import RunError

# Seconds between two looks at who is there, and for one message to come.
_PAUSE, _MESSAGE = 0.5, 5.0


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a run; the first one, the chief, alone writes the run folder.

    Attributes:
        addresses: `HOST:PORT` of each.
        index: which of them this process is.
    """

    addresses: tuple[str, ...]
    index: int

    @property
    def is_chief(self) -> bool:
        """Whether this process is the first worker."""
        return self.index == 0

    @property
    def chief(self) -> tuple[str, int]:
        """Host and port of the first worker."""
        return _split(self.addresses[0])

    def name(self, index: int) -> str:
        """What errors call a worker."""
        return f"{index} ({self.addresses[index]})"


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def read_cluster(text: str | None) -> Cluster | None:
    """Reads the environment variable TF_CONFIG.

    Args:
        text: its value, if it is set.

    Returns:
        the cluster; None if there is none in it.

    Raises:
        ValueError: if it is damaged, or names other tasks than workers and one chief.
    """
    try:
        config = json.loads(text or "{}")
        if not config.get("cluster"):
            return None
        tasks = {job: list(addresses) for job, addresses in config["cluster"].items()}
        job, index = config["task"]["type"], int(config["task"]["index"])
        own = tasks[job][index]
        addresses = [*tasks.pop("chief", []), *tasks.pop("worker", [])]
        usable = not any(tasks.values()) and index >= 0
        usable = usable and len(set(addresses)) == len(addresses)
        if not usable or not all(_split(address)[0] for address in addresses):
            raise ValueError("not only workers, each with an address of its own")
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            'TF_CONFIG must be like {"cluster": {"worker": ["HOST:PORT", ...]}, '
            '"task": {"type": "worker", "index": 0}}, a "chief" allowed beside the '
            f"workers. Received: TF_CONFIG={text}"
        ) from error
    return Cluster(tuple(addresses), addresses.index(own))


def wait_for_all(cluster: Cluster, told: Mapping[str, Any], timeout: float) -> None:
    """Waits until every worker is there, and all were started alike.

    TensorFlow would wait for a missing one without end, and take no signal meanwhile.
    So the workers call at the chief's port first, before TensorFlow opens it.

    Args:
        cluster: the workers.
        told: what must be alike in all: the flags and the versions, as JSON holds it.
        timeout: seconds to wait.

    Raises:
        RunError: if one does not come in time, or was started otherwise.
    """
    if len(cluster.addresses) == 1:
        return
    deadline = time.monotonic() + timeout
    if cluster.is_chief:
        _receive(cluster, told, deadline, timeout)
    else:
        _call(cluster, told, deadline, timeout)


def _receive(
    cluster: Cluster, told: Mapping[str, Any], deadline: float, timeout: float
) -> None:
    there: dict[int, socket.socket] = {}
    missing = set(range(1, len(cluster.addresses)))
    try:
        with _listen(cluster.chief[1]) as server:
            logging.info("Waiting for workers %s", sorted(missing))
            while missing and time.monotonic() < deadline:
                server.settimeout(_PAUSE)
                with contextlib.suppress(TimeoutError):
                    connection, _ = server.accept()
                    call = _read(connection)
                    if call.get("worker") not in range(1, len(cluster.addresses)):
                        connection.close()  # A port scan, a probe.
                        continue
                    index = call["worker"]
                    _refuse_others(cluster, index, call["told"], told, connection)
                    there[index] = connection
                # One may have been killed again while the others were awaited.
                there = {i: c for i, c in there.items() if _is_open(c)}
                missing = set(range(1, len(cluster.addresses))) - set(there)
        if missing:
            names = ", ".join(cluster.name(index) for index in sorted(missing))
            reason = (
                f"Worker {names} did not come within {timeout:g} seconds. Start "
                "every worker, each with its own TF_CONFIG; --worker_timeout waits "
                "longer."
            )
            for connection in there.values():
                _write(connection, {"error": reason})
            raise RunError(reason)
        for connection in there.values():
            _write(connection, {"error": None})
    finally:
        for connection in there.values():
            connection.close()


def _refuse_others(
    cluster: Cluster,
    index: int,
    theirs: Mapping[str, Any],
    ours: Mapping[str, Any],
    connection: socket.socket,
) -> None:
    differing = [
        f"  {name}: {json.dumps(ours.get(name))} in the first one, "
        f"{json.dumps(theirs.get(name))} in this one"
        for name in sorted({*ours, *theirs})
        if ours.get(name) != theirs.get(name)
    ]
    if differing:
        reason = "\n".join(
            [f"Worker {cluster.name(index)} was started otherwise:", *differing]
        )
        _write(connection, {"error": reason})
        connection.close()
        raise RunError(reason)


def _call(
    cluster: Cluster, told: Mapping[str, Any], deadline: float, timeout: float
) -> None:
    while (left := deadline - time.monotonic()) > 0:
        # The chief of the run before may still be there: it answers nothing sensible.
        with contextlib.suppress(OSError):
            with socket.create_connection(cluster.chief, _MESSAGE) as connection:
                _write(connection, {"worker": cluster.index, "told": told})
                answer = _read(connection, left + _MESSAGE)
            if "error" in answer:
                if answer["error"] is not None:
                    raise RunError(answer["error"])
                return
        time.sleep(_PAUSE)
    raise RunError(
        f"Worker {cluster.name(0)}, the first one, did not come within {timeout:g} "
        "seconds, or other workers did not. Start every worker, each with its own "
        "TF_CONFIG; --worker_timeout waits longer."
    )


@contextlib.contextmanager
def _listen(port: int) -> Iterator[socket.socket]:
    try:
        server = socket.create_server(
            ("", port), family=socket.AF_INET6, dualstack_ipv6=True
        )
    except (OSError, ValueError):  # No IPv6 here.
        try:
            server = socket.create_server(("", port))
        except OSError as error:
            raise RunError(
                f"Port {port} of TF_CONFIG cannot be opened on this host: "
                f"{error.strerror}"
            ) from error
    with server:
        yield server


def _write(connection: socket.socket, message: Mapping[str, Any]) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(json.dumps(message).encode() + b"\n")


def _read(connection: socket.socket, timeout: float = _MESSAGE) -> dict[str, Any]:
    """Reads one line of JSON; `{}` if it is something else, or does not come."""
    connection.settimeout(timeout)
    try:
        with connection.makefile("rb") as file:
            message = json.loads(file.readline(1_000_000))
    except (OSError, ValueError):
        return {}
    return message if isinstance(message, dict) else {}


def _is_open(connection: socket.socket) -> bool:
    connection.settimeout(0.0)
    try:
        return connection.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
