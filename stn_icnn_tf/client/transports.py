"""How a request reaches a served model and its answer comes back: gRPC, or REST.

TensorFlow is imported only where gRPC is used: the server's messages need it.
"""

import base64
import http.client
import json
import types
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from typing import Any

SIGNATURE = "serving_bytes"

# gRPC refuses answers over 4 MiB unless told otherwise. The server takes 2 GiB.
MAX_MESSAGE_BYTES = 256 * 2**20

# What may be otherwise a moment later.
WORTH_RETRYING = ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED")

_HTTP_CODES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class ServingError(Exception):
    """A request that was not answered, or with a refusal.

    Args:
        code: name of the gRPC status, also for REST.
        message: what the server or the network said.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code

    @property
    def worth_retrying(self) -> bool:
        """Whether the same request may succeed a moment later."""
        return self.code in WORTH_RETRYING


def serving_protos() -> types.SimpleNamespace:
    """Imports gRPC and the server's messages; they bring all of TensorFlow.

    Raises:
        ImportError: if `tensorflow-serving-api` is not installed.
    """
    try:
        import grpc
        from tensorflow.core.framework import tensor_pb2, types_pb2
        from tensorflow_serving.apis import (
            get_model_status_pb2,
            model_service_pb2_grpc,
            predict_pb2,
            prediction_service_pb2_grpc,
        )
    except ImportError as error:
        raise ImportError(
            "gRPC needs tensorflow-serving-api. Install the extra `serving`: "
            "pip install 'stn-icnn-tf[serving]', or -e '.[serving]' in a checkout; "
            "or use the protocol `rest`"
        ) from error
    return types.SimpleNamespace(
        grpc=grpc,
        TensorProto=tensor_pb2.TensorProto,
        DT_STRING=types_pb2.DT_STRING,
        PredictRequest=predict_pb2.PredictRequest,
        GetModelStatusRequest=get_model_status_pb2.GetModelStatusRequest,
        ModelVersionStatus=get_model_status_pb2.ModelVersionStatus,
        PredictionServiceStub=prediction_service_pb2_grpc.PredictionServiceStub,
        ModelServiceStub=model_service_pb2_grpc.ModelServiceStub,
    )


class GrpcTransport:
    """Speaks gRPC to a served model. Threads may share it.

    Args:
        address: `HOST:PORT`, the server's gRPC port.
        model_name: name that the server knows the model by.
        version: a version of it, or None for the server's latest.

    Raises:
        ImportError: if `tensorflow-serving-api` is not installed.
    """

    def __init__(self, address: str, model_name: str, version: int | None) -> None:
        self._protos = serving_protos()
        self._model_name, self._version = model_name, version
        self._channel = self._protos.grpc.insecure_channel(
            address,
            options=[
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                # Between attempts the client waits, not the channel.
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.min_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 1000),
            ],
        )
        self._predict = self._protos.PredictionServiceStub(self._channel).Predict
        self._status = self._protos.ModelServiceStub(self._channel).GetModelStatus

    def new_request(self, signature: str) -> Any:
        """Makes a `PredictRequest` for a signature of the model, without inputs."""
        request = self._protos.PredictRequest()
        self._name_model(request.model_spec)
        request.model_spec.signature_name = signature
        return request

    def send(self, request: Any, deadline: float) -> Any:
        """Sends a `PredictRequest`.

        Returns:
            the `PredictResponse`.

        Raises:
            ServingError: if it is refused, or not answered within `deadline` seconds.
        """
        size = request.ByteSize()
        if size > MAX_MESSAGE_BYTES:
            raise ServingError(
                "INVALID_ARGUMENT",
                f"a request of {size} bytes is over the limit of {MAX_MESSAGE_BYTES}",
            )
        return self._call(self._predict, request, deadline)

    def predict(
        self, photos: Sequence[bytes], deadline: float
    ) -> tuple[list[bytes], list[str]]:
        """Sends encoded photos to `serving_bytes`.

        Returns:
            the outputs `mask_bytes` and `error`, each as long as `photos`.

        Raises:
            ServingError: if the request is refused or not answered in time.
        """
        request = self.new_request(SIGNATURE)
        tensor = self._protos.TensorProto(
            dtype=self._protos.DT_STRING, string_val=photos
        )
        tensor.tensor_shape.dim.add(size=len(photos))
        request.inputs["image_bytes"].CopyFrom(tensor)
        outputs = self.send(request, deadline).outputs
        # Reading an output that is not there would make an empty one.
        if not {"mask_bytes", "error"} <= set(outputs):
            raise ServingError("INTERNAL", f"unexpected outputs: {sorted(outputs)}")
        errors = [
            text.decode("utf-8", "replace") for text in outputs["error"].string_val
        ]
        return list(outputs["mask_bytes"].string_val), errors

    def status(self, deadline: float) -> dict[int, str]:
        """Asks for the state of each version: `AVAILABLE`, `LOADING`, ...

        Raises:
            ServingError: if the request is refused or not answered in time.
        """
        request = self._protos.GetModelStatusRequest()
        self._name_model(request.model_spec)
        versions = self._call(self._status, request, deadline).model_version_status
        name = self._protos.ModelVersionStatus.State.Name
        return {status.version: name(status.state) for status in versions}

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def _name_model(self, spec: Any) -> None:
        spec.name = self._model_name
        if self._version is not None:
            spec.version.value = self._version

    def _call(self, method: Any, request: Any, deadline: float) -> Any:
        try:
            return method(request, timeout=deadline)
        except self._protos.grpc.RpcError as error:
            raise ServingError(error.code().name, error.details()) from error


class RestTransport:
    """Speaks JSON over HTTP to a served model. Threads may share it.

    Args:
        address: `HOST:PORT`, the server's REST port.
        model_name: name that the server knows the model by.
        version: a version of it, or None for the server's latest.
    """

    def __init__(self, address: str, model_name: str, version: int | None) -> None:
        self._url = f"http://{address}/v1/models/{urllib.parse.quote(model_name, '')}"
        if version is not None:
            self._url += f"/versions/{version}"

    def predict(
        self, photos: Sequence[bytes], deadline: float
    ) -> tuple[list[bytes], list[str]]:
        """Does what `GrpcTransport.predict` does."""
        encoded = [{"b64": base64.b64encode(photo).decode()} for photo in photos]
        body = {"signature_name": SIGNATURE, "inputs": {"image_bytes": encoded}}
        answer = self._call(f"{self._url}:predict", deadline, json.dumps(body).encode())
        try:
            outputs = answer["outputs"]
            masks = [base64.b64decode(mask["b64"]) for mask in outputs["mask_bytes"]]
            return masks, list(outputs["error"])
        except (KeyError, TypeError, ValueError) as error:
            raise ServingError("INTERNAL", f"unexpected answer: {error!r}") from error

    def status(self, deadline: float) -> dict[int, str]:
        """Does what `GrpcTransport.status` does."""
        answer = self._call(self._url, deadline)
        try:
            versions = answer["model_version_status"]
            return {int(status["version"]): status["state"] for status in versions}
        except (KeyError, TypeError, ValueError) as error:
            raise ServingError("INTERNAL", f"unexpected answer: {error!r}") from error

    def close(self) -> None:
        """Does nothing: every request has a connection of its own."""

    def _call(self, url: str, deadline: float, body: bytes | None = None) -> Any:
        request = urllib.request.Request(
            url, body, {"Content-Type": "application/json"} if body else {}
        )
        try:
            with urllib.request.urlopen(request, timeout=deadline) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                message = f"HTTP {error.code}: {_error_message(error.read())}"
            raise ServingError(
                _HTTP_CODES.get(error.code, "UNKNOWN"), message
            ) from error
        except ValueError as error:
            raise ServingError("INTERNAL", f"the answer is no JSON: {error}") from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            late = isinstance(reason, TimeoutError)
            code = "DEADLINE_EXCEEDED" if late else "UNAVAILABLE"
            raise ServingError(code, f"{url}: {reason or repr(reason)}") from error


def _error_message(body: bytes) -> str:
    text = body.decode("utf-8", "replace").strip()
    try:
        return str(json.loads(text)["error"])
    except (KeyError, TypeError, ValueError):
        return text  # The server escapes as C does, which is not always JSON.
