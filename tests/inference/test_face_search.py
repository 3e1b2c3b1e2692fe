import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from stn_icnn_tf.class_sets import EIGHT_PARTS
from stn_icnn_tf.geometry.affine import make_theta
from stn_icnn_tf.geometry.candidate_squares import (
    CLOSER,
    ROLLS,
    best_candidates,
    candidate_squares,
)
from stn_icnn_tf.geometry.squares import square_around, whole_square
from stn_icnn_tf.inference.candidates import (
    OFF_CENTER,
    candidate_confidence,
    candidate_views,
    candidates_to_try,
    coarse_confidence,
)
from stn_icnn_tf.inference.engine import Engine
from stn_icnn_tf.inference.face_search import FaceSearch
from stn_icnn_tf.inference.fused import FusedModel
from stn_icnn_tf.inference.tensorflow_engine import TensorFlowEngine
from stn_icnn_tf.layers.localization import MEAN_CROP
from stn_icnn_tf.models.search_thresholds import SearchThresholds, fits
from tests.helpers import ONE_NET, faces, shake, small_model

MEAN = np.asarray(MEAN_CROP, "float32")
CANDIDATES = len(CLOSER) + len(ROLLS)


# Of nothing, and of each part: blends of a part with nothing are like no other part.
COLORS = np.float32(
    [
        [50, 50, 50],
        [220, 50, 50],
        [50, 220, 50],
        [50, 50, 220],
        [220, 220, 50],
        [50, 220, 220],
        [220, 50, 220],
    ]
)


# All classes but the eyes.
SHADED = (0, 1, 2, 5, 6, 7, 8)


def scores_of(confidence, classes=range(9)):
    """Coarse scores that show some classes with a confidence a view."""
    confidence = np.atleast_1d(np.float32(confidence))
    # One class has this probability, the others share the rest.
    odds = np.log(8.0 * confidence / (1.0 - confidence))
    labels = np.resize(np.array(classes), (1, 64, 64))
    return odds[:, None, None, None] * np.eye(9, dtype="float32")[labels]


class Seer:
    """Sees where the parts are, since each has a colour of its own: a stand-in."""

    mean_crop = MEAN_CROP
    coarse_size = coarse_image_size = 64
    class_set = EIGHT_PARTS
    search_thresholds = SearchThresholds()

    def __init__(self, confidence=0.95, surest=None):
        self.sides, self.views = [], 0
        self.confidence, self.surest = confidence, surest

    def coarse_scores(self, images):
        """Is surer of one of the candidates than of the rest."""
        self.views += images.shape[0]
        confidence = np.full(images.shape[0], 0.5)
        if self.surest is not None:
            confidence[self.surest] = 0.95
        return tf.constant(scores_of(confidence), tf.float32)

    def parse(self, photos):
        size = tf.shape(photos)[2]
        tf.py_function(lambda side: self.sides.append(int(side)), [size], [])
        distances = tf.norm(
            tf.cast(photos[0], tf.float32)[..., None, :] - COLORS, axis=-1
        )
        mask = tf.argmin(distances, axis=-1)
        # Outside the photo it is black.
        mask = tf.where(tf.reduce_max(photos[0], axis=-1) > 0, mask, 0)
        extent = tf.cast(tf.shape(mask)[::-1], tf.float32) - 1.0
        thetas = []
        for part in range(len(MEAN)):
            places = tf.cast(tf.where(mask == part + 1)[:, ::-1], tf.float32)
            center = 2.0 * tf.reduce_mean(places, axis=0) / extent - 1.0
            thetas.append(make_theta(tf.fill((2,), MEAN[part, 0]), center))
        return {
            "mask": tf.cast(mask, tf.uint8)[None],
            "theta": tf.stack(thetas)[None],
            "coarse_scores": tf.constant(scores_of(self.confidence), tf.float32),
            "placed": tf.constant([1.0]),
        }


def blocks(size, middle, half):
    """A photo of a mean face around `middle`, and its label, both `(height, width)`."""
    label = np.zeros(size, "uint8")
    for part, (_, x, y) in enumerate(MEAN):
        column, row = round(middle[0] + half * x), round(middle[1] + half * y)
        label[row - 2 : row + 3, column - 2 : column + 3] = part + 1
    return COLORS.astype("uint8")[label], label


@pytest.mark.parametrize(
    ("size", "middle", "half", "parses"),
    [
        ((300, 240), (120, 150), 150, 1),  # As the mean face lies.
        ((600, 900), (700, 200), 80, 2),  # Small, in a corner.
        ((300, 300), (200, 60), 120, 2),  # Its square reaches out of the photo.
        ((200, 200), (100, 100), 260, 2),  # Larger than the mean face.
    ],
)
def test_face_is_parsed_in_its_own_square(size, middle, half, parses):
    photo, mask = blocks(size, middle, half)
    seer = Seer()
    parse = tf.function(FaceSearch(seer), autograph=False)
    outputs = parse(tf.constant(photo))
    np.testing.assert_array_equal(outputs["mask"], mask)
    assert len(seer.sides) == parses
    if parses == 2:
        x, y, side, roll = outputs["square"].numpy()
        assert abs(side - (2 * half + 1)) < 0.05 * half
        assert abs(x - middle[0]) < 0.05 * half + 1
        assert abs(y - middle[1]) < 0.05 * half + 1
        assert abs(roll) < 0.05
    extent = np.array(size[::-1]) - 1.0
    centers = (outputs["theta"].numpy()[..., 2] + 1.0) / 2.0 * extent
    expected = np.asarray(middle) + half * MEAN[:, 1:]
    np.testing.assert_allclose(centers, expected, atol=1.0)


def test_square_given_is_where_the_face_is_parsed():
    photo, mask = blocks((400, 400), (300, 300), 70)
    seer = Seer()
    outputs = FaceSearch(seer)(tf.constant(photo), square=(300.0, 300.0, 141.0, 0.0))
    assert seer.sides == [141]
    np.testing.assert_array_equal(outputs["mask"], mask)


@pytest.mark.parametrize(
    ("surest", "square"),
    [
        (None, (449.5, 299.5, 900, 0)),
        (0, (224.5, 74.5, 450, 0)),
        (1, (449.5, 74.5, 450, 0)),
        (4, (449.5, 299.5, 450, 0)),
        (8, (674.5, 524.5, 450, 0)),
        (9, (449.5, 299.5, 225, 0)),
        (10, (449.5, 299.5, 900, np.radians(-165))),
        (15, (449.5, 299.5, 900, -np.pi / 2)),
        (21, (449.5, 299.5, 900, np.radians(15))),
        (32, (449.5, 299.5, 900, np.pi)),
    ],
)
def test_unsure_photo_is_parsed_where_the_coarse_net_is_surest(surest, square):
    photo, _ = blocks((600, 900), (450, 300), 450)
    seer = Seer(confidence=0.55, surest=surest)
    outputs = FaceSearch(seer, cuts=0)(tf.constant(photo))
    assert seer.sides == ([900] if surest is None else [900, square[2]])
    assert seer.views == CANDIDATES
    np.testing.assert_allclose(outputs["square"], np.float32(square))


def test_candidates_cost_nothing_where_the_whole_photo_is_sure():
    # A face that fits, and one that is too small: neither needs candidates.
    for half, parses in ((150, 1), (60, 2)):
        photo, _ = blocks((300, 300), (150, 150), half)
        seer = Seer(confidence=0.91)
        FaceSearch(seer)(tf.constant(photo))
        assert (len(seer.sides), seer.views) == (parses, 0)


@pytest.mark.parametrize("degrees", [-135, -90, 45, 180])
def test_face_far_from_upright_is_turned_upright_first(degrees):
    class SureOfSky(Seer):
        """Is sure where the upper quarter is bright, and sees the left one, too."""

        def coarse_scores(self, images):
            bright = tf.reduce_mean(images[:, :16, 16:48], axis=(1, 2, 3)) / 255.0
            corner = tf.reduce_mean(images[:, 20:30, 16:24], axis=(1, 2, 3)) / 255.0
            scores = 5.0 * tf.one_hot(tf.range(64 * 64) % 9, 9)
            scores = tf.reshape(scores, (1, 64, 64, 9))
            return scores * (bright + corner)[:, None, None, None]

    photo = np.zeros((256, 256, 3), "uint8")
    photo[:64] = 255
    photo[80:120, 64:96] = 255  # Left of the middle: the mirror image is another.
    turned = Image.fromarray(photo).rotate(-degrees)
    squares, _ = candidates_to_try(SureOfSky(), tf.constant(np.asarray(turned)), 0.0)
    assert np.degrees(squares[0, 3]) == pytest.approx(degrees)


@pytest.mark.parametrize(
    ("closer", "turned", "degrees"),
    [
        (0.95, 0.94, 30.0),  # About as sure: the larger face.
        (0.95, 0.91, 0.0),
        (0.89, 0.88, 0.0),  # As sure as of a face that is too small.
    ],
)
def test_larger_face_is_meant_if_the_coarse_net_is_about_as_sure(
    closer, turned, degrees
):
    class TwoFaces(Seer):
        def coarse_scores(self, images):
            confidence = np.full(CANDIDATES, 0.5)
            confidence[3], confidence[len(CLOSER) + ROLLS.index(30)] = closer, turned
            return tf.constant(scores_of(confidence), tf.float32)

    squares, is_better = candidates_to_try(TwoFaces(), tf.zeros((100, 100, 3)), 0.6)
    assert bool(is_better)
    square = squares[0]
    assert np.degrees(square[3]) == pytest.approx(degrees)
    assert square[2] == (100.0 if degrees else 50.0)


@pytest.mark.parametrize(
    ("closer", "turned", "degrees", "chosen"),
    [
        (0.87, 0.88, 30, 0),
        (0.87, 0.88, 15, 15),
        (0.87, 0.89, -30, -30),
        (0.91, 0.92, 30, 30),  # Sure.
    ],
)
def test_unsure_net_turns_a_photo_far_only_if_that_is_clearly_better(
    closer, turned, degrees, chosen
):
    confidence = np.full(CANDIDATES, 0.5, "float32")
    confidence[3], confidence[len(CLOSER) + ROLLS.index(degrees)] = closer, turned
    for values in (confidence, tf.constant(confidence)):
        squares, _ = best_candidates(values, 0.1, candidate_squares((100, 100)))
        assert np.degrees(squares[0, 3]) == pytest.approx(chosen)


def corner_labels():
    """Parts in the middle of a view, at its left edge, nowhere, and in a corner."""
    labels = np.zeros((4, 16, 16), int)
    labels[0, 6:10, 6:10] = labels[1, 6:10, :4] = labels[3, :2, :2] = 5
    return labels


def test_a_candidate_counts_less_the_nearer_its_face_is_to_the_edge():
    scores = tf.constant(5.0 * np.eye(9, dtype="float32")[corner_labels()])
    expected = [1.0, 1.0 - OFF_CENTER * 0.75**2, 1.0, 1.0 - OFF_CENTER]
    *_, center = candidate_confidence(scores)
    np.testing.assert_allclose(center, expected, rtol=1e-6)


@pytest.mark.parametrize(("middle", "chosen"), [(0.95, 3), (0.8, 7)])
def test_of_two_faces_about_as_sure_the_one_in_the_middle_is_meant(middle, chosen):
    class TwoFaces(Seer):
        class_set = ONE_NET

        def coarse_scores(self, images):
            confidence = np.full((CANDIDATES, 1, 1, 1), 0.5, "float32")
            confidence[3], confidence[7] = middle, 0.96
            inner, left, *_ = np.eye(7, dtype="float32")[corner_labels()]
            shown = np.stack([inner] * 7 + [left] + [inner] * (CANDIDATES - 8))
            return tf.constant(np.log(6.0 * confidence / (1.0 - confidence)) * shown)

    squares, _ = candidates_to_try(TwoFaces(), tf.zeros((100, 100, 3)), 0.1)
    expected = candidate_squares((100, 100))[chosen]
    np.testing.assert_allclose(squares[0], expected)


@pytest.mark.parametrize(("whole", "is_better"), [(0.90, True), (0.91, False)])
def test_candidate_must_be_clearly_better_than_the_whole_photo(whole, is_better):
    _, better = candidates_to_try(Seer(surest=3), tf.zeros((100, 100, 3)), whole)
    assert bool(better) == is_better


@pytest.mark.parametrize(
    ("confidence", "tried"),
    [
        ({3: 0.95, 7: 0.9, 1: 0.85}, [3, 7]),  # Two at most.
        ({3: 0.95, 7: 0.75}, [3]),  # What is much less sure is not worth it.
    ],
)
def test_candidates_about_as_sure_are_worth_to_be_tried(confidence, tried):
    class Faces(Seer):
        def coarse_scores(self, images):
            every = np.full(CANDIDATES, 0.5)
            every[list(confidence)] = list(confidence.values())
            return tf.constant(scores_of(every), tf.float32)

    squares, _ = candidates_to_try(Faces(), tf.zeros((100, 100, 3)), 0.1)
    expected = candidate_squares((100, 100))
    np.testing.assert_allclose(squares, np.asarray(expected)[tried])


@pytest.mark.parametrize(
    ("placed", "chosen"),
    [
        ({450: 1.0}, 450),  # A candidate shows the face.
        ({900: 0.5, 450: 0.3}, 900),  # None does: the best place so far.
        ({900: 0.3, 450: 0.3}, 450),  # As good as this one, and surer.
    ],
)
def test_a_sure_net_whose_parts_lie_beside_their_windows_was_wrong(placed, chosen):
    class Wrong(Seer):
        def parse(self, photos):
            side = photos.shape[2]
            sure = {} if side == 900 else {"coarse_scores": scores_of(0.99)}
            seen = {"placed": tf.constant([placed.get(side, 0.2)])}
            return super().parse(photos) | sure | seen

    photo, _ = blocks((600, 900), (450, 300), 450)
    seer = Wrong(confidence=0.95, surest=4)
    outputs = FaceSearch(seer, cuts=0)(tf.constant(photo))
    assert seer.views == CANDIDATES and seer.sides == [900, 450]
    assert outputs["square"][2] == chosen


@pytest.mark.parametrize(
    ("seen_closer", "middle", "chosen"),
    [
        (SHADED, 450, 900),  # No better closer by.
        (range(9), 450, 450),  # Better: all parts.
        (SHADED, 250, 450),  # No better, but the photo is not framed well.
    ],
)
def test_a_face_with_sunglasses_is_left_for_a_surer_place_alone(
    seen_closer, middle, chosen
):
    class Shaded(Seer):
        def parse(self, photos):
            is_whole = photos.shape[2] == 900
            confidence, classes = (0.95, SHADED) if is_whole else (0.99, seen_closer)
            scores = tf.constant(scores_of(confidence, classes), tf.float32)
            return super().parse(photos) | {"coarse_scores": scores}

    photo, _ = blocks((600, 900), (middle, 300), 450)
    seer = Shaded(surest=4)
    outputs = FaceSearch(seer, cuts=0)(tf.constant(photo))
    assert seer.sides == [900, 450]
    assert outputs["square"][2] == chosen


@pytest.mark.parametrize(("rating", "kept"), [(0.6, True), (1.4, False)])
def test_the_engine_leaves_one_for_a_surer_place_alone_too(rating, kept):
    class Rated(Engine):
        parse_framed = probabilities = _parse = _mask = _probabilities = None

        def candidate_confidence(self, photo):
            return np.full(CANDIDATES, 0.9, "float32")

        def _cut_until_it_fits(self, photo, square, cuts):
            return {"square": square, "placed": 1.0, "rating": rating}

    whole = np.float32(whole_square((100, 100)))
    framed = {
        **{"square": whole, "own_square": whole, "placed": 1.0, "rating": 0.2},
        **{"confidence": 0.95, "found": 0.67},
    }
    engine = Rated(EIGHT_PARTS, MEAN_CROP, SearchThresholds())
    found = engine.find(np.zeros((100, 100, 3), "uint8"), framed)
    assert (found is framed) == kept


def test_a_whole_face_ends_the_search():
    # Small and sure: cut out once, and no candidates.
    photo, _ = blocks((300, 300), (150, 150), 60)

    class Placed(Seer):
        def parse(self, photos):
            placed = 0.5 if photos.shape[2] == 300 else 1.0
            return super().parse(photos) | {"placed": tf.constant([placed])}

    seer = Placed()
    FaceSearch(seer)(tf.constant(photo))
    assert (len(seer.sides), seer.views) == (2, 0)


def test_confidence_forgives_what_is_not_there():
    every = range(9)
    closed = [c for c in every if c != 7]  # No inner mouth.
    fringe = [c for c in every if c != 1]  # No left brow.
    for classes, share in ((every, 1.0), (closed, 1.0), (fringe, 5 / 6)):
        confidence, found = coarse_confidence(tf.constant(scores_of(0.93, classes)))
        assert float(confidence[0]) == pytest.approx(0.93, abs=1e-4)
        assert float(found[0]) == pytest.approx(share)
    confidence, found = coarse_confidence(tf.constant(scores_of([0.5, 0.9], [0])))
    assert not np.any(confidence) and not np.any(found)


def test_views_show_the_squares_of_the_candidates():
    # A photo that says where each of its pixels is.
    height, width = 240, 320
    rows, columns = np.mgrid[:height, :width].astype("float32")
    photo = np.stack([columns, rows, np.full_like(rows, 255.0)], axis=-1)
    views = candidate_views(tf.constant(photo), 64).numpy()
    squares = candidate_squares((width, height))
    assert views.shape == (CANDIDATES, 64, 64, 3)
    steps = (np.arange(64) + 0.5) / 64 - 0.5
    away = np.stack(np.meshgrid(steps, steps), axis=-1)
    for view, (x, y, side, roll) in zip(views, squares, strict=True):
        cos, sin = np.cos(roll), np.sin(roll)
        there = away * side @ np.float32([[cos, sin], [-sin, cos]]) + [x, y]
        # Away from the photo's border, which fades into black.
        inside = view[..., 2] > 254.9
        assert inside.mean() > 0.3
        np.testing.assert_allclose(view[inside][:, :2], there[inside], atol=0.6)


def test_cuts_end():
    photo, _ = blocks((600, 900), (700, 200), 80)
    seer = Seer()
    FaceSearch(seer, cuts=0)(tf.constant(photo))
    assert seer.sides == [900]
    with pytest.raises(ValueError, match="`cuts`.*-1"):
        FaceSearch(seer, cuts=-1)


def test_square_of_the_mean_face_is_the_frame():
    square = square_around((MEAN[:, 1:] + 1.0) * 32.0, MEAN[:, 1:])
    np.testing.assert_allclose(square, [32.0, 32.0, 65.0, 0.0], atol=1e-4)
    np.testing.assert_array_equal(whole_square((65, 65)), [32.0, 32.0, 65.0, 0.0])


def test_points_in_one_place_give_a_dot():
    square = square_around(np.ones((6, 2)), MEAN[:, 1:])
    np.testing.assert_allclose(square, [1.0, 1.0, 8.0, 0.0])


@pytest.mark.parametrize("degrees", [-150, -40, 20, 75])
def test_rolled_face_is_looked_at_upright(degrees):
    photo, mask = blocks((301, 301), (150, 150), 150)
    turned = Image.fromarray(photo).rotate(-degrees, fillcolor=(50, 50, 50))
    label = Image.fromarray(mask).rotate(-degrees)
    seer = Seer()
    parse = tf.function(FaceSearch(seer), autograph=False)
    outputs = parse(tf.constant(np.asarray(turned)))
    assert len(seer.sides) == 2
    assert np.degrees(outputs["square"][3]) == pytest.approx(degrees, abs=3)
    theta = outputs["theta"].numpy()
    # The windows of the eyes: on the eyes, and turned as they are.
    ys, xs = np.nonzero(np.asarray(label) == 3)
    eye = (theta[2, :, 2] + 1.0) / 2.0 * 300.0
    np.testing.assert_allclose(eye, [xs.mean(), ys.mean()], atol=2)
    across = np.degrees(np.arctan2(theta[2, 1, 0], theta[2, 0, 0]))
    assert across == pytest.approx(degrees, abs=3)
    guess, label = outputs["mask"].numpy() > 0, np.asarray(label) > 0
    assert 2 * np.sum(guess & label) / (guess.sum() + label.sum()) > 0.75


def untrained():
    # Its localizer sees the mean face wherever it looks.
    model, rng = small_model(), np.random.default_rng(0)
    for net in (model.coarse, *model.part_nets.values()):
        for variable in net.trainable_variables:
            variable.assign_add(rng.normal(0, 0.1, variable.shape))
    return FusedModel(model)


@pytest.mark.parametrize("size", [(70, 91), (91, 70), (64, 64), (40, 9), (40, 1)])
def test_photo_that_fits_is_parsed_as_by_the_model_to_the_last_bit(size):
    parser = untrained()
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), "uint8")
    thresholds = SearchThresholds(confidence=0.0, found=0.0, placed=0.0)
    parse = tf.function(FaceSearch(parser, thresholds), autograph=False)
    outputs = parse(tf.constant(photo))
    padded = np.pad(photo, ((0, 0), (0, 2 - min(size[1], 2)), (0, 0)))
    expected = parser(tf.constant(padded[None]))
    np.testing.assert_array_equal(outputs["theta"], expected["theta"][0])
    np.testing.assert_array_equal(outputs["mask"], expected["mask"][0, :, : size[1]])
    assert outputs["mask"].shape == size
    np.testing.assert_array_equal(outputs["square"], whole_square(size[::-1]))


@pytest.mark.parametrize("size", [(70, 91), (64, 64)])
def test_whole_photo_cut_out_is_the_photo(size):
    parser = untrained()
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), "uint8")
    square = whole_square(size[::-1])
    outputs = FaceSearch(parser)(tf.constant(photo), square)
    expected = parser(tf.constant(photo[None]))
    np.testing.assert_allclose(outputs["theta"], expected["theta"][0], atol=1e-4)
    np.testing.assert_array_equal(outputs["mask"], expected["mask"][0])
    assert len(np.unique(outputs["mask"])) > 2


def test_face_without_a_part_that_the_model_always_finds_is_searched_for():
    photo, _ = blocks((300, 300), (150, 150), 150)
    photo = tf.constant(photo)

    class Fringed(Seer):
        def parse(self, photos):
            scores = tf.constant(scores_of(0.95, [0, *range(2, 9)]), tf.float32)
            return super().parse(photos) | {"coarse_scores": scores}

    for found, searched in ((0.83, 0), (1.0, CANDIDATES)):
        seer = Fringed()
        FaceSearch(seer, SearchThresholds(found=found), cuts=0)(photo)
        assert seer.views == searched


def test_thresholds_say_what_fits():
    thresholds = SearchThresholds(smallest=0.8, largest=1.2, shift=0.1, roll=10.0)
    whole = np.float32([50, 50, 100, 0])
    faces = {
        (50, 50, 100, 0): True,
        (50, 50, 81, 0): True,
        (50, 50, 79, 0): False,
        (50, 50, 119, 0): True,
        (50, 50, 121, 0): False,
        (59, 50, 100, 0): True,
        (50, 39, 100, 0): False,
        (50, 50, 100, np.radians(-9)): True,
        (50, 50, 100, np.radians(11)): False,
    }
    outcome = fits(np.float32(list(faces)), whole, thresholds)
    assert outcome.tolist() == list(faces.values())
    for name in ("confidence", "placed"):
        with pytest.raises(ValueError, match=f"`{name}`.*1.1"):
            SearchThresholds(**{name: 1.1})


def test_model_keeps_its_thresholds(tmp_path):
    model = small_model(search_thresholds={"confidence": 0.8, "roll": 12.0})
    shake(model)
    model.save(tmp_path / "model.keras")
    loaded = tf.keras.models.load_model(tmp_path / "model.keras")
    assert loaded.search_thresholds == SearchThresholds(confidence=0.8, roll=12.0)
    assert FaceSearch(FusedModel(loaded)).thresholds.confidence == 0.8
    assert small_model().search_thresholds == SearchThresholds()


@pytest.mark.parametrize(
    "thresholds",
    [
        {"confidence": 0.99},  # Candidates are looked at, or the photo is kept.
        {"confidence": 0.0, "found": 0.0, "roll": 3.0},  # Cut out, then candidates.
    ],
)
def test_the_engine_searches_as_the_graph_does(thresholds):
    model = small_model(class_set=ONE_NET, search_thresholds=thresholds)
    shake(model, seed=7)
    engine = TensorFlowEngine(model)
    search = tf.function(FaceSearch(engine.model), autograph=False)
    squares = []
    for example in faces(4):
        photo = np.asarray(example["image"])
        (framed,) = engine.parse_framed([photo])
        assert not framed["fits"]
        found, expected = engine.find(photo, framed), search(tf.constant(photo))
        np.testing.assert_allclose(found["square"], expected["square"], atol=0.05)
        assert np.mean(found["mask"] == expected["mask"]) > 0.99
        squares.append(found["square"])
    assert len(np.unique(squares, axis=0)) > 1
