"""The JavaScript of the page against the Python that it follows."""

import base64
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from stn_icnn_tf.class_sets import HEAD
from stn_icnn_tf.drawn_faces.drawing import draw_face
from stn_icnn_tf.geometry.candidate_squares import CLOSER, ROLLS
from stn_icnn_tf.geometry.squares import square_around, whole_square
from stn_icnn_tf.inference.candidates import candidate_views
from stn_icnn_tf.inference.squares import Cut
from stn_icnn_tf.parsed_face import ParsedFace
from stn_icnn_tf.regions import measure_regions
from tests.helpers import photos


def as_photo(array):
    height, width = array.shape[:2]
    return {"width": width, "height": height, "data": array.ravel().tolist()}


def as_array(photo):
    values = np.float64(photo["data"])
    return values.reshape(photo["height"], photo["width"], 3)


@pytest.mark.parametrize("size", [(20, 30), (67, 90), (67, 31), (140, 31)])
def test_photos_are_resized_as_by_tensorflow(modules, size):
    photo = photos(67, 53)
    body = "return module.resize(photo, width, height)"
    height, width = size
    result = modules("pixels", body, photo=as_photo(photo), width=width, height=height)
    expected = tf.image.resize(photo, size, antialias=True)
    np.testing.assert_allclose(as_array(result), expected, atol=1e-2)


@pytest.mark.parametrize(
    "square", [(30.0, 25.2, 40.4, 0.0), (20.0, 44.0, 61.0, 0.5), (5.0, 5.0, 30.0, -2.0)]
)
def test_squares_are_cut_out_and_taken_back(modules, square):
    photo = photos(67, 53)
    cut = Cut(tf.constant(square), tf.constant([53.0, 67.0]), np.radians(7.5))
    body = """
        const [x, y, side, roll] = square;
        const place = module.placeSquare({ x, y, side, roll }, Math.PI / 24);
        return [module.cutSquare(photo, place), place]"""
    result, place = modules("pixels", body, photo=as_photo(photo), square=square)
    np.testing.assert_allclose(as_array(result), cut.pixels(photo), atol=1e-2)

    # At its own size: every pixel of the photo has the id of the nearest one.
    side = place["side"]
    mask = np.random.default_rng(0).integers(1, 5, (side, side)).astype("uint8")
    expected = cut.to_photo(mask[..., None])[..., 0].numpy()
    body = """
        const size = { width: 53, height: 67 };
        return [...module.maskToPhoto(mask, place.side, place, size)]"""
    back = modules("pixels", body, mask=mask.ravel().tolist(), place=place)
    back = np.uint8(back).reshape(67, 53)
    # A turned pixel lies between others, and there the votes decide; and where the
    # square's border goes through a pixel, that may be in or out.
    least = 0.999 if abs(square[3]) < 0.1 else 0.6
    assert np.mean((back > 0) == (expected > 0)) > 0.98
    assert np.mean(back[expected > 0] == expected[expected > 0]) > least


def test_an_enlarged_mask_is_the_argmax_of_its_enlarged_classes(modules):
    mask = np.random.default_rng(0).integers(0, 4, (9, 9)).astype("uint8")
    body = """
        const place = { side: 9, cos: 1, sin: 0, left: 0, top: 0 };
        return [...module.maskToPhoto(mask, 9, place, { width: 45, height: 45 }, 5)]"""
    large = modules("pixels", body, mask=mask.ravel().tolist())
    planes = tf.image.resize(np.eye(4, dtype="float32")[mask], (45, 45))
    assert np.mean(np.uint8(large).reshape(45, 45) == np.argmax(planes, -1)) > 0.99


def test_masks_are_brought_to_the_file_of_which_a_photo_is_a_copy(modules):
    mask = np.zeros((8, 8), "uint8")
    mask[:, 4:] = 1
    body = """
        const place = { side: 16, cos: 1, sin: 0, left: 4, top: -2 };
        return [...module.maskToPhoto(mask, 8, place, { width: 72, height: 36 }, 3)]"""
    large = modules("pixels", body, mask=mask.ravel().tolist())
    expected = np.zeros((36, 72), "uint8")
    expected[:, 36:60] = 1
    np.testing.assert_array_equal(np.uint8(large).reshape(36, 72), expected)


def test_the_square_around_a_face_is_pythons(modules):
    rng = np.random.default_rng(0)
    centers, mean = rng.uniform(0, 300, (6, 2)), rng.uniform(-1, 1, (6, 2))
    body = "return module.squareAround(centers, mean)"
    found = modules("search", body, centers=centers.tolist(), mean=mean.tolist())
    expected = square_around(centers, mean)
    names = ("x", "y", "side", "roll")
    np.testing.assert_allclose([found[name] for name in names], expected, rtol=1e-4)


@pytest.mark.parametrize("size", [(30, 50), (80, 80), (151, 90)])
def test_candidates_are_those_of_python(modules, size):
    photo = photos(*size)
    body = """
        const model = { search: { closer, rolls }, view: { side: 32 } };
        const found = module.candidates(photo, model);
        return [...found.closer, ...found.turned].map(
            ({ square, view }) => [Object.values(square), [...view()]])"""
    found = modules("search", body, photo=as_photo(photo), closer=CLOSER, rolls=ROLLS)
    expected = candidate_views(photo, 32).numpy()
    views = np.float64([view for _, view in found]).reshape(expected.shape)
    np.testing.assert_allclose(views, expected, atol=2e-2)
    whole = whole_square(size[::-1])
    np.testing.assert_allclose(found[len(CLOSER)][0][:3], whole[:3])


SEARCH = {
    **{"confidence": 0.9, "found": 0.8, "smallest": 0.7, "largest": 1.4},
    **{"shift": 0.2, "roll": 15, "closer": CLOSER, "rolls": ROLLS},
    **{"more_confident": 1.05, "sure_turn": 0.9, "turned": 1.03},
    **{"far": 15, "far_turned": 0.98},
    **{"placed": 0.9, "tried": 2, "worth": 0.8},
}
# A photo of 100 x 100 in which the parts lie as in the mean face of `square`.
FIND = """
    const mean = [[-0.5, -0.5], [0.5, -0.5], [0, 0.5]];
    const model = { search, view: { side: 16 }, mean_centers: mean };
    const photo = { width: 100, height: 100, data: new Uint8Array(30000) };
    const centers = mean.map(([u, v]) => [x + u * side / 2, y + v * side / 2]);
    const calls = [];
    const parse = async (square) => {
        calls.push(square);
        const close = square.side < 1.4 * side;
        const seen = placed[Math.round(square.side)] ?? placed.rest;
        const found = parts[Math.round(square.side)] ?? parts.rest;
        return { confidence: close ? 0.95 : whole, found, placed: seen, centers };
    };
    let views = 0;
    const look = async () => {
        views += 1;
        return views === best
            ? { confidence: surest, found: 1, center }
            : { confidence: 0.3, found: 1, center: 1 };
    };
    const result = await module.findFace(photo, model, parse, look);
    return { calls, views, square: result.square }"""


def find(modules, **arguments):
    arguments = {"x": 50, "y": 50, "side": 90, "whole": 0.95, "best": 1, **arguments}
    arguments = {"surest": 0.99, "center": 1, **arguments}
    arguments = {"placed": {"rest": 1}, "parts": {"rest": 1}, **arguments}
    return modules("search", FIND, search=SEARCH, **arguments)


def test_a_well_framed_face_is_parsed_once(modules):
    found = find(modules)
    assert len(found["calls"]) == 1 and found["views"] == 0
    assert found["square"] == {"x": 49.5, "y": 49.5, "side": 100, "roll": 0}


def test_a_small_face_that_is_seen_is_cut_out(modules):
    found = find(modules, x=30, y=30, side=40)
    assert len(found["calls"]) == 2 and found["views"] == 0
    assert found["square"]["side"] == pytest.approx(41, abs=0.1)


def test_an_unsure_net_looks_closer_and_turns_only_when_that_does_not_help(modules):
    found = find(modules, x=30, y=30, side=50, whole=0.5)
    assert found["views"] == len(CLOSER)
    assert found["calls"][1]["side"] == 50  # The first candidate: twice as close.
    turned = find(modules, x=30, y=30, side=50, whole=0.5, best=len(CLOSER) + 3)
    assert turned["views"] == len(CLOSER) + len(ROLLS)
    assert turned["calls"][1]["roll"] == pytest.approx(np.radians(ROLLS[2]))


@pytest.mark.parametrize(
    ("surest", "degrees", "taken"), [(0.304, 30, 0), (0.304, 15, 15), (0.31, 30, 30)]
)
def test_an_unsure_net_turns_a_photo_far_only_if_that_is_clearly_better(
    modules, surest, degrees, taken
):
    best = len(CLOSER) + 1 + ROLLS.index(degrees)
    found = find(modules, x=30, y=30, side=50, whole=0.2, best=best, surest=surest)
    assert found["calls"][1]["roll"] == pytest.approx(np.radians(taken))


def test_a_sure_net_whose_parts_lie_beside_their_windows_was_wrong(modules):
    found = find(modules, placed={"100": 0.5, "91": 1, "rest": 0.7}, best=5)
    assert found["views"] == len(CLOSER)
    # The candidate, and the face's own square, which is cut out of it.
    assert [round(call["side"]) for call in found["calls"]] == [100, 50, 91]
    assert found["square"]["side"] == pytest.approx(91)
    # Nowhere all of them do: what shows the most.
    found = find(modules, placed={"100": 0.5, "rest": 0.3}, best=5)
    assert found["square"]["side"] == 100


def test_a_face_with_sunglasses_is_left_for_a_surer_place_alone(modules):
    assert find(modules, parts={"rest": 0.67}, best=5)["square"]["side"] == 100
    found = find(modules, parts={"100": 0.67, "rest": 1}, best=5)
    assert found["square"]["side"] != 100
    # Its face is too far off for the photo to be kept.
    found = find(modules, x=80, parts={"rest": 0.67}, best=5)
    assert found["square"]["side"] != 100


def test_a_face_at_the_edge_of_a_candidate_counts_less(modules):
    # By more than any face does: .99 times that is less than the whole photo's.
    found = find(modules, x=30, y=30, side=50, whole=0.5, center=0.5)
    assert found["views"] == len(CLOSER)
    # So what is cut out is the face's own square, and no candidate.
    assert len(found["calls"]) == 2 and found["calls"][1]["side"] != 50


def drawn():
    return draw_face(np.random.default_rng(0), (120, 100), HEAD)


def test_hair_is_tinted_as_by_python(modules):
    photo, mask = drawn()
    body = """
        const radius = module.edgeRadius(mask, photo.width, parts);
        const matte = module.matteOf(photo, Uint8Array.from(mask), [12], radius);
        const data = Uint8ClampedArray.from(photo.data);
        module.tint(data, matte, [160, 40, 24], 0.7);
        return [[...matte], [...data]]"""
    arguments = {"mask": mask.ravel().tolist(), "parts": list(HEAD.part_classes)}
    matte, data = modules("effects", body, photo=as_photo(photo), **arguments)
    face = ParsedFace(photo, mask, class_set=HEAD)
    expected = face.matte("hair")
    assert 0.05 < expected.mean() < 0.6
    np.testing.assert_allclose(np.reshape(matte, mask.shape), expected, atol=2e-3)
    tinted = np.asarray(face.tint("hair", "#a02818", 0.7)).astype(int)
    difference = np.abs(np.reshape(data, photo.shape) - tinted)
    assert difference.max() <= 2 and np.mean(difference) < 0.01
    assert np.abs(tinted - photo).max() > 30


def test_regions_are_measured_as_by_python(modules):
    photo, mask = drawn()
    classes = [
        {"id": index, "name": name, "color": color}
        for index, (name, color) in enumerate(zip(HEAD.names, HEAD.palette))
    ]
    body = "return module.measureRegions(photo.data, mask, classes)"
    arguments = {"mask": mask.ravel().tolist(), "classes": classes}
    found = modules("regions", body, photo=as_photo(photo), **arguments)
    expected = [r for r in measure_regions(photo, mask, HEAD) if r.pixels]
    assert [r["name"].replace(" ", "_") for r in found] == [r.name for r in expected]
    assert [r["pixels"] for r in found] == [r.pixels for r in expected]
    np.testing.assert_allclose([r["rgb"] for r in found], [r.rgb for r in expected])


def test_a_saved_mask_is_an_index_png(modules):
    _, mask = drawn()
    body = """
        const blob = await module.indexPng(Uint8Array.from(mask), 100, 120, palette);
        return btoa(String.fromCharCode(...new Uint8Array(await blob.arrayBuffer())))"""
    content = modules("png", body, mask=mask.ravel().tolist(), palette=HEAD.palette)
    picture = Image.open(io.BytesIO(base64.b64decode(content)))
    assert picture.mode == "P"
    np.testing.assert_array_equal(np.asarray(picture), mask)
    palette = np.reshape(picture.getpalette(), (-1, 3))
    np.testing.assert_array_equal(palette[: len(HEAD.palette)], HEAD.palette)
