"""The stand-in for TensorFlow Serving, and the files in serving/ that configure it."""

import base64
import json
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import weakref

import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf.export.signatures import signatures
from tests.helpers import decode_picture, encode_picture, photos

SIGNATURES = signatures()
SERVING = pathlib.Path(__file__).parents[2] / "serving"


@pytest.fixture
def post(stand_in):
    """Posts JSON to the REST interface: the status, and what came back."""

    def post(body, path="/v1/models/face_parser:predict"):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = f"http://localhost:{stand_in[1].rest}{path}"
        try:
            with urllib.request.urlopen(url, content, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return post


def binary(content):
    return {"b64": base64.b64encode(content).decode()}


def test_rest_takes_rows_and_columns(post, served):
    photo = photos(40, 60)
    expected = np.array(served[0](photo[None])["mask"])[0]
    files = [binary(encode_picture(photo)), binary(b"no picture")]
    name = {"signature_name": "serving_bytes"}
    columns = [{"inputs": files}, {"inputs": {"image_bytes": files}}]
    rows = [
        {"instances": files},
        {"instances": [{"image_bytes": file} for file in files]},
    ]
    for body in columns + rows:
        status, answer = post({**name, **body})
        assert status == 200
        if body in columns:
            assert set(answer["outputs"]) == {"mask_bytes", "error"}
            masks, errors = answer["outputs"]["mask_bytes"], answer["outputs"]["error"]
        else:
            masks = [row["mask_bytes"] for row in answer["predictions"]]
            errors = [row["error"] for row in answer["predictions"]]
        assert errors[0] == "" and errors[1] and masks[1] == {"b64": ""}
        mask = decode_picture(base64.b64decode(masks[0]["b64"]))
        np.testing.assert_array_equal(mask, expected)
    # The default signature, in numbers.
    status, answer = post({"instances": [photo.tolist()]})
    assert status == 200
    np.testing.assert_array_equal(answer["predictions"][0]["mask"], expected)
    # One output alone has no name.
    status, answer = post(
        {"signature_name": "serving_probabilities", "inputs": [photo.tolist()]}
    )
    assert status == 200 and np.shape(answer["outputs"]) == (1, 40, 60, 9)


@pytest.mark.parametrize(
    "body",
    [
        b"no JSON",
        [],
        {},
        {"inputs": [], "instances": []},
        {"instances": []},
        {"instances": [[[[0.5, 0.5, 0.5]]]]},
        {"instances": [[[[256, 0, 0]]]]},
        {"instances": [[[[0, 0, 0]]], [[[0, 0]]]]},
        {"inputs": {"photos": [[[[0, 0, 0]]]]}},
        {"instances": ["text"]},
        {"signature_name": "serving_noses", "instances": [1]},
        {"signature_name": "serving_bytes", "instances": [{"b64": "?"}]},
        {"signature_name": "serving_bytes", "instances": [1.5]},
    ],
    ids=repr,
)
def test_rest_refuses_malformed_requests(post, body):
    status, answer = post(body)
    assert status == 400 and '"error"' in answer


def test_rest_knows_its_paths(post, stand_in):
    body = {"instances": [photos(40, 60).tolist()]}
    assert post(body, "/v1/models/face_parser/versions/3:predict")[0] == 200
    assert post(body, "/v1/models/face_parser/versions/4:predict")[0] == 404
    assert post(body, "/v1/models/nose_parser:predict")[0] == 404
    assert post(body, "/v1/models/face_parser:classify")[0] == 400
    url = f"http://localhost:{stand_in[1].rest}/v1/models/face_parser/metadata"
    with urllib.request.urlopen(url, timeout=60) as answer:
        described = json.load(answer)["metadata"]["signature_def"]["signature_def"]
    assert set(SIGNATURES) <= set(described)


def test_grpc_describes_the_signatures(stand_in):
    import grpc
    from tensorflow_serving.apis import (
        get_model_metadata_pb2,
        prediction_service_pb2_grpc,
    )

    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "face_parser"
    request.metadata_field.append("signature_def")
    with grpc.insecure_channel(f"localhost:{stand_in[1].grpc}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        answer = stub.GetModelMetadata(request, timeout=60)
    assert answer.model_spec.version.value == 3
    described = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(described)
    for name, sides in SIGNATURES.items():
        for side in ("inputs", "outputs"):
            infos = getattr(described.signature_def[name], side)
            dtypes = {key: tf.as_dtype(info.dtype).name for key, info in infos.items()}
            assert dtypes == {key: dtype for key, (dtype, _) in sides[side].items()}


def test_warm_up_records_are_run(loaded):
    assert loaded.versions[3].warmed_up_by == len(SIGNATURES)


# Of a request that names a file, by which field it may.
SECRET = "file_of_the_server"
PATHS = [f"{{}}/{SECRET}", f"../{SECRET}", f"file://{{}}/{SECRET}"]


@pytest.mark.parametrize("form", PATHS)
def test_no_path_in_a_request_is_opened(post, tmp_path, monkeypatch, form):
    path = form.format(tmp_path)
    photo = encode_picture(photos(40, 60))
    (tmp_path / SECRET).write_bytes(photo)
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    # As pixels, it is text and no photo; every field that is a name is no file's.
    body = {
        "signature_name": "serving_bytes",
        "instances": [path, binary(path.encode())],
    }
    status, answer = post(body)
    assert status == 200
    for row in answer["predictions"]:
        assert row["mask_bytes"] == {"b64": ""} and "neither" in row["error"]
    for bad in (
        {"signature_name": path, "instances": [binary(photo)]},
        {"signature_name": "serving_bytes", "inputs": {path: [binary(photo)]}},
    ):
        assert post(bad)[0] == 400
    body = {"instances": [photos(4, 6).tolist()]}
    for name in (path, path.replace("/", "%2F")):
        assert post(body, f"/v1/models/{name}:predict")[0] in (400, 404)
        assert post(body, f"/v1/models/face_parser/versions/{name}:predict")[0] == 400


def test_the_exported_graph_touches_no_file(served):
    """No operation that a request can reach reads, writes, or runs Python."""
    for name, function in tf.saved_model.load(str(served[1])).signatures.items():
        graph = function.graph.as_graph_def()
        nodes = [*graph.node]
        for inner in graph.library.function:
            nodes.extend(inner.node_def)
        kinds = {node.op for node in nodes}
        suspect = "File|Save|Restore|Write|PyFunc|Fetch|Host|Table|TextLine|TFRecord"
        assert not {kind for kind in kinds if re.search(suspect, kind)}, name
        assert len(kinds) > 10  # The model itself.


# === What a client may do ===


def send(stand_in, content, leave=False):
    """Sends bytes to the REST interface: the first line that comes back."""
    address = ("localhost", stand_in[1].rest)
    with socket.create_connection(address, timeout=60) as connection:
        connection.sendall(content)
        if leave:
            return None
        with connection.makefile("rb") as answer:
            return answer.readline()


@pytest.mark.parametrize("length", ["-1", "many", "1e3", "9" * 40, "\xb2"])
def test_odd_lengths_are_refused(stand_in, length):
    head = f"POST /v1/models/face_parser:predict HTTP/1.1\r\nContent-Length: {length}"
    assert b" 400 " in send(stand_in, f"{head}\r\n\r\n".encode("latin-1"))


@pytest.mark.parametrize("version", ["9" * 5000, "\u0663", "-1"])
def test_odd_versions_are_refused(post, version):
    version = urllib.parse.quote(version)
    body = {"instances": [[[[0, 0, 0]]]]}
    assert post(body, f"/v1/models/face_parser/versions/{version}:predict")[0] == 400


def test_clients_that_leave_or_are_silent_are_let_go(stand_in, monkeypatch, capfd):
    from serving.stand_in import rest_api

    monkeypatch.setattr(rest_api._Handler, "timeout", 0.2)
    head = b"POST /v1/models/face_parser:predict HTTP/1.1\r\nContent-Length: 9\r\n\r\n"
    before = threading.active_count()
    for content in (b"", b"POST", head, head + b"{", head + b"123456789"):
        send(stand_in, content, leave=True)
    # Half a request, and no more: closed without an answer.
    assert send(stand_in, head + b"{") == b""
    end = time.monotonic() + 60
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.05)
    assert threading.active_count() <= before
    assert "Traceback" not in capfd.readouterr().err


def test_versions_are_taken_up_and_let_go(served, tmp_path):
    pytest.importorskip("tensorflow_serving")
    from serving.stand_in import LoadedModel

    shutil.copytree(served[1], tmp_path / "3")
    model = LoadedModel("face_parser", tmp_path)
    old = model.find("face_parser", None)[1]
    model.refresh()
    assert model.find("face_parser", None) == (3, old)  # A number is read once.
    (tmp_path / "3").rename(tmp_path / "4")
    model.refresh()
    number, new = model.find("face_parser", None)
    assert number == 4 and new is not old
    with pytest.raises(tf.errors.NotFoundError):
        model.find("face_parser", 3)
    photo = {"images": photos(1, 40, 60)}
    masks = [version.run("", photo)["mask"] for version in (old, new)]
    np.testing.assert_array_equal(*masks)
    # A damaged version raises, and the others stay.
    (tmp_path / "5").mkdir()
    with pytest.raises(OSError):
        model.refresh()
    assert model.find("face_parser", None) == (4, new)
    shutil.rmtree(tmp_path / "5")
    shutil.rmtree(tmp_path / "4")
    model.refresh()
    with pytest.raises(tf.errors.NotFoundError):
        model.find("face_parser", None)
    # Its memory is free as soon as no request needs it.
    graph = weakref.ref(new._session.graph)
    del new
    model.refresh()
    assert graph() is None


def test_a_folder_without_versions_is_refused(stand_in, tmp_path):
    from serving.stand_in import LoadedModel

    with pytest.raises(ValueError, match="Argument `base_path`"):
        LoadedModel("face_parser", tmp_path)


# === Files of the real server ===


def test_models_config_is_what_the_server_reads():
    text_format = pytest.importorskip("google.protobuf.text_format")
    config_pb2 = pytest.importorskip(
        "tensorflow_serving.config.model_server_config_pb2",
        reason="needs tensorflow-serving-api: pip install -e '.[serving]'",
    )
    text = (SERVING / "models.config").read_text()
    parsed = text_format.Parse(text, config_pb2.ModelServerConfig())
    (model,) = parsed.model_config_list.config
    assert model.name == "face_parser" and model.model_platform == "tensorflow"
    assert model.base_path == "/models/face_parser"
    assert model.model_version_policy.latest.num_versions == 1


def test_compose_file_mounts_what_it_names():
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    compose = yaml.safe_load((SERVING / "compose.yaml").read_text())
    service = compose["services"]["face_parser"]
    assert service["image"].startswith("tensorflow/serving")
    targets = [volume["target"] for volume in service["volumes"]]
    assert targets == ["/models/face_parser", "/config"]
    for argument in service["command"]:
        flag, _, value = argument.partition("=")
        if flag.endswith("_file"):
            folder, _, name = value.rpartition("/")
            assert folder == "/config" and (SERVING / name).is_file()


@pytest.mark.parametrize(("model", "healthy"), [("face_parser", True), ("none", False)])
def test_health_check_asks_for_an_available_version(stand_in, model, healthy):
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    compose = yaml.safe_load((SERVING / "compose.yaml").read_text())
    kind, *command = compose["services"]["face_parser"]["healthcheck"]["test"]
    assert kind == "CMD"
    command = [
        word.replace("8501", str(stand_in[1].rest)).replace("face_parser", model)
        for word in command
    ]
    assert (subprocess.run(command, timeout=60).returncode == 0) == healthy
