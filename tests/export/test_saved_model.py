"""The exported SavedModel: its signatures, its description, its folder."""

import io
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from stn_icnn_tf.class_sets import EIGHT_PARTS
from stn_icnn_tf.export import saved_model as export
from stn_icnn_tf.export.image_decoding import decode_photo
from stn_icnn_tf.export.signatures import signatures as described_signatures
from stn_icnn_tf.inference.face_search import FaceSearch
from stn_icnn_tf.inference.fused import FusedModel
from tests.helpers import encode, photos


@pytest.fixture(scope="module")
def signatures(served):
    return tf.saved_model.load(str(served[1])).signatures


@pytest.mark.parametrize(
    "shape", [(1, 70, 51), (3, 33, 90), (2, 3, 300), (1, 2, 2), (1, 1, 1), (2, 40, 1)]
)
def test_default_gives_masks_and_windows_of_every_size(served, signatures, shape):
    model, _ = served
    photo = photos(*shape)
    outputs = signatures["serving_default"](images=tf.constant(photo))
    assert sorted(outputs) == ["boxes", "mask", "theta"]
    assert outputs["mask"].shape == shape and outputs["mask"].dtype == tf.uint8
    assert outputs["theta"].shape == (shape[0], 6, 2, 3)
    assert outputs["boxes"].shape == (shape[0], 6, 4)
    assert all(np.isfinite(outputs[name]).all() for name in ("theta", "boxes"))
    if min(shape[1:]) > 1:  # The model itself takes no thinner photos.
        expected = model(photo)
        np.testing.assert_array_equal(outputs["mask"], np.array(expected["mask"]))
        np.testing.assert_allclose(outputs["theta"], expected["theta"], atol=1e-4)


def test_boxes_hold_their_parts_and_lie_in_photo_pixels(signatures):
    outputs = signatures["serving_default"](images=tf.constant(photos(1, 80, 120)))
    mask, theta = outputs["mask"][0].numpy(), outputs["theta"][0].numpy()
    found = 0
    for part, box, window in zip(EIGHT_PARTS.parts, outputs["boxes"][0].numpy(), theta):
        ys, xs = np.nonzero(np.isin(mask, part.classes))
        pixel = (box[2:] - box[:2]) / 17
        # The centre of a window, and of a pixel, is half a pixel from its edge.
        middle = (window[:, 2] + 1) / 2 * np.array([119, 79]) + 0.5
        np.testing.assert_allclose((box[:2] + box[2:]) / 2, middle, atol=1e-3)
        side = window[[0, 1], [0, 1]] * np.array([119, 79]) * 17 / 16
        np.testing.assert_allclose(box[2:] - box[:2], side, rtol=1e-4)
        if len(xs):
            found += 1
            # A patch fades out over one of its pixels more.
            assert xs.min() + 0.5 >= box[0] - pixel[0] and ys.min() >= box[1] - pixel[1]
            assert xs.max() + 0.5 <= box[2] + pixel[0] and ys.max() <= box[3] + pixel[1]
    assert found >= 3


@pytest.mark.parametrize("shape", [(1, 70, 51), (2, 33, 90), (1, 1, 5)])
def test_probabilities_sum_to_one_and_their_best_is_the_mask(signatures, shape):
    images = tf.constant(photos(*shape))
    mask = signatures["serving_default"](images=images)["mask"].numpy()
    outputs = signatures["serving_probabilities"](images=images)
    assert list(outputs) == ["probabilities"]
    probabilities = outputs["probabilities"].numpy()
    assert probabilities.shape == (*shape, 9) and probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(-1), 1.0, atol=1e-5)
    assert np.mean(probabilities.argmax(-1) == mask) >= 0.9999


def test_outside_all_windows_background_is_one(signatures):
    images = tf.constant(photos(1, 60, 200))
    boxes = signatures["serving_default"](images=images)["boxes"][0].numpy()
    outputs = signatures["serving_probabilities"](images=images)
    background = outputs["probabilities"][0, ..., 0].numpy()
    pixel = (boxes[:, 2:] - boxes[:, :2]) / 17
    boxes = np.concatenate([boxes[:, :2] - pixel, boxes[:, 2:] + pixel], axis=1)
    xs, ys = np.arange(200) + 0.5, (np.arange(60) + 0.5)[:, None]
    outside = np.ones((60, 200), bool)
    for left, top, right, bottom in boxes:
        outside &= (xs < left) | (xs > right) | (ys < top) | (ys > bottom)
    assert 100 < outside.sum() < outside.size
    np.testing.assert_array_equal(background[outside], 1.0)
    assert background[~outside].min() < 0.99


def test_bytes_serves_the_good_of_a_mixed_batch(signatures):
    wide, tall = photos(40, 90), photos(71, 30)
    batch = [
        encode(Image.fromarray(wide), "PNG"),
        b"",
        encode(Image.fromarray(tall), "JPEG"),
        encode(Image.fromarray(wide), "JPEG")[:900],
        encode(Image.fromarray(wide), "GIF"),
        encode(Image.fromarray(tall).convert("LA"), "PNG"),
    ]
    outputs = signatures["serving_bytes"](image_bytes=tf.constant(batch))
    assert sorted(outputs) == ["error", "mask_bytes"]
    errors = [error.decode() for error in outputs["error"].numpy()]
    assert [bool(error) for error in errors] == [False, True, False, True, True, False]
    assert "empty" in errors[1] and "broken" in errors[3] and "neither" in errors[4]
    for encoded, mask, error in zip(batch, outputs["mask_bytes"].numpy(), errors):
        if error:
            assert mask == b""
            continue
        pixels = decode_photo(encoded)[0]
        expected = signatures["serving_default"](images=pixels[None])["mask"][0]
        with Image.open(io.BytesIO(mask)) as picture:
            assert picture.format == "PNG" and picture.mode == "L"
            np.testing.assert_array_equal(np.asarray(picture), expected)


def test_bytes_serves_an_empty_batch(signatures):
    outputs = signatures["serving_bytes"](image_bytes=tf.constant([], tf.string))
    assert outputs["mask_bytes"].shape == outputs["error"].shape == (0,)


def read_graph(folder):
    data = (folder / "saved_model.pb").read_bytes()
    return saved_model_pb2.SavedModel.FromString(data).meta_graphs[0].graph_def


def constant_bytes(folder):
    return sum(
        len(node.attr["value"].tensor.tensor_content)
        for function in read_graph(folder).library.function
        for node in function.node_def
        if node.op == "Const"
    )


def test_bytes_finds_faces_of_any_framing_unless_exported_otherwise(served, tmp_path):
    model, plain = served
    folder = export.export_saved_model(model, tmp_path / "any")
    signatures = tf.saved_model.load(str(folder)).signatures
    parse = FaceSearch(FusedModel(model))
    batch = [photos(*shape) for shape in ((70, 51), (33, 90), (120, 120), (40, 1))]
    encoded = [encode(Image.fromarray(photo), "PNG") for photo in batch]
    outputs = signatures["serving_bytes"](image_bytes=tf.constant([*encoded, b"no"]))
    assert [bool(error) for error in outputs["error"].numpy()] == [False] * 4 + [True]
    reframed = 0
    for photo, encoded in zip(batch, outputs["mask_bytes"].numpy()):
        mask = tf.io.decode_png(encoded)[..., 0].numpy()
        np.testing.assert_array_equal(mask, parse(photo)["mask"])
        plainly = signatures["serving_default"](images=photo[None])["mask"][0]
        reframed += np.any(mask != plainly)
    assert reframed
    # Of the weights only those of the coarse net are in it once more.
    assert constant_bytes(plain) < constant_bytes(folder) < 1.4 * constant_bytes(plain)


def test_graph_needs_no_python(served):
    graph = read_graph(served[1])
    operations = {node.op for node in graph.node}
    for function in graph.library.function:
        operations |= {node.op for node in function.node_def}
    assert "DecodePng" in operations and "Conv2D" in operations
    assert not [name for name in operations if "PyFunc" in name]


# === The description ===


def test_labels_name_the_classes_and_describe_the_signatures(served, signatures):
    labels = export.read_labels(served[1])
    assert [(c["id"], c["name"], tuple(c["color"])) for c in labels["classes"]] == [
        (i, EIGHT_PARTS.names[i], EIGHT_PARTS.palette[i]) for i in range(9)
    ]
    assert {part["name"]: part["classes"] for part in labels["parts"]} == {
        part.name: list(part.classes) for part in EIGHT_PARTS.parts
    }
    assert set(labels["signatures"]) == set(described_signatures()) == set(signatures)
    for name, described in labels["signatures"].items():
        inputs = signatures[name].structured_input_signature[1]
        outputs = signatures[name].structured_outputs
        for tensors, specs in (
            (described["inputs"], inputs),
            (described["outputs"], outputs),
        ):
            assert set(tensors) == set(specs)
            for tensor, spec in specs.items():
                shape = [n if isinstance(n, int) else None for n in spec.shape]
                named = tensors[tensor]["shape"]
                assert [n if isinstance(n, int) else None for n in named] == shape
                assert tensors[tensor]["dtype"] == spec.dtype.name


def test_labels_can_be_read_by_people(served):
    text = (served[1] / "assets" / "labels.json").read_text()
    assert '{"id": 3, "name": "left_eye", "color": [240, 228, 66]}' in text
    assert max(len(line) for line in text.splitlines()) < 120


def test_folder_without_labels_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`saved_model`"):
        export.read_labels(tmp_path)


# === The folder ===


def test_version_folder_comes_whole_and_alone(served):
    _, folder = served
    assert folder.name == "3"
    assert [path.name for path in folder.parent.iterdir()] == ["3"]
    assert (folder / "saved_model.pb").is_file()
    assert (folder / "assets.extra" / "tf_serving_warmup_requests").is_file()


def test_next_version_is_after_the_newest(tmp_path):
    assert export.next_version(tmp_path / "none") == 1
    for name in ("2", "10", ".writing-x", "notes"):
        (tmp_path / name).mkdir()
    assert export.next_version(tmp_path) == 11


def test_failed_export_leaves_the_version_that_was_there(served, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    old = tmp_path / "1" / "saved_model.pb"
    old.parent.mkdir()
    old.write_bytes(b"old")
    monkeypatch.setattr(export, "write_warmup", fail)
    monkeypatch.setattr(export.tf.saved_model, "save", lambda *_, **__: None)
    with pytest.raises(OSError, match="disk full"):
        export.export_saved_model(served[0], tmp_path)
    assert old.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_version_that_was_there_is_replaced(served, tmp_path, monkeypatch):
    def save(_, folder, signatures):
        assert set(signatures) == set(described_signatures())
        pathlib.Path(folder).mkdir()
        (pathlib.Path(folder) / "saved_model.pb").write_bytes(b"new")

    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "stale").write_bytes(b"old")
    monkeypatch.setattr(export.tf.saved_model, "save", save)
    folder = export.export_saved_model(served[0], tmp_path)
    assert folder == tmp_path / "1"
    assert (folder / "saved_model.pb").read_bytes() == b"new"
    assert not (folder / "stale").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_version_must_be_positive(served, tmp_path):
    with pytest.raises(ValueError, match="version=0"):
        export.export_saved_model(served[0], tmp_path, version=0)
