"""ONNX files against the Keras model."""

import sys

import numpy as np
import pytest

from stn_icnn_tf.export.onnx import export_onnx, onnx_parser
from tests.helpers import photos, shake, small_model

SIZE = (64, 72)


@pytest.fixture(scope="module")
def model():
    model = small_model()
    shake(model)
    return model


@pytest.fixture
def needs_extra():
    for module in ("onnx", "onnxruntime", "tf2onnx"):
        pytest.importorskip(module, reason="needs the extra: pip install -e '.[onnx]'")


@pytest.mark.usefixtures("needs_extra")
def test_the_script_writes_the_models_mask(model, tmp_path):
    import onnx

    from tests.helpers import script

    file = tmp_path / "face.onnx"
    model.save(tmp_path / "model.keras")
    result = script(
        "trainers.export",
        f"--model={tmp_path}",
        f"--output={file}",
        "--format=onnx",
        "--size=64x72",
    )
    assert result.returncode == 0, result.stderr
    photo = photos(1, *SIZE)
    expected = np.array(model(photo)["mask"])
    mask = onnx_parser(file)(photo)
    assert mask.dtype == np.uint8 and mask.shape == (1, *SIZE)
    assert len(np.unique(expected)) > 4  # Weights that label something.
    assert np.mean(mask == expected) >= 0.999

    graph = onnx.load(file).graph
    assert [value.name for value in graph.input] == ["image"]
    assert [value.name for value in graph.output] == ["mask"]
    assert {node.domain for node in graph.node} == {""}
    assert not {node.op_type for node in graph.node} & {"Loop", "If", "Scan"}


@pytest.mark.usefixtures("needs_extra")
def test_what_onnx_lacks_is_refused(model, tmp_path, monkeypatch):
    import onnx
    import tensorflow as tf

    from stn_icnn_tf.inference.fixed_size import FixedSizeModel

    def resize(self, images, size):
        return tf.image.resize(images, size, antialias=True)

    monkeypatch.setattr(FixedSizeModel, "resize", resize)
    with pytest.raises(onnx.checker.ValidationError, match="ScaleAndTranslate"):
        export_onnx(model, tmp_path / "face.onnx", SIZE)
    assert not any(tmp_path.iterdir())


def test_bad_arguments_are_refused(model, tmp_path):
    with pytest.raises(ValueError, match="output"):
        export_onnx(model, tmp_path / "face", SIZE)


@pytest.mark.usefixtures("needs_extra")
def test_small_sizes_are_refused(model, tmp_path):
    with pytest.raises(ValueError, match="size"):
        export_onnx(model, tmp_path / "face.onnx", (64, 4))


def test_a_missing_extra_is_named(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"\.\[onnx\]"):
        export_onnx(model, tmp_path / "face.onnx", SIZE)
    with pytest.raises(ImportError, match=r"\.\[onnx\]"):
        onnx_parser(tmp_path / "face.onnx")
