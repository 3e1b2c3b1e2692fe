"""Holds our sampling against the stored answers of TensorFlow Addons.

The vectors, what they contain and what was found about TensorFlow Addons are
described in tests/oracles/make_tfa_vectors.py, which writes them.
"""

import functools
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf.geometry.affine import affine_grid, grid_sample

VECTORS = pathlib.Path(__file__).parent / "oracles" / "tfa_vectors.npz"
TOLERANCE = 1e-5


@functools.cache
def load_cases() -> dict[str, dict[str, np.ndarray]]:
    """Returns the arrays of each case, by `<function>/<case>`."""
    cases = {}
    with np.load(VECTORS) as vectors:
        for key, array in vectors.items():
            name, _, field = key.rpartition("/")
            cases.setdefault(name, {})[field] = array
    return cases


def names(function: str) -> list[str]:
    return [name for name in load_cases() if name.startswith(f"{function}/")]


def assert_close(actual, expected) -> None:
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=0, atol=TOLERANCE)


def pixels_to_units(size: tuple[int, int]) -> np.ndarray:
    """Returns the 3 x 3 map of (x, y, 1) from pixels to normalised units."""
    height, width = size
    return np.array([[2 / (width - 1), 0, -1], [0, 2 / (height - 1), -1], [0, 0, 1]])


def theta_from_pixels(
    matrix: np.ndarray, source_size: tuple[int, int], output_size: tuple[int, int]
) -> np.ndarray:
    """Moves an affine map between pixels to normalised units.

    Args:
        matrix: `(batch, 2, 3)`, output -> source pixels, rows (x, y).
        source_size: `(height, width)` of the image.
        output_size: `(height, width)` of the output.

    Returns:
        Theta, float32 `(batch, 1, 2, 3)`, output -> source.
    """
    last_row = np.broadcast_to([[[0.0, 0.0, 1.0]]], (len(matrix), 1, 3))
    square = np.concatenate([matrix.astype("float64"), last_row], axis=1)
    theta = pixels_to_units(source_size) @ square
    theta = theta @ np.linalg.inv(pixels_to_units(output_size))
    return theta[:, None, :2].astype("float32")


def pixel_map(case: dict[str, np.ndarray]) -> np.ndarray:
    """Returns the map `(batch, 2, 3)`, output -> source pixels, of a case."""
    height, width = case["image"].shape[1:3]
    if "transform" in case:
        return case["transform"][:, :6].reshape(-1, 2, 3)
    if "translations" in case:
        # The content moves by the shift, so the source position moves back.
        shift = -case["translations"]
        return np.stack([np.c_[np.eye(2), pair] for pair in shift])
    # Counterclockwise on the screen, about the centre of the pixel centres.
    angles = case["angles"].astype("float64")
    cos, sin = np.cos(angles), np.sin(angles)
    turn = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], axis=1)
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    return np.concatenate([turn, (centre - turn @ centre)[..., None]], axis=-1)


@pytest.mark.parametrize("name", names("resampler"))
def test_tfa_resampler(name):
    case = load_cases()[name]
    extent = np.array(case["image"].shape[2:0:-1], "float64") - 1
    image = tf.constant(case["image"])
    grid = tf.constant((2 * case["warp"] / extent - 1).astype("float32"))
    with tf.GradientTape() as tape:
        tape.watch([image, grid])
        output = grid_sample(image, grid)
    grads = tape.gradient(output, [image, grid], tf.constant(case["upstream"]))
    assert_close(output, case["output"])
    assert_close(grads[0], case["grad_image"])
    # x_px = (x + 1) / 2 * (width - 1), so d/dx_px = d/dx * 2 / (width - 1).
    assert_close(np.asarray(grads[1]) * 2 / extent, case["grad_warp"])


@pytest.mark.parametrize(
    "name", names("transform") + names("rotate") + names("translate")
)
def test_tfa_transforms(name):
    case = load_cases()[name]
    image = tf.constant(case["image"])
    output_size = case["output"].shape[1:3]
    theta = theta_from_pixels(pixel_map(case), image.shape[1:3], output_size)
    with tf.GradientTape() as tape:
        tape.watch(image)
        grid = affine_grid(theta, output_size)
        output = grid_sample(image, grid, interpolation=str(case["interpolation"]))
    upstream = tf.constant(case["upstream"][:, None])
    assert_close(output[:, 0], case["output"])
    assert_close(tape.gradient(output, image, upstream), case["grad_image"])


def test_tfa_vectors_cover_every_function():
    functions = {name.split("/")[0] for name in load_cases()}
    assert functions == {"resampler", "transform", "rotate", "translate"}
    modes = {str(case.get("interpolation")) for case in load_cases().values()}
    assert modes == {"None", "bilinear", "nearest"}


def test_tfa_own_gradient_is_exact_for_every_shift():
    shifts = [load_cases()[name] for name in names("translate")]
    assert all(case["gradient_is_derivative"] for case in shifts)
