"""What the page in the browser runs, against the model; tests/web has the page."""

import gzip
import json
import sys

import numpy as np
import pytest

from stn_icnn_tf.class_sets import HEAD
from stn_icnn_tf.export import browser
from stn_icnn_tf.export.browser import describe_model, export_browser
from stn_icnn_tf.geometry.candidate_squares import CLOSER, ROLLS
from stn_icnn_tf.inference.candidates import candidate_confidence, coarse_confidence
from stn_icnn_tf.inference.fixed_size import FixedSizeModel
from tests.helpers import photos, shake, small_model


@pytest.fixture(scope="module")
def model():
    model = small_model(class_set=HEAD)
    shake(model)
    return model


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    for module in ("onnx", "onnxruntime", "tf2onnx"):
        pytest.importorskip(module, reason="needs the extra: pip install -e '.[onnx]'")
    file = export_browser(model, tmp_path_factory.mktemp("page") / "small", "small")
    assert sorted(path.name for path in file.parent.iterdir()) == [
        "face.onnx",
        "model.json",
        "view.onnx",
    ]
    return file.parent


def session(file):
    import onnxruntime

    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])


def test_a_face_is_parsed_as_by_the_model(model, exported):
    side = model.canvas_size
    photo = photos(1, side, side)
    expected = model(photo)
    mask, centers, sure = session(exported / "face.onnx").run(
        ["mask", "centers", "sure"], {"image": photo}
    )
    assert len(np.unique(expected["mask"])) > 2  # Weights that label something.
    assert np.mean(mask == np.array(expected["mask"])) >= 0.999
    np.testing.assert_allclose(centers, expected["theta"][..., 2], atol=1e-3)
    known = np.ravel(coarse_confidence(expected["coarse_scores"], HEAD))
    known = [*known, expected["placed"][0]]
    np.testing.assert_allclose(sure, known, atol=1e-3)


def test_a_view_is_judged_as_by_the_model(model, exported):
    side = model.coarse_image_size
    view = photos(1, side, side).astype("float32")
    (sure,) = session(exported / "view.onnx").run(["sure"], {"view": view})
    known = np.ravel(candidate_confidence(model.coarse_scores(view), HEAD))
    np.testing.assert_allclose(sure, known, atol=1e-3)


def test_no_operation_has_more_outputs_than_a_gpu_has_buffers(exported):
    import onnx

    graph = onnx.load(exported / "face.onnx").graph
    most = max(len(node.input) + len(node.output) for node in graph.node
               if node.op_type == "Split")  # fmt: skip
    assert most <= 8


def test_the_description_is_what_the_page_needs(model, exported):
    found = json.loads((exported / "model.json").read_text())
    assert found == json.loads(
        json.dumps(describe_model(FixedSizeModel(model), "small"))
    )
    assert [c["name"] for c in found["classes"]] == list(HEAD.names)
    assert [tuple(c["color"]) for c in found["classes"]] == list(HEAD.palette)
    assert found["face"] == {"file": "face.onnx", "side": model.canvas_size}
    assert found["view"] == {"file": "view.onnx", "side": model.coarse_image_size}
    assert len(found["mean_centers"]) == HEAD.num_parts
    assert len(found["search"]["closer"]) == len(CLOSER)
    assert found["search"]["rolls"] == list(ROLLS)
    assert found["search"]["found"] == model.search_thresholds.found


def test_it_packs_well(exported):
    """Planes of one number, which the graph is full of, cost nothing in transit."""
    content = (exported / "face.onnx").read_bytes()
    assert len(gzip.compress(content, 6)) < 0.7 * len(content)


def test_a_missing_extra_is_named(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ImportError, match=r"\.\[onnx\]"):
        export_browser(model, tmp_path / "page")
    assert not any(tmp_path.iterdir())


def test_it_goes_to_remote_storage(model, bucket, monkeypatch):
    monkeypatch.setattr(browser, "converted_to_onnx", lambda *_: b"onnx")
    file = export_browser(model, str(bucket / "page"))
    assert file == bucket / "page" / "model.json"
    names = {path.name for path in (bucket / "page").iterdir()}
    assert names == {"face.onnx", "view.onnx", "model.json"}
