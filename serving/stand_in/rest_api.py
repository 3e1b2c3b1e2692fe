"""The REST interface of the stand-in, of the form that TensorFlow Serving documents.

`POST /v1/models/NAME[/versions/V]:predict`, `GET /v1/models/NAME[/versions/V]` and the
same with `/metadata`. https://www.tensorflow.org/tfx/serving/api_rest
"""

import base64
import binascii
import http.server
import json
import re
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format

from serving.stand_in import grpc_api
from serving.stand_in.models import LoadedModel

PATH = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>[0-9]{1,18}))?(?P<verb>:predict|/metadata)?"
)

LENGTH = re.compile(r"[0-9]{1,12}")

# Those codes that the server does not answer by 500.
_HTTP_STATUS = {
    tf.errors.CANCELLED: 499,
    tf.errors.INVALID_ARGUMENT: 400,
    tf.errors.FAILED_PRECONDITION: 400,
    tf.errors.OUT_OF_RANGE: 400,
    tf.errors.UNAUTHENTICATED: 401,
    tf.errors.PERMISSION_DENIED: 403,
    tf.errors.NOT_FOUND: 404,
    tf.errors.ALREADY_EXISTS: 409,
    tf.errors.ABORTED: 409,
    tf.errors.RESOURCE_EXHAUSTED: 429,
    tf.errors.UNIMPLEMENTED: 501,
    tf.errors.UNAVAILABLE: 503,
    tf.errors.DEADLINE_EXCEEDED: 504,
}


def new_server(model: LoadedModel, port: int) -> http.server.ThreadingHTTPServer:
    """Makes an HTTP server that answers for a model; port 0 is any free one."""

    class Handler(_Handler):
        served = model

    return _Server(("", port), Handler)


class _Server(http.server.ThreadingHTTPServer):
    # Connections that may wait to be taken: clients may come all at once.
    request_queue_size = 128


class _Handler(http.server.BaseHTTPRequestHandler):
    served: LoadedModel
    # Seconds that a client may be silent for, before the connection is closed.
    timeout = 30.0

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def log_message(self, *args: Any) -> None:
        """Says nothing: the default writes a line a request."""

    def _answer(self, method: str) -> None:
        try:
            self._try_to_answer(method)
        except ConnectionError:  # The client is gone.
            self.close_connection = True

    def _try_to_answer(self, method: str) -> None:
        try:
            body = self._body()
            if body is None:
                return
            status, text = 200, self._text(method, body)
        except tf.errors.OpError as error:
            status = _HTTP_STATUS.get(error.error_code, 500)
            # As the server does: escaped as in C, so not always JSON.
            message = re.sub(r"[\\'\"]", r"\\\g<0>", error.message)
            text = '{ "error": "' + message.replace("\n", r"\n") + '" }'
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _body(self) -> bytes | None:
        """Reads what was sent; None if the client went away before its end."""
        length = self.headers.get("Content-Length", "0")
        if not LENGTH.fullmatch(length):
            self.close_connection = True  # Where the body ends, nobody knows.
            raise _invalid("Malformed request: Content-Length")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            return None
        return body

    def _text(self, method: str, body: bytes) -> str:
        found = PATH.fullmatch(self.path)
        predicting = found is not None and found["verb"] == ":predict"
        if found is None or predicting != (method == "POST"):
            raise _invalid(f"Malformed request: {method} {self.path}")
        name = found["name"]
        version = None if found["version"] is None else int(found["version"])
        if predicting:
            return json.dumps(self._predict(name, version, body))
        ask = grpc_api.metadata if found["verb"] else grpc_api.status
        return json_format.MessageToJson(
            ask(self.served, name, version),
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )

    def _predict(self, name: str, version: int | None, body: bytes) -> dict:
        _, served = self.served.find(name, version)
        try:
            request = json.loads(body)
        except ValueError as error:
            raise _invalid(f"JSON Parse error: {error}") from error
        if not isinstance(request, dict) or ("inputs" in request) == (
            "instances" in request
        ):
            raise _invalid("The request must be an object of 'inputs' or 'instances'")
        signature_name = request.get("signature_name", "")
        try:
            signature = served.signature(signature_name)
        except tf.errors.FailedPreconditionError as error:
            raise _invalid(error.message) from error
        if "inputs" in request:
            values = _columns(request["inputs"], signature.inputs)
        else:
            values = _columns_of_rows(request["instances"], signature.inputs)
        inputs = {
            key: _to_array(value, tf.as_dtype(signature.inputs[key].dtype))
            for key, value in values.items()
            if key in signature.inputs
        }
        outputs = self.served.predict(served, signature_name, inputs)
        columns = {key: _to_json(key, array) for key, array in outputs.items()}
        if "inputs" in request:
            alone = len(columns) == 1
            return {"outputs": next(iter(columns.values())) if alone else columns}
        rows = [dict(zip(columns, row)) for row in zip(*columns.values(), strict=True)]
        if len(columns) == 1:
            rows = next(iter(columns.values()))
        return {"predictions": rows}


def _invalid(message: str) -> tf.errors.InvalidArgumentError:
    return tf.errors.InvalidArgumentError(None, None, message)


def _is_binary(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"b64"}


def _columns(inputs: Any, infos: Any) -> dict[str, Any]:
    """Names the columnar `inputs`: one alone needs no name."""
    if isinstance(inputs, dict) and not _is_binary(inputs):
        return inputs
    if len(infos) > 1:
        raise _invalid("inputs must be an object: the signature has several")
    return {next(iter(infos)): inputs}


def _columns_of_rows(instances: Any, infos: Any) -> dict[str, Any]:
    """Turns `instances`, a list of values or of objects, into columns."""
    if not isinstance(instances, list) or not instances:
        raise _invalid("instances must be a list, and not empty")
    rows = [_columns(instance, infos) for instance in instances]
    if any(set(row) != set(infos) for row in rows):
        raise _invalid(f"The keys of every instance must be {sorted(infos)}")
    return {key: [row[key] for row in rows] for key in infos}


def _to_array(value: Any, dtype: tf.DType) -> np.ndarray:
    if dtype == tf.string:
        array = np.array(_decode_strings(value), object)
        sound = all(isinstance(item, bytes) for item in array.flat)
    else:
        try:
            array = np.array(value)
        except ValueError as error:  # Rows of several lengths.
            raise _invalid(str(error)) from error
        sound = array.dtype.kind in ("iu" if dtype.is_integer else "iuf")
        if sound and dtype.is_integer:
            sound = array.size == 0 or (
                dtype.min <= array.min() and array.max() <= dtype.max
            )
    if not sound:
        raise _invalid(f"JSON Value is not of expected type: {dtype.name}")
    return array.astype(dtype.as_numpy_dtype)


def _decode_strings(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode_strings(item) for item in value]
    if _is_binary(value):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (TypeError, binascii.Error) as error:
            raise _invalid("Unable to base64 decode") from error
    return value.encode() if isinstance(value, str) else value


def _to_json(name: str, array: np.ndarray) -> Any:
    """Lists an output; strings are binary where the name says so."""
    if array.dtype != object:
        return array.tolist()

    def encode(value: Any) -> Any:
        if isinstance(value, list):
            return [encode(item) for item in value]
        if name.endswith("_bytes"):
            return {"b64": base64.b64encode(value).decode()}
        return value.decode("utf-8", "replace")

    return encode(array.tolist())
