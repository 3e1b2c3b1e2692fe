"""Starts and stops the servers of the stand-in."""

import concurrent.futures
import contextlib
import dataclasses
import threading
from collections.abc import Iterator

import grpc

from serving.stand_in.grpc_api import add_services
from serving.stand_in.models import LoadedModel
from serving.stand_in.rest_api import new_server


@dataclasses.dataclass(frozen=True)
class Ports:
    """Where the stand-in listens.

    Attributes:
        grpc: port of the gRPC interface.
        rest: port of the REST interface.
    """

    grpc: int
    rest: int


@contextlib.contextmanager
def serve(
    model: LoadedModel, grpc_port: int = 0, rest_port: int = 0, workers: int = 8
) -> Iterator[Ports]:
    """Serves a model while the context lasts; port 0 is any free one.

    Args:
        model: the model.
        grpc_port: port of the gRPC interface.
        rest_port: port of the REST interface.
        workers: gRPC requests that run at once; more wait their turn.
    """
    pool = concurrent.futures.ThreadPoolExecutor(workers)
    # No limit of its own, as the server.
    limits = [("grpc.max_send_message_length", -1)]
    limits.append(("grpc.max_receive_message_length", -1))
    grpc_server = grpc.server(pool, options=limits)
    add_services(model, grpc_server)
    ports = Ports(grpc_server.add_insecure_port(f"[::]:{grpc_port}"), rest_port)
    rest_server = new_server(model, rest_port)
    ports = dataclasses.replace(ports, rest=rest_server.server_address[1])
    grpc_server.start()
    threading.Thread(target=rest_server.serve_forever, daemon=True).start()
    try:
        yield ports
    finally:
        rest_server.shutdown()
        rest_server.server_close()
        grpc_server.stop(None).wait()
        pool.shutdown()
