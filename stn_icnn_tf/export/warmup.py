"""Warm-up records: requests that TensorFlow Serving plays to itself on loading.

They are `PredictionLog` messages of TensorFlow Serving's API. Of these few fields
matter here, so they are declared here, rather than asking every export for the
package `tensorflow-serving-api`; the tests read the records with that package. On
the wire a field is its number and type; names do not count.
"""

import pathlib
from collections.abc import Mapping

import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from tensorflow.core.framework import tensor_pb2

WARMUP_FILE = pathlib.Path("assets.extra") / "tf_serving_warmup_requests"

_PACKAGE = "stn_icnn_tf.export.warmup"
# Message -> field -> number and type: those of tensorflow_serving/apis/*.proto.
_MESSAGES = {
    "ModelSpec": {"name": (1, "string"), "signature_name": (3, "string")},
    # A map is on the wire a list of entries.
    "InputsEntry": {"key": (1, "string"), "value": (2, "tensorflow.TensorProto")},
    "PredictRequest": {
        "model_spec": (1, f"{_PACKAGE}.ModelSpec"),
        "inputs": (2, f"repeated {_PACKAGE}.InputsEntry"),
    },
    "PredictLog": {"request": (1, f"{_PACKAGE}.PredictRequest")},
    "PredictionLog": {"predict_log": (6, f"{_PACKAGE}.PredictLog")},
}


def _prediction_log_class() -> type[Message]:
    """Makes the class of the messages above."""
    file = descriptor_pb2.FileDescriptorProto(
        name="stn_icnn_tf/warmup.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=[tensor_pb2.DESCRIPTOR.name],
    )
    for message_name, fields in _MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for field_name, (number, kind) in fields.items():
            field = message.field.add(name=field_name, number=number)
            field.label = field.LABEL_OPTIONAL
            if kind.startswith("repeated "):
                field.label, kind = field.LABEL_REPEATED, kind.split()[1]
            if kind == "string":
                field.type = field.TYPE_STRING
            else:
                field.type, field.type_name = field.TYPE_MESSAGE, f".{kind}"
    pool = descriptor_pool.Default()
    pool.Add(file)
    descriptor = pool.FindMessageTypeByName(f"{_PACKAGE}.PredictionLog")
    return message_factory.GetMessageClass(descriptor)


_PredictionLog = _prediction_log_class()


def write_warmup(
    saved_model: pathlib.Path,
    model_name: str,
    requests: Mapping[str, Mapping[str, tf.Tensor]],
) -> None:
    """Writes warm-up records into a SavedModel.

    Args:
        saved_model: folder of the SavedModel.
        model_name: name under which the model is served.
        requests: signature -> input -> value.
    """
    path = saved_model / WARMUP_FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests.items():
            log = _PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = model_name
            request.model_spec.signature_name = signature
            for name, value in inputs.items():
                tensor = tf.make_tensor_proto(value)
                request.inputs.add(key=name, value=tensor)
            writer.write(log.SerializeToString())
