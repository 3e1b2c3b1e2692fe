"""The gRPC interface of the stand-in, by the official stubs.

`PredictionService`: `Predict`, `GetModelMetadata`. `ModelService`: `GetModelStatus`.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.stand_in.models import LoadedModel, LoadedVersion

_STATUS = {status.value[0]: status for status in grpc.StatusCode}


def add_services(model: LoadedModel, server: grpc.Server) -> None:
    """Makes a gRPC server answer for a model."""
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        _PredictionService(model), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(
        _ModelService(model), server
    )


def metadata(model: LoadedModel, name: str, version: int | None) -> Any:
    """Answers `GetModelMetadata`, whose one field is `signature_def`.

    Raises:
        tf.errors.NotFoundError: if there is no such model, or version of it.
    """
    number, served = model.find(name, version)
    answer = get_model_metadata_pb2.GetModelMetadataResponse()
    answer.model_spec.name = name
    answer.model_spec.version.value = number
    signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=served.signatures)
    answer.metadata["signature_def"].Pack(signatures)
    return answer


def status(model: LoadedModel, name: str, version: int | None) -> Any:
    """Answers `GetModelStatus`: what is loaded is available.

    Raises:
        tf.errors.NotFoundError: if there is no such model, or version of it.
    """
    model.find(name, version)
    answer = get_model_status_pb2.GetModelStatusResponse()
    for number in model.versions if version is None else [version]:
        state = get_model_status_pb2.ModelVersionStatus.AVAILABLE
        answer.model_version_status.add(version=number, state=state)
    return answer


@contextlib.contextmanager
def _aborting(context: grpc.ServicerContext) -> Iterator[None]:
    try:
        yield
    except tf.errors.OpError as error:
        context.abort(_STATUS[error.error_code], error.message)


def _asked_for(spec: Any) -> tuple[str, int | None]:
    return spec.name, spec.version.value if spec.HasField("version") else None


class _PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, model: LoadedModel) -> None:
        self._model = model

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:
        with _aborting(context):
            number, version = self._model.find(*_asked_for(request.model_spec))
            try:
                inputs = {key: tf.make_ndarray(t) for key, t in request.inputs.items()}
            except (TypeError, ValueError) as error:  # A damaged tensor.
                raise tf.errors.InvalidArgumentError(None, None, str(error)) from error
            signature = request.model_spec.signature_name
            outputs = self._model.predict(
                version, signature, inputs, context.time_remaining()
            )
            return _response(request, number, version, outputs)

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:
        with _aborting(context):
            return metadata(self._model, *_asked_for(request.model_spec))


def _response(
    request: Any, number: int, version: LoadedVersion, outputs: dict[str, Any]
) -> Any:
    response = predict_pb2.PredictResponse()
    response.model_spec.CopyFrom(request.model_spec)
    response.model_spec.version.value = number
    infos = version.signature(request.model_spec.signature_name).outputs
    for key, array in outputs.items():
        tensor = tf.make_tensor_proto(array, dtype=infos[key].dtype)
        response.outputs[key].CopyFrom(tensor)
    return response


class _ModelService(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, model: LoadedModel) -> None:
        self._model = model

    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:
        with _aborting(context):
            return status(self._model, *_asked_for(request.model_spec))
