import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import stn_icnn_tf
from stn_icnn_tf.face_parser import FaceParser, batches_by_size
from stn_icnn_tf.inference.face_search import FaceSearch
from stn_icnn_tf.inference.fused import FusedModel
from tests.helpers import encode, photos, shake, small_model

# What the small model, whose weights are random, is never sure enough of.
SEARCHED = {"confidence": 0.99}
AS_IT_IS = {
    "confidence": 0.0,
    "found": 0.0,
    "placed": 0.0,
    "smallest": 0.0,
    "largest": 9.0,
    "shift": 9.0,
}


def shaken(thresholds):
    model = small_model(search_thresholds={**thresholds, "roll": 90.0})
    shake(model)
    return model


@pytest.fixture(scope="module")
def model():
    return shaken(AS_IT_IS)


@pytest.fixture(scope="module")
def parser(model):
    return FaceParser(model)


@pytest.fixture(scope="module")
def searcher():
    return FaceParser(shaken(SEARCHED))


def test_every_kind_of_photo_gives_the_masks_of_the_model(model, parser, tmp_path):
    photo = photos(50, 70)
    expected = FusedModel(model)(photo[None])["mask"][0].numpy()
    assert len(np.unique(expected)) > 2
    path = tmp_path / "me.png"
    Image.fromarray(photo).save(path)
    kinds = [
        path, str(path), path.read_bytes(), Image.fromarray(photo), photo,
        photo / 255.0, tf.constant(photo),
    ]  # fmt: skip
    for kind in kinds:
        face = parser(kind)
        assert face.mask.dtype == np.uint8
        np.testing.assert_array_equal(face.mask, expected)
        np.testing.assert_array_equal(face.photo, photo)
    assert [parser(path).name, parser(photo).name] == ["me", "face"]
    assert face.theta.shape == (6, 2, 3)
    with pytest.raises(ValueError, match="channels come last"):
        parser(np.moveaxis(photo, -1, 0))


def test_lists_come_back_in_their_order(parser, tmp_path):
    batch = [photos(*size) for size in ((40, 60), (50, 50), (40, 60), (1, 30))]
    faces = parser(batch)
    assert [face.name for face in faces] == [f"face_{i}" for i in range(4)]
    for photo, face in zip(batch, faces, strict=True):
        assert face.mask.shape == photo.shape[:2]
        np.testing.assert_array_equal(face.photo, photo)
        assert (face.mask == parser(photo).mask).mean() > 0.999
    assert len(parser(np.stack(batch[::2]))) == 2
    assert parser([]) == []


def test_photos_of_one_size_share_batches():
    small, large = (512, 512), (4096, 3000)
    shapes = [small, large, *[small] * 9, large]
    assert list(batches_by_size(shapes)) == [[0, *range(2, 9)], [9, 10], [1], [11]]
    mixed = [small, (40, 512), large, small]
    assert list(batches_by_size(mixed, mixed=True)) == [[0, 1], [2], [3]]
    assert list(batches_by_size([])) == []


def test_it_is_traced_once_whatever_the_sizes(model):
    parser = FaceParser(model)
    for size in ((40, 60), (64, 30), (90, 90)):
        parser(photos(*size))
        parser([photos(*size)] * 2)
    engine = parser.engine
    for compiled in (engine._frame, engine._look, engine._label, engine._paste):
        assert compiled.experimental_get_tracing_count() == 1


def test_weights_are_no_constants_of_its_graphs(model):
    # A graph holds several copies of its constants.
    engine = FaceParser(model).engine
    for compiled in (engine._look, engine._label):
        graph = compiled.get_concrete_function().graph
        constants = [op for op in graph.get_operations() if op.type == "Const"]
        largest = max(np.prod(op.outputs[0].shape.as_list()) for op in constants)
        assert largest < max(np.prod(weight.shape) for weight in model.weights)


def test_face_is_searched_for_unless_told_otherwise(searcher):
    photo = photos(60, 90)
    found = FaceSearch(searcher.engine.model)(photo)
    assert np.any(found["square"] != [44.5, 29.5, 90, 0])
    np.testing.assert_array_equal(searcher(photo).mask, found["mask"])
    np.testing.assert_allclose(searcher(photo).theta, found["theta"], atol=1e-5)
    plain = FaceParser(shaken(SEARCHED), find_faces=False)
    expected = plain.engine.model(photo[None])["mask"][0]
    np.testing.assert_array_equal(plain(photo).mask, expected)
    assert np.any(searcher(photo).mask != expected)


@pytest.mark.parametrize("size", [(60, 90), (80, 40), (30, 1)])
@pytest.mark.parametrize("which", ["parser", "searcher"])
def test_mask_is_the_most_probable_class(which, size, request):
    face = request.getfixturevalue(which)(photos(*size))
    probabilities = face.probabilities()
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (*size, 9)
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1.0, atol=1e-4)
    assert (np.argmax(probabilities, axis=-1) == face.mask).mean() > 0.999


@pytest.mark.parametrize("which", ["parser", "searcher"])
def test_probabilities_of_a_smaller_size_are_of_the_same_square(which, request):
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 9, 3)).astype("uint8"))
    photo = np.asarray(coarse.resize((180, 120), Image.Resampling.BICUBIC))
    face = request.getfixturevalue(which)(photo)
    small = face.probabilities((60, 90))
    assert small.shape == (60, 90, 9)
    np.testing.assert_allclose(small.sum(axis=-1), 1.0, atol=1e-4)
    whole = face.probabilities().reshape(60, 2, 90, 2, 9).mean(axis=(1, 3))
    assert (
        np.abs(small - whole).mean() < 0.3 * np.abs(whole - whole.mean((0, 1))).mean()
    )


def test_every_face_of_a_group_is_parsed_the_larger_in_front(model):
    photo = photos(60, 120)
    squares = np.float32([[30, 30, 50, 0], [60, 30, 40, 0], [105, 15, 24, 0]])
    parser = FaceParser(model, detect_faces=lambda photo: list(squares))
    group = parser(photo)
    assert [face.name for face in group.faces] == ["face_0", "face_1", "face_2"]
    expected = np.zeros((60, 120), "uint8")
    for square, face in zip(squares[::-1], group.faces[::-1], strict=True):
        alone = FaceSearch(parser.engine.model)(photo, square)["mask"].numpy()
        np.testing.assert_array_equal(face.mask, alone)
        expected = np.where(alone > 0, alone, expected)
    np.testing.assert_array_equal(group.mask, expected)
    assert len(np.unique(group.mask)) > 2
    best = np.argmax(group.probabilities(), axis=-1)
    assert (best == group.mask).mean() > 0.999
    nobody = FaceParser(model, detect_faces=lambda photo: [])(photo)
    assert nobody.faces == () and not nobody.mask.any()
    assert nobody.probabilities()[..., 0].all()


def test_precision_and_device(model, parser):
    photo = photos(50, 70)
    expected = parser(photo)
    half = FaceParser(model, precision="bfloat16")(photo)
    assert (half.mask == expected.mask).mean() > 0.9
    placed = FaceParser(model, device="CPU:1")(photo)
    assert (placed.mask == expected.mask).mean() > 0.999
    assert FaceParser(model, device="/device:CPU:0").engine._device == "CPU:0"
    with pytest.raises(ValueError, match=r"`device` must be one of \['CPU:0'"):
        FaceParser(model, device="TPU")
    with pytest.raises(ValueError, match="`precision`"):
        FaceParser(model, precision="int8")


def test_run_folder_and_files_are_models(tmp_path, model):
    model.save(tmp_path / "model.keras")
    photo = photos(40, 40)
    expected = FaceParser(model)(photo).mask
    for source in (tmp_path, tmp_path / "model.keras"):
        np.testing.assert_array_equal(FaceParser(source)(photo).mask, expected)
    with pytest.raises(ValueError, match="`model`.*nobody"):
        FaceParser("nobody")


def test_package_gives_it_without_importing_it_first():
    assert stn_icnn_tf.FaceParser is FaceParser
    assert {"FaceParser", "ParsedFace"} <= set(stn_icnn_tf.__all__)
    with pytest.raises(AttributeError, match="Nobody"):
        _ = stn_icnn_tf.Nobody


def test_shipped_model_parses_the_astronaut():
    data = pytest.importorskip("skimage.data", reason="extra `demo`")
    face = stn_icnn_tf.FaceParser("helen")(
        encode(Image.fromarray(data.astronaut()), "PNG")
    )
    assert set(face.boxes) == set(stn_icnn_tf.EIGHT_PARTS.part_names)
    left, top, right, bottom = face.boxes["mouth"]
    assert 180 < left < right < 280 and 110 < top < bottom < 180
    assert isinstance(face.crop("mouth"), Image.Image)
