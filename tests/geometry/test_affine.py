import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf.class_sets import EIGHT_PARTS
from stn_icnn_tf.geometry.affine import (
    affine_grid,
    compose_theta,
    frame_theta,
    grid_sample,
    invert_theta,
    make_theta,
    theta_from_centers,
    theta_scale,
)
from stn_icnn_tf.geometry.paste_back import fading_margin, paste_back
from stn_icnn_tf.layers.learned_crop import LearnedCrop
from tests.helpers import ONE_NET_HEAD

IDENTITY = np.array([[[[1, 0, 0], [0, 1, 0]]]], "float32")


def random_image(*shape):
    return np.random.default_rng(0).uniform(0, 255, shape).astype("float32")


@pytest.mark.parametrize("size", [(7, 9), (8, 8), (1, 5)])
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_identity_theta_returns_the_image(size, interpolation):
    image = random_image(1, *size, 3)
    sampled = grid_sample(image, affine_grid(IDENTITY, size), interpolation)
    np.testing.assert_array_equal(sampled[:, 0], image)


@pytest.mark.parametrize("shift", [(3, 0), (0, -2), (-4, 5)])
def test_integer_shift_is_exact(shift):
    image = random_image(1, 33, 41, 2)
    theta = IDENTITY.copy()
    theta[..., 2] = [2 * shift[0] / 40, 2 * shift[1] / 32]
    sampled = np.array(grid_sample(image, affine_grid(theta, (33, 41))))[0, 0]
    expected = np.zeros_like(image[0])
    for y in range(33):
        for x in range(41):
            if 0 <= y + shift[1] < 33 and 0 <= x + shift[0] < 41:
                expected[y, x] = image[0, y + shift[1], x + shift[0]]
    np.testing.assert_array_equal(sampled, expected)


def test_grid_corners_are_pixel_centres_and_xy():
    theta = np.array([[[[0.5, 0, 0.25], [0, 0.25, -0.5]]]], "float32")
    grid = np.array(affine_grid(theta, (3, 5)))[0, 0]
    np.testing.assert_allclose(grid[0, 0], [-0.25, -0.75])
    np.testing.assert_allclose(grid[0, -1], [0.75, -0.75])
    np.testing.assert_allclose(grid[-1, 0], [-0.25, -0.25])


def test_a_grid_of_one_pixel_is_in_the_middle():
    identity = make_theta(np.ones((1, 2)), np.zeros((1, 2)))
    grid = np.array(affine_grid(identity[None], (1, 2)))[0, 0]
    np.testing.assert_array_equal(grid, [[[-1, 0], [1, 0]]])
    grid = np.array(affine_grid(identity[None], (2, 1)))[0, 0]
    np.testing.assert_array_equal(grid, [[[0, -1]], [[0, 1]]])


def test_a_position_a_photo_is_sampled_and_scales_are_read_off():
    image = np.arange(2 * 9 * 3, dtype="float32").reshape(2, 3, 3, 3)
    sampled = grid_sample(image, np.zeros((2, 2), "float32"))
    np.testing.assert_array_equal(sampled, image[:, 1, 1])
    scale = np.random.default_rng(0).random((4, 3, 2)).astype("float32")
    theta = make_theta(scale, np.zeros((4, 3, 2)))
    np.testing.assert_array_equal(theta_scale(theta), scale)


def test_theta_gradient_equals_finite_differences():
    # A smooth picture, off-pixel positions: no kink within the step.
    ys, xs = np.mgrid[0:24, 0:30]
    image = np.sin(xs / 5.0) + np.cos(ys / 4.0)
    image = image[None, :, :, None].astype("float32")
    theta = np.array([[[[0.31, 0.04, 0.13], [-0.03, 0.27, -0.11]]]], "float32")
    weights = random_image(1, 1, 3, 4, 1) / 255

    def value(theta):
        return tf.reduce_sum(grid_sample(image, affine_grid(theta, (3, 4))) * weights)

    variable = tf.Variable(theta)
    with tf.GradientTape() as tape:
        result = value(variable)
    gradient = tape.gradient(result, variable).numpy()
    step = 1e-3
    for index in np.ndindex(theta.shape):
        higher, lower = theta.copy(), theta.copy()
        higher[index] += step
        lower[index] -= step
        difference = (value(higher) - value(lower)).numpy() / (2 * step)
        assert gradient[index] == pytest.approx(difference, rel=2e-2, abs=2e-2)


@pytest.mark.parametrize("canvas", [128, 448, 575, 1024])
@pytest.mark.parametrize("patch", [21, 81])
def test_odd_crop_on_whole_pixels_equals_slicing_bit_for_bit(canvas, patch):
    image = random_image(1, canvas, canvas, 3)
    half = patch // 2
    centers = np.array([[[half, canvas - 1 - half], [canvas // 2 + 3, half + 7]]])
    theta = theta_from_centers(centers, np.full((1, 2), patch), (canvas, canvas))
    patches = np.array(LearnedCrop(patch)(image, theta))
    for part, (x, y) in enumerate(centers[0]):
        window = image[0, y - half : y + half + 1, x - half : x + half + 1]
        np.testing.assert_array_equal(patches[0, part], window)


def test_even_crop_differs_from_slicing():
    image = random_image(1, 64, 64, 1)
    theta = theta_from_centers(np.array([[[30, 30]]]), np.full((1, 1), 20), (64, 64))
    patch = np.array(LearnedCrop(20)(image, theta))[0, 0]
    assert np.abs(patch - image[0, 20:40, 20:40]).max() > 1


def test_fully_outside_grid_gives_zeros():
    image = random_image(2, 9, 9, 3) + 1
    theta = IDENTITY.repeat(2, 0)
    theta[..., 2] = 5.0
    for interpolation in ("bilinear", "nearest"):
        sampled = grid_sample(image, affine_grid(theta, (9, 9)), interpolation)
        assert not np.any(sampled)


def test_inverse_and_composition():
    theta = np.array([[[[0.3, 0.1, 0.2], [-0.2, 0.5, -0.4]]]], "float32")
    both = compose_theta(theta, invert_theta(theta))
    np.testing.assert_allclose(both, IDENTITY, atol=1e-6)


def test_theta_from_centers_is_equation_21():
    theta = theta_from_centers(np.array([[[100.0, 50.0]]]), [[81.0]], (1024, 1024))
    scale = 80 / 1023
    expected = [[scale, 0, -1 + 200 / 1023], [0, scale, -1 + 100 / 1023]]
    np.testing.assert_allclose(theta[0, 0], expected, atol=1e-6)
    # Height, then width.
    theta = theta_from_centers(np.array([[[100.0, 50.0]]]), [[81.0]], (512, 1024))
    expected[1] = [0, 80 / 511, -1 + 100 / 511]
    np.testing.assert_allclose(theta[0, 0], expected, atol=1e-6)


def test_frame_maps_areas_of_pixels():
    # The centre of coarse pixel (x, y) = (10, 3), of 128, in a photo 300 high and
    # 200 wide, letterboxed to 300.
    frame = np.array(frame_theta(128, (300, 300), (0, -50), (300, 200)))
    x, y = 2 * 10 / 127 - 1, 2 * 3 / 127 - 1
    photo_x = (frame[0] @ [x, y, 1] + 1) / 2 * 199
    photo_y = (frame[1] @ [x, y, 1] + 1) / 2 * 299
    assert photo_x == pytest.approx(10.5 / 128 * 300 - 0.5 - 50, abs=1e-3)
    assert photo_y == pytest.approx(3.5 / 128 * 300 - 0.5, abs=1e-3)


def whole_pixel_theta(canvas, patch):
    centers = np.array([[[40, 30], [80, 30], [40, 55], [80, 55], [60, 70], [60, 95]]])
    return centers, theta_from_centers(centers, np.full((1, 6), patch), (canvas,) * 2)


@pytest.mark.parametrize("side", [3, 17])
def test_a_patch_has_faded_out_at_its_margin(side):
    patch = np.ones((1, side, side, 1), "float32")
    for place, is_seen in ((fading_margin(side) - 1e-3, True), (1e-3, False)):
        place = place if is_seen else fading_margin(side) + place
        sampled = np.array(grid_sample(patch, np.float32([[[place, 0], [0, place]]])))
        assert np.all(sampled > 0) == is_seen and np.all(sampled < 0.1)


def test_crop_then_paste_back_recovers_the_interior():
    canvas, patch = 121, 21
    rng = np.random.default_rng(0)
    mask = np.zeros((1, canvas, canvas), "uint8")
    centers, theta = whole_pixel_theta(canvas, patch)
    for part, (x, y) in zip(EIGHT_PARTS.parts, centers[0], strict=True):
        mask[0, y - 10 : y + 11, x - 10 : x + 11] = rng.choice(
            (0, *part.classes), (21, 21)
        )
    crops = np.array(LearnedCrop(patch, "nearest")(mask[..., None], theta))[..., 0]
    probabilities = [
        np.stack([crops[:, i] == c for c in part.classes], -1).astype("float32")
        for i, part in enumerate(EIGHT_PARTS.parts)
    ]
    pasted = paste_back(probabilities, theta, (canvas, canvas))
    np.testing.assert_array_equal(pasted, mask)


def test_paste_back_multiplies_the_background_of_overlapping_patches():
    # Two patches see the same pixels. Each says 45 % foreground, so neither
    # beats its own background; but 0.55 * 0.55 is less than 0.45.
    theta = make_theta(np.full((1, 6, 2), 0.5), np.zeros((1, 6, 2)))
    probabilities = []
    for index, part in enumerate(EIGHT_PARTS.parts):
        foreground = {0: 0.45, 4: 0.40}.get(index, 0.0)
        scores = np.zeros((1, 5, 5, len(part.classes)), "float32")
        scores[..., 0] = foreground
        probabilities.append(scores)
    pasted = np.array(paste_back(probabilities, theta, (9, 9)))
    assert pasted[0, 4, 4] == 1
    assert pasted[0, 0, 0] == 0
    probabilities[4][..., 0] = 0.0
    assert np.array(paste_back(probabilities, theta, (9, 9)))[0, 4, 4] == 0


def test_paste_back_leaves_to_the_base_layer_what_no_part_is():
    theta = make_theta(np.full((2, 6, 2), 0.5), np.zeros((2, 6, 2)))
    probabilities = [np.zeros((2, 5, 5, 1), "float32") for _ in ONE_NET_HEAD.parts]
    base = np.random.default_rng(0).random((2, 9, 7, 3)).astype("float32")
    pasted = paste_back(probabilities, theta, (9, 7), ONE_NET_HEAD, base)
    expected = np.array(ONE_NET_HEAD.base_classes)[base.argmax(axis=-1)]
    np.testing.assert_array_equal(pasted, expected)


@pytest.mark.parametrize("translation", [(-1.2, 0.0), (3.0, 3.0), (0.9, 1.1)])
def test_paste_back_of_windows_across_and_beyond_the_border(translation):
    theta = make_theta(np.full((2, 6, 2), 0.4), np.broadcast_to(translation, (2, 6, 2)))
    probabilities = [
        np.tile(np.eye(len(p.classes), dtype="float32")[-1], (2, 5, 5, 1))
        for p in EIGHT_PARTS.parts
    ]
    pasted = np.array(paste_back(probabilities, theta, (20, 31)))
    xs = np.linspace(-1, 1, 31) - translation[0]
    ys = np.linspace(-1, 1, 20) - translation[1]
    surely = (np.abs(xs)[None] < 0.4) & (np.abs(ys)[:, None] < 0.4)
    never = (np.abs(xs)[None] > 0.6) | (np.abs(ys)[:, None] > 0.6)
    assert (pasted[:, surely] > 0).all()
    assert not pasted[:, never].any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: affine_grid(np.zeros((2, 3)), (4, 4)), "`theta`.*Received"),
        (lambda: invert_theta(np.zeros((1, 3, 2))), "`theta`"),
        (lambda: grid_sample(np.zeros((4, 4, 3)), np.zeros((1, 2))), "`image`"),
        (lambda: grid_sample(np.zeros((1, 4, 4, 3)), np.zeros((1, 3))), "`grid`"),
        (lambda: grid_sample(np.zeros((1, 4, 4, 3)), np.zeros(2)), "`grid`"),
        (
            lambda: grid_sample(np.zeros((1, 4, 4, 3)), np.zeros((1, 2)), "cubic"),
            "`interpolation`.*cubic",
        ),
        (lambda: LearnedCrop(2), "`patch_size`"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_smallest_patch_and_the_shape_of_all():
    assert LearnedCrop().patch_size == 81
    crop = LearnedCrop(3)
    shapes = (7, 20, 30, 5), (6, 4, 2, 3)
    assert crop.compute_output_shape(*shapes) == (7, 4, 3, 3, 5)
