"""`FaceParser(engine="onnx")`: the masks of TensorFlow without it."""

import io
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf import FaceParser, VideoParser
from stn_icnn_tf.class_sets import EIGHT_PARTS, HEAD
from stn_icnn_tf.export import engine_cache
from stn_icnn_tf.export.engine import engine_file
from stn_icnn_tf.export.onnx import converted_to_onnx
from stn_icnn_tf.export.quantized import logit_convs, nodes_of_8_bits
from stn_icnn_tf.geometry.candidate_squares import CLOSER
from stn_icnn_tf.inference import large_photos
from stn_icnn_tf.inference.candidates import (
    candidate_confidence,
    candidate_views,
)
from stn_icnn_tf.inference.folded import FoldedResidualIcnn
from stn_icnn_tf.layers.residual_icnn import ResidualInterlinkedCNN
from stn_icnn_tf.onnx_engine import engine as engine_module
from stn_icnn_tf.onnx_engine.engine import OnnxEngine
from tests.helpers import ONE_NET_HEAD, faces, photos, shake, small_model

for _module in ("onnx", "onnxruntime", "tf2onnx"):
    pytest.importorskip(_module, reason="needs the extra: pip install -e '.[onnx]'")

AS_IT_IS = {
    **{"placed": 0.0, "smallest": 0.0},
    **{"largest": 9.0, "shift": 9.0, "roll": 90.0},
}
SEARCHED = {**AS_IT_IS, "confidence": 0.99}
SIZES = [(50, 70), (90, 40), (64, 64), (150, 131), (30, 1)]


def shaken(class_set, **thresholds):
    keras.utils.set_random_seed(0)
    model = small_model(class_set=class_set, search_thresholds=thresholds)
    shake(model, seed=7)  # Labels of all kinds, whatever the class set.
    return model


def both(model):
    return FaceParser(model), FaceParser(model, engine="onnx")


@pytest.fixture(scope="module")
def drawn():
    return [np.asarray(example["image"]) for example in faces(3)]


@pytest.fixture(scope="module", params=[EIGHT_PARTS, HEAD], ids=["parts", "head"])
def framed(request):
    return both(shaken(request.param, **AS_IT_IS, confidence=0.0, found=0.0))


@pytest.fixture(scope="module")
def searching():
    return both(shaken(ONE_NET_HEAD, **SEARCHED))


def assert_equal_faces(ours, expected, share=0.99):
    assert ours.mask.dtype == np.uint8 and len(np.unique(expected.mask)) > 1
    assert np.mean(ours.mask == expected.mask) >= share
    np.testing.assert_allclose(ours.theta, expected.theta, atol=5e-3)
    found, known = ours.probabilities(), expected.probabilities()
    assert found.dtype == np.float32 and found.shape == known.shape
    assert np.mean(np.abs(found - known)) < 2e-3
    np.testing.assert_allclose(found.sum(axis=-1), 1.0, atol=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_photos_as_they_are_give_the_masks_of_tensorflow(framed, size):
    tensorflow, onnx = framed
    assert_equal_faces(onnx(photos(*size)), tensorflow(photos(*size)))


def test_drawn_faces_in_a_list_come_back_in_their_order(framed, drawn):
    tensorflow, onnx = framed
    pairs = zip(onnx(drawn), tensorflow(drawn), strict=True)
    for ours, expected in pairs:
        assert ours.name == expected.name and ours.class_set == expected.class_set
        assert_equal_faces(ours, expected)


def test_a_face_that_does_not_fit_is_cut_out_and_parsed(drawn, monkeypatch):
    # Sure enough, but rolled too far: no candidates are tried.
    monkeypatch.setattr("stn_icnn_tf.inference.engine.WHOLE", 0.0)
    sure = {"confidence": 0.0, "found": 0.0, **AS_IT_IS, "roll": 3.0}
    tensorflow, onnx = both(shaken(ONE_NET_HEAD, **sure))
    for photo in drawn:
        square = tensorflow.find_square(photo)
        np.testing.assert_allclose(onnx.find_square(photo), square, atol=0.2)
        assert abs(square[3]) > np.radians(3.0)
        ours, expected = onnx(photo), tensorflow(photo)
        assert np.mean(ours.mask == expected.mask) > 0.97
        np.testing.assert_allclose(ours.theta, expected.theta, atol=2e-2)
        small = (48, 48 * photo.shape[1] // len(photo))
        found, known = ours.probabilities(small), expected.probabilities(small)
        assert found.shape == (*small, ONE_NET_HEAD.num_classes)
        assert np.mean(np.abs(found - known)) < 1e-2


def test_candidates_are_seen_as_with_tensorflow(searching, drawn):
    tensorflow, onnx = searching
    model = tensorflow.engine.model
    for photo in drawn:
        views = candidate_views(photo, model.coarse_image_size)
        scores = model.coarse_scores(views)
        confidence, found, center = candidate_confidence(scores, ONE_NET_HEAD)
        known = confidence * found * center
        seen = onnx.engine.candidate_confidence(photo)
        upright = len(CLOSER)
        np.testing.assert_allclose(seen[:upright], known[:upright], atol=1e-2)
        # Of turned ones the photo's border is blended otherwise, and a part that these
        # random weights see there or not counts a sixth.
        assert np.mean(np.abs(seen - known) < 0.1) > 0.8
        assert onnx(photo).mask.shape == photo.shape[:2]


def test_faces_that_are_detected_and_large_photos_are_parsed(searching, monkeypatch):
    def detect(photo):
        return [np.float32([40, 40, 60, 0.0]), np.float32([90, 50, 30, 0.0])]

    photo = photos(100, 130)
    tensorflow, onnx = searching
    monkeypatch.setattr(tensorflow, "_detector", detect)
    monkeypatch.setattr(onnx, "_detector", detect)
    ours, expected = onnx(photo), tensorflow(photo)
    assert len(ours.faces) == 2
    assert np.mean(ours.mask == expected.mask) > 0.97
    monkeypatch.setattr(large_photos, "MOST_SIDE", 100)
    monkeypatch.setattr(large_photos, "SHRUNK_SIDE", 100)
    ours, expected = onnx(photo), tensorflow(photo)
    assert np.mean(ours.mask == expected.mask) > 0.97


# === The file ===


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "stn_icnn_tf"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    file = tmp_path_factory.mktemp("saved") / "small.keras"
    shaken(ONE_NET_HEAD, **SEARCHED).save(file)
    return file


@pytest.fixture(scope="module")
def content(saved):
    from stn_icnn_tf import load_model

    return engine_file(load_model(saved))


@pytest.fixture
def made(content, monkeypatch):
    """Counts how often the file is made."""
    made = []
    monkeypatch.setattr(
        engine_cache, "_engine_file", lambda model, _: made.append(model) or content
    )
    return made


def test_the_file_is_made_once_and_again_if_it_is_damaged(saved, cache, made):
    photo = photos(40, 50)
    first = FaceParser(saved, engine="onnx")(photo).mask
    (file,) = cache.iterdir()
    np.testing.assert_array_equal(FaceParser(saved, engine="onnx")(photo).mask, first)
    assert len(made) == 1
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", whole.replace(b"Conv", b"Cone", 1)):
        file.write_bytes(damaged)
        FaceParser(saved, engine="onnx")
        assert file.read_bytes() == whole
    assert len(made) == 4


def test_other_weights_or_versions_are_other_files(saved, cache, monkeypatch, tmp_path):
    other = tmp_path / "other.keras"
    other.write_bytes(saved.read_bytes() + b" ")
    names = {engine_cache.cached_file(file).name for file in (saved, other)}
    monkeypatch.setattr("stn_icnn_tf.__version__", "0.0.9")
    names.add(engine_cache.cached_file(saved).name)
    names.add(engine_cache.cached_file(saved, "int8").name)
    assert len(names) == 4


def test_a_cache_that_cannot_be_written_is_said(saved, cache, made):
    cache.parent.write_text("no folder")
    for _ in range(2):
        with pytest.warns(UserWarning, match="XDG_CACHE_HOME"):
            parser = FaceParser(saved, engine="onnx")
    assert len(made) == 2 and parser(photos(40, 50)).mask.shape == (40, 50)


def test_with_the_file_tensorflow_is_not_imported(saved, cache, made, tmp_path):
    photo = photos(40, 50)
    expected = FaceParser(saved, engine="onnx")(photo)
    given, taken = tmp_path / "photo.npy", tmp_path / "face.npz"
    np.save(given, photo)
    script = f"""
import sys, numpy as np
from stn_icnn_tf import FaceParser
import trainers.predict
face = FaceParser({str(saved)!r}, engine="onnx")(np.load({str(given)!r}))
np.savez({str(taken)!r}, mask=face.mask, probabilities=face.probabilities())
print([name for name in ("tensorflow", "keras", "h5py") if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ran.stdout.strip() == "[]", ran.stderr
    found = np.load(taken)
    np.testing.assert_array_equal(found["mask"], expected.mask)


# === 8 bits ===


def test_with_8_bits_masks_are_about_the_same(searching, drawn, content):
    model = shaken(ONE_NET_HEAD, **AS_IT_IS, confidence=0.0, found=0.0)
    eight_bits = FaceParser(model, engine="onnx", precision="int8")
    expected = FaceParser(model, engine="onnx")
    for photo in drawn:
        ours, whole = eight_bits(photo), expected(photo)
        assert np.mean(ours.mask == whole.mask) > 0.9
        np.testing.assert_allclose(ours.theta, whole.theta, atol=0.05)
        # It is another arithmetic, and not the same file.
        assert np.any(ours.probabilities() != whole.probabilities())
        # Which candidates are parsed is not left to 8 bits.
        np.testing.assert_array_equal(
            eight_bits.engine.candidate_confidence(photo),
            expected.engine.candidate_confidence(photo),
        )


def test_convs_are_lowered_but_for_logits(content):
    onnx = pytest.importorskip("onnx")
    file = engine_file(shaken(ONE_NET_HEAD, **SEARCHED), "int8")
    with zipfile.ZipFile(io.BytesIO(file)) as members:
        nodes = onnx.load_from_string(members.read("face.onnx")).graph.node
    made_by = {out: node.op_type for node in nodes for out in node.output}
    kept = set(logit_convs(nodes))
    convs = [node for node in nodes if node.op_type == "Conv"]
    lowered = [conv for conv in convs if conv.name not in kept]
    for conv in lowered:
        assert {made_by[name] for name in conv.input[:2]} == {"DequantizeLinear"}
    for conv in convs:
        if conv.name in kept:
            assert conv.input[1] not in made_by  # Its weights are as they were.
    # The coarse net's, and the part net's: one for all parts.
    assert len(kept) == 2 and len(lowered) > 10
    # All else has none but floats.
    rounded = {name for name, by in made_by.items() if by == "QuantizeLinear"}
    reads = {node.op_type for node in nodes if rounded & set(node.input)}
    assert reads == {"DequantizeLinear"}
    assert len(file) < len(content)


def test_what_lies_between_convs_is_lowered_too():
    onnx = pytest.importorskip("onnx")
    net = ResidualInterlinkedCNN(3, row_filters=(4, 8), num_interlinks=1)
    net.build((None, 16, 16, 3))
    folded = FoldedResidualIcnn(net)
    function = tf.function(
        lambda image: {"said": tf.nn.softmax(folded(image))},
        input_signature=[tf.TensorSpec((1, 16, 16, 3), tf.float32, "image")],
    )
    content = converted_to_onnx(function, EIGHT_PARTS)
    nodes = onnx.load_from_string(content).graph.node
    lowered = set(nodes_of_8_bits(nodes))
    kinds = ("Conv", "Add", "Relu", "MaxPool", "Resize")
    kept = {node.name for node in nodes if node.op_type in kinds} - lowered
    assert kept == set(logit_convs(nodes)) and len(kept) == 1
    assert {node.op_type for node in nodes if node.name in lowered} == set(kinds)


def test_several_photos_have_the_faces_that_each_has_alone(
    searching, drawn, monkeypatch
):
    _, parser = searching
    alike = [photo[:90, :85] for photo in drawn]
    alone = [parser(photo) for photo in alike]
    monkeypatch.setattr(engine_module, "_cores", lambda: 2)
    for ours, expected in zip(parser(alike), alone, strict=True):
        np.testing.assert_array_equal(ours.mask, expected.mask)
        np.testing.assert_allclose(ours.theta, expected.theta, atol=1e-5)


# === What is refused ===


def test_what_it_cannot_do_is_refused(saved, cache, content, made, monkeypatch):
    with pytest.raises(ValueError, match='`engine`.*"onnx"|`engine`.*onnx.*=torch'):
        FaceParser(saved, engine="torch")
    with pytest.raises(ValueError, match="'int8'.*precision=bfloat16"):
        FaceParser(saved, engine="onnx", precision="bfloat16")
    with pytest.raises(ValueError, match="`precision`.*precision=int8"):
        FaceParser(saved, precision="int8")
    with pytest.raises(ValueError, match="`precision`.*precision=int4"):
        engine_file(small_model(), "int4")
    with pytest.raises(ValueError, match="device=GPU:0"):
        FaceParser(saved, engine="onnx", device="GPU:0")
    with pytest.raises(ValueError, match="framing=stretch"):
        engine_file(small_model(framing="stretch"))
    with pytest.raises(ValueError, match="`model`.*nobody"):
        FaceParser("nobody", engine="onnx")
    with pytest.raises(ValueError, match="`content`"):
        OnnxEngine(b"PK")
    with pytest.raises(ValueError, match="`parser`.*OnnxEngine"):
        VideoParser(FaceParser(saved, engine="onnx"))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"\.\[onnx\]"):
        FaceParser(saved, engine="onnx")


def test_the_file_is_a_zip_whose_members_are_as_they_are(content, tmp_path):
    file = tmp_path / "engine.zip"
    file.write_bytes(content)
    with zipfile.ZipFile(file) as members:
        assert {info.filename for info in members.infolist()} == {
            "face.onnx",
            "view.onnx",
            "model.json",
        }


@pytest.mark.slow  # Its conversion alone takes most of a minute.
def test_the_shipped_head_labels_the_astronaut_as_with_tensorflow(cache):
    data = pytest.importorskip("skimage.data", reason="the extra `demo`")
    whole = data.astronaut()
    tensorflow, onnx = FaceParser("head"), FaceParser("head", engine="onnx")
    for photo in (whole[:300, 80:380], whole):
        ours, expected = onnx(photo), tensorflow(photo)
        assert np.mean(ours.mask == expected.mask) >= 0.999
        np.testing.assert_allclose(ours.theta, expected.theta, atol=1e-2)
