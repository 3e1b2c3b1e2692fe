import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from stn_icnn_tf.geometry.affine import make_theta
from stn_icnn_tf.inference.face_search import (
    FaceSearch,
    most_confident_crop,
    square_around,
    whole_square,
)
from stn_icnn_tf.inference.fused import FusedModel
from stn_icnn_tf.layers.localization import MEAN_CROP
from tests.helpers import small_model

MEAN = np.asarray(MEAN_CROP, "float32")


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


class Seer:
    """Sees where the parts are, since each has a colour of its own: a stand-in."""

    mean_crop = MEAN_CROP
    coarse_size = 64

    def __init__(self):
        self.sides = []
        self.surest = 0

    def resize(self, images, size):
        return tf.image.resize(images, size)

    def coarse_scores(self, images):
        """Is sure of all classes in one of the looks, and half as sure elsewhere."""
        scores = 5.0 * tf.one_hot(tf.range(64 * 64) % 9, 9)
        scores = tf.reshape(scores, (1, 64, 64, 9))
        # The whole photo is look 0, and is asked for alone; then come the closer ones.
        looks = images.shape[0]
        index = self.surest if looks == 1 else self.surest - 1
        sure = tf.one_hot(index, looks)[:, None, None, None]
        return scores * (0.5 + sure)

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
        return {"mask": tf.cast(mask, tf.uint8)[None], "theta": tf.stack(thetas)[None]}


def blocks(size, middle, half):
    """A photo of a mean face around `middle`, and its label, both `(height, width)`."""
    label = np.zeros(size, "uint8")
    for part, (_, x, y) in enumerate(MEAN):
        column, row = round(middle[0] + half * x), round(middle[1] + half * y)
        label[row - 2 : row + 3, column - 2 : column + 3] = part + 1
    return COLORS.astype("uint8")[label], label


@pytest.mark.parametrize(
    ("size", "middle", "half", "looks"),
    [
        ((300, 240), (120, 150), 150, 1),  # As the mean face lies.
        ((600, 900), (700, 200), 80, 2),  # Small, in a corner.
        ((300, 300), (200, 60), 120, 2),  # Its square reaches out of the photo.
        ((200, 200), (100, 100), 260, 2),  # Larger than the mean face.
    ],
)
def test_face_is_looked_at_in_its_own_square(size, middle, half, looks):
    photo, mask = blocks(size, middle, half)
    seer = Seer()
    parse = tf.function(FaceSearch(seer), autograph=False)
    outputs = parse(tf.constant(photo))
    np.testing.assert_array_equal(outputs["mask"], mask)
    assert len(seer.sides) == looks
    if looks == 2:
        x, y, side, roll = outputs["square"].numpy()
        assert abs(side - (2 * half + 1)) < 0.05 * half
        assert abs(x - middle[0]) < 0.05 * half + 1
        assert abs(y - middle[1]) < 0.05 * half + 1
        assert abs(roll) < 0.05
    extent = np.array(size[::-1]) - 1.0
    centers = (outputs["theta"].numpy()[..., 2] + 1.0) / 2.0 * extent
    expected = np.asarray(middle) + half * MEAN[:, 1:]
    np.testing.assert_allclose(centers, expected, atol=1.0)


def test_square_given_is_where_the_first_look_is():
    photo, mask = blocks((400, 400), (300, 300), 70)
    seer = Seer()
    outputs = FaceSearch(seer)(tf.constant(photo), square=(300.0, 300.0, 141.0, 0.0))
    assert seer.sides == [141]
    np.testing.assert_array_equal(outputs["mask"], mask)


@pytest.mark.parametrize(
    ("surest", "square"),
    [
        (0, (449.5, 299.5, 900, 0)),
        (1, (224.5, 74.5, 450, 0)),
        (2, (449.5, 74.5, 450, 0)),
        (5, (449.5, 299.5, 450, 0)),
        (9, (674.5, 524.5, 450, 0)),
        (10, (449.5, 299.5, 225, 0)),
        (11, (449.5, 299.5, 900, np.radians(-165))),
        (16, (449.5, 299.5, 900, -np.pi / 2)),
        (22, (449.5, 299.5, 900, np.radians(15))),
        (24, (449.5, 299.5, 900, np.pi / 4)),
        (33, (449.5, 299.5, 900, np.pi)),
    ],
)
def test_first_look_is_where_the_coarse_net_is_surest(surest, square):
    photo, _ = blocks((600, 900), (450, 300), 80)
    seer = Seer()
    seer.surest = surest
    FaceSearch(seer, looks=0)(tf.constant(photo))
    assert seer.sides == [square[2]]
    chosen = most_confident_crop(seer, tf.constant(photo))
    np.testing.assert_array_equal(chosen, np.float32(square))


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
    square = most_confident_crop(SureOfSky(), tf.constant(np.asarray(turned)))
    assert np.degrees(square[3]) == pytest.approx(degrees)


def test_no_closer_look_is_taken_where_the_first_is_sure():
    class Counting(Seer):
        looks = 0

        def coarse_scores(self, images):
            self.looks += images.shape[0]
            return super().coarse_scores(images)

    counts = []
    for surest in (0, 3):
        seer = Counting()
        seer.surest = surest
        most_confident_crop(seer, tf.zeros((100, 100, 3)))
        counts.append(seer.looks)
    assert counts == [1, 34]


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
            sureness = np.full(images.shape[0], 0.5, "float32")
            if len(sureness) > 1:
                # A closer look, and the one that is turned by 30 degrees.
                sureness[[3, 22]] = closer, turned
            # Of nine classes one has this probability, and the others the rest.
            odds = np.log(8.0 * sureness / (1.0 - sureness))
            scores = tf.reshape(tf.one_hot(tf.range(64 * 64) % 9, 9), (1, 64, 64, 9))
            return scores * odds[:, None, None, None]

    square = most_confident_crop(TwoFaces(), tf.zeros((100, 100, 3)))
    assert np.degrees(square[3]) == pytest.approx(degrees)
    assert square[2] == (100.0 if degrees else 50.0)


def test_first_look_counts_the_classes_that_are_found():
    class Blinded(Seer):
        def coarse_scores(self, images):
            if images.shape[0] > 1:
                return super().coarse_scores(images)
            # The first look is sure of one class, a closer one less sure of eight.
            return tf.broadcast_to(10.0 * tf.one_hot(1, 9), (1, 64, 64, 9))

    seer = Blinded()
    seer.surest = 5
    assert most_confident_crop(seer, tf.zeros((100, 100, 3)))[2] == 50.0


def test_looks_end():
    photo, _ = blocks((600, 900), (700, 200), 80)
    seer = Seer()
    FaceSearch(seer, looks=0)(tf.constant(photo))
    assert seer.sides == [900]
    with pytest.raises(ValueError, match="`looks`.*-1"):
        FaceSearch(seer, looks=-1)


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


@pytest.mark.parametrize("size", [(70, 91), (91, 70), (64, 64), (40, 9)])
def test_face_that_fits_is_parsed_as_by_the_model(size):
    # Its localizer is untrained: it sees the mean face wherever it looks.
    model, rng = small_model(), np.random.default_rng(0)
    for net in (model.coarse, *model.part_nets.values()):
        for variable in net.trainable_variables:
            variable.assign_add(rng.normal(0, 0.1, variable.shape))
    parser = FusedModel(model)
    photo = rng.integers(0, 256, (*size, 3), "uint8")
    parse = tf.function(FaceSearch(parser), autograph=False)
    square = whole_square(size[::-1])
    outputs = parse(tf.constant(photo), square)
    expected = parser(tf.constant(photo[None]))
    np.testing.assert_allclose(outputs["theta"], expected["theta"][0], atol=1e-4)
    np.testing.assert_array_equal(outputs["mask"], expected["mask"][0])
    assert len(np.unique(outputs["mask"])) > 2
    assert outputs["mask"].shape == size
    np.testing.assert_array_equal(outputs["square"], square)
    # With its own coarse net the fused model chooses as the model does.
    squares = [most_confident_crop(m, tf.constant(photo)) for m in (model, parser)]
    np.testing.assert_array_equal(*squares)
