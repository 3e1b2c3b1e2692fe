"""Warm-up records, read with TensorFlow Serving's own messages and replayed."""

import pytest
import tensorflow as tf

from stn_icnn_tf.export.signatures import signatures

SIGNATURES = signatures()
from stn_icnn_tf.export.warmup import WARMUP_FILE


def test_warmup_has_a_record_of_each_signature(served):
    records = list(tf.data.TFRecordDataset(str(served[1] / WARMUP_FILE)))
    assert len(records) == len(SIGNATURES)


def test_warmup_records_are_prediction_logs_that_the_model_answers(served):
    prediction_log_pb2 = pytest.importorskip(
        "tensorflow_serving.apis.prediction_log_pb2",
        reason="needs tensorflow-serving-api: pip install -e '.[serving]'",
    )
    signatures = tf.saved_model.load(str(served[1])).signatures
    replayed = []
    for record in tf.data.TFRecordDataset(str(served[1] / WARMUP_FILE)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        assert log.WhichOneof("log_type") == "predict_log"
        # Nothing in a record is unknown to the server.
        log.DiscardUnknownFields()
        assert log.ByteSize() == len(record.numpy())
        request = log.predict_log.request
        assert request.model_spec.name == "face_parser"
        inputs = {name: tf.make_ndarray(t) for name, t in request.inputs.items()}
        name = request.model_spec.signature_name
        assert set(inputs) == set(SIGNATURES[name]["inputs"])
        inputs = {key: tf.constant(value) for key, value in inputs.items()}
        outputs = signatures[name](**inputs)
        assert set(outputs) == set(SIGNATURES[name]["outputs"])
        if name == "serving_bytes":
            # A JPEG and a PNG, both good.
            assert outputs["error"].numpy().tolist() == [b"", b""]
            assert all(outputs["mask_bytes"].numpy())
        replayed.append(name)
    assert sorted(replayed) == sorted(SIGNATURES)
