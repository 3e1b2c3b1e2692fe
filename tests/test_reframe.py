import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf.geometry import make_theta
from stn_icnn_tf.inference import InferenceModel
from stn_icnn_tf.localization import MEAN_CROP
from stn_icnn_tf.reframe import AnyFraming, square_around, whole_square
from tests.helpers import small_model

MEAN = np.asarray(MEAN_CROP, "float32")


class Seer:
    """Sees where the parts are, since each has a grey value of its own: a stand-in.

    Each part is one square of its value; the windows are at their centres.
    """

    mean_crop = MEAN_CROP

    def __init__(self):
        self.sides = []

    def parse(self, photos):
        size = tf.shape(photos)[2]
        tf.py_function(lambda side: self.sides.append(int(side)), [size], [])
        gray = tf.cast(photos[0, ..., 0], tf.int32)
        thetas = []
        extent = tf.cast(tf.shape(gray)[::-1], tf.float32) - 1.0
        for part in range(len(MEAN)):
            places = tf.cast(tf.where(gray == 100 + part)[:, ::-1], tf.float32)
            center = 2.0 * tf.reduce_mean(places, axis=0) / extent - 1.0
            thetas.append(make_theta(tf.fill((2,), MEAN[part, 0]), center))
        mask = tf.cast(tf.where(gray >= 100, gray - 99, 0), tf.uint8)
        return {"mask": mask[None], "theta": tf.stack(thetas)[None]}


def blocks(size, middle, half):
    """A photo `(height, width)` of a mean face around `middle`, and its label."""
    photo = np.full((*size, 3), 50, "uint8")
    for part, (_, x, y) in enumerate(MEAN):
        column, row = round(middle[0] + half * x), round(middle[1] + half * y)
        photo[row - 2 : row + 3, column - 2 : column + 3] = 100 + part
    gray = photo[..., 0].astype(int)
    return photo, np.where(gray >= 100, gray - 99, 0)


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
    parse = tf.function(AnyFraming(seer), autograph=False)
    outputs = parse(tf.constant(photo))
    np.testing.assert_array_equal(outputs["mask"], mask)
    assert len(seer.sides) == looks
    if looks == 2:
        left, top, side = outputs["square"].numpy()
        assert abs(side - (2 * half + 1)) < 0.05 * half
        assert abs(left + side / 2 - middle[0]) < 0.05 * half + 1
        assert abs(top + side / 2 - middle[1]) < 0.05 * half + 1
    extent = np.array(size[::-1]) - 1.0
    centers = (outputs["theta"].numpy()[..., 2] + 1.0) / 2.0 * extent
    expected = np.asarray(middle) + half * MEAN[:, 1:]
    np.testing.assert_allclose(centers, expected, atol=1.0)


def test_square_given_is_where_the_first_look_is():
    photo, mask = blocks((400, 400), (300, 300), 70)
    seer = Seer()
    outputs = AnyFraming(seer)(tf.constant(photo), square=(230.0, 230.0, 141.0))
    assert seer.sides == [141]
    np.testing.assert_array_equal(outputs["mask"], mask)


def test_looks_end():
    photo, _ = blocks((600, 900), (700, 200), 80)
    seer = Seer()
    AnyFraming(seer, looks=0)(tf.constant(photo))
    assert seer.sides == [900]
    with pytest.raises(ValueError, match="`looks`.*-1"):
        AnyFraming(seer, looks=-1)


def test_square_of_the_mean_face_is_the_frame():
    square = square_around((MEAN[:, 1:] + 1.0) * 32.0, MEAN[:, 1:])
    np.testing.assert_allclose(square, [0.0, 0.0, 65.0], atol=1e-4)


def test_points_in_disorder_give_a_dot():
    square = square_around(-30.0 * MEAN[:, 1:], MEAN[:, 1:])
    assert square[2] == 9.0


@pytest.mark.parametrize("size", [(70, 91), (91, 70), (64, 64), (40, 9)])
def test_face_that_fits_is_parsed_as_by_the_model(size):
    # Its localizer is untrained: it sees the mean face wherever it looks.
    model, rng = small_model(), np.random.default_rng(0)
    for net in (model.coarse, *model.part_nets.values()):
        for variable in net.trainable_variables:
            variable.assign_add(rng.normal(0, 0.1, variable.shape))
    parser = InferenceModel(model)
    photo = rng.integers(0, 256, (*size, 3), "uint8")
    parse = tf.function(AnyFraming(parser), autograph=False)
    outputs = parse(tf.constant(photo))
    expected = parser(tf.constant(photo[None]))
    np.testing.assert_allclose(outputs["theta"], expected["theta"][0], atol=1e-4)
    np.testing.assert_array_equal(outputs["mask"], expected["mask"][0])
    assert len(np.unique(outputs["mask"])) > 2
    assert outputs["mask"].shape == size
    square = whole_square(tf.cast(size[::-1], tf.float32))
    np.testing.assert_array_equal(outputs["square"], square)
