"""The client of a served model, against the stand-in for the server."""

import socket
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf.client import serving_client
from stn_icnn_tf.client import transports as serving_transports
from stn_icnn_tf.client.serving_client import PROTOCOLS, ServingClient, ServingError
from tests.helpers import decode_picture, encode_picture, photos

# === Answers ===


def test_mixed_sizes_and_broken_files_in_one_request(connect, served):
    jpeg = encode_picture(photos(64, 48), "JPEG")
    sent = [
        encode_picture(photos(40, 60)),
        b"no picture",
        jpeg,
        encode_picture(photos(90, 90))[:2000],
        encode_picture(photos(97, 51)),
    ]
    pixels = [photos(40, 60), None, decode_picture(jpeg), None]
    pixels.append(photos(97, 51))
    with connect() as client:
        answers = client.parse(sent)
    assert [bool(answer.error) for answer in answers] == [p is None for p in pixels]
    for photo, answer in zip(pixels, answers):
        if photo is None:
            assert answer.mask is None
            continue
        expected = np.array(served[0](photo[None])["mask"])[0]
        assert len(np.unique(expected)) > 2
        assert answer.mask.dtype == np.uint8
        np.testing.assert_array_equal(answer.mask, expected)


def test_no_photos_need_no_server(connect):
    with connect(model_name="nothing") as client:
        assert client.parse([]) == []


def test_status_names_the_versions(connect):
    with connect() as client:
        assert client.status() == {3: "AVAILABLE"}
    with connect(version=3) as client:
        assert client.status() == {3: "AVAILABLE"}
        assert client.parse([encode_picture(photos(40, 60))])[0].error == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"model_name": "nose_parser"}, "nose_parser"), ({"version": 7}, "7")],
)
def test_unknown_models_and_versions(connect, arguments, message):
    with connect(retries=3, **arguments) as client:
        for call in (client.status, lambda: client.parse([b"x"])):
            with pytest.raises(ServingError, match=message) as caught:
                call()
            assert caught.value.code == "NOT_FOUND"


def test_unknown_signature(connect, monkeypatch):
    monkeypatch.setattr(serving_transports, "SIGNATURE", "serving_noses")
    with (
        connect() as client,
        pytest.raises(ServingError, match="serving_noses") as caught,
    ):
        client.parse([b"x"])
    assert caught.value.code in ("FAILED_PRECONDITION", "INVALID_ARGUMENT")


# === Retries ===


@pytest.mark.parametrize(
    "fault", [tf.errors.UnavailableError, tf.errors.ResourceExhaustedError]
)
def test_what_may_pass_is_tried_again(connect, loaded, fault):
    loaded.faults.extend([fault(None, None, "busy")] * 2)
    with connect(retries=2) as client:
        (answer,) = client.parse([encode_picture(photos(40, 60))])
    assert answer.mask.shape == (40, 60) and not loaded.faults


def test_retries_are_counted(connect, loaded):
    loaded.faults.extend([tf.errors.UnavailableError(None, None, "busy")] * 3)
    with connect(retries=1) as client, pytest.raises(ServingError, match="busy") as e:
        client.parse([b"x"])
    assert e.value.code == "UNAVAILABLE" and len(loaded.faults) == 1


def test_what_cannot_pass_is_not_tried_again(connect, loaded):
    message = 'it\'s a "wrong" request'
    loaded.faults.extend([tf.errors.InvalidArgumentError(None, None, message)] * 2)
    with connect(retries=5) as client, pytest.raises(ServingError, match="wrong") as e:
        client.parse([b"x"])
    assert e.value.code == "INVALID_ARGUMENT" and len(loaded.faults) == 1


def test_deadline(connect, loaded):
    loaded.delay = 1.0
    with connect(deadline=0.1) as client, pytest.raises(ServingError) as caught:
        client.parse([encode_picture(photos(40, 60))])
    assert caught.value.code == "DEADLINE_EXCEEDED"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nobody_listens(protocol):
    if protocol == "grpc":
        pytest.importorskip(
            "tensorflow_serving",
            reason="needs tensorflow-serving-api: pip install -e '.[serving]'",
        )
    # A port that was free a moment ago.
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    client = ServingClient(f"localhost:{port}", protocol, retries=1, backoff=0.001)
    with client, pytest.raises(ServingError, match="refused") as caught:
        client.parse([b"x"])
    assert caught.value.code == "UNAVAILABLE"


def test_waits_double_up_to_a_limit(connect, loaded, monkeypatch):
    waits = []
    monkeypatch.setattr(serving_client.time, "sleep", waits.append)
    loaded.faults.extend([tf.errors.UnavailableError(None, None, "busy")] * 9)
    with connect(retries=8, backoff=1.0) as client, pytest.raises(ServingError):
        client.parse([b"x"])
    limits = np.minimum(2.0 ** np.arange(8), serving_client.MAX_BACKOFF)
    waits = np.array([wait for wait in waits if wait])  # Without the stand-in's.
    assert np.all(waits <= limits) and np.all(waits >= limits / 2)
    assert len(set(waits / limits)) == 8, "jitter"


# === Arguments and imports ===


@pytest.mark.parametrize(
    "arguments",
    [
        {"protocol": "smtp"},
        {"address": "localhost"},
        {"address": "http://localhost:8501"},
        {"deadline": 0.0},
        {"retries": -1},
    ],
)
def test_bad_arguments(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"Argument `{name}`"):
        ServingClient(**{"address": "localhost:8500", **arguments})


def test_too_large_a_request_is_not_sent(stand_in, monkeypatch):
    monkeypatch.setattr(serving_transports, "MAX_MESSAGE_BYTES", 1000)
    client = ServingClient(f"localhost:{stand_in[1].grpc}", retries=3)
    with client, pytest.raises(ServingError, match="limit of 1000"):
        client.parse([bytes(2000)])


def test_rest_needs_neither_tensorflow_nor_grpc():
    code = """
import sys
from stn_icnn_tf.client.serving_client import ServingClient
ServingClient("localhost:1", "rest")
assert not {"tensorflow", "keras", "grpc"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_grpc_names_the_missing_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    with pytest.raises(ImportError, match="extra `serving`"):
        ServingClient("localhost:8500")


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        # A client waits for no TensorFlow.
        (
            "import sys, stn_icnn_tf.client.serving_client, trainers.request; "
            "print([m for m in ('tensorflow', 'keras') if m in sys.modules])",
            "[]",
        ),
        # Whoever has imported Keras has the layers registered.
        (
            "import keras, stn_icnn_tf; "
            "print(keras.saving.get_registered_object('stn_icnn_tf>StnIcnn').__name__)",
            "StnIcnn",
        ),
    ],
)
def test_the_package_imports_what_is_needed(code, printed):
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.stdout.strip() == printed, result.stderr
