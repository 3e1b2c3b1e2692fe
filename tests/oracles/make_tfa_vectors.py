"""Writes tests/oracles/tfa_vectors.npz: what TensorFlow Addons answers.

TensorFlow Addons does not import beside Keras 3, so this script runs in an
environment of its own, and only its small output is committed:

    make oracle

which is the same as

    python3.11 -m venv .venv-tfa
    .venv-tfa/bin/pip install -r requirements-tfa.txt
    .venv-tfa/bin/python tests/oracles/make_tfa_vectors.py

Keys are `<function>/<case>/<array>`. Every case has `image`, its parameters,
`output`, `upstream` (the seeded gradient that reaches the output) and
`grad_image`; `resampler` has `grad_warp` as well. Positions are pixels, (x, y).

What was found, and is checked on every run against `reference.py`, a plain float64
zero-padded sampling, to 1e-5:

- `resampler`: each of the four neighbours that lies outside the image counts as
  zero, so there is a band one pixel wide around the image where the result fades
  from the border pixel to zero. Its two gradients are the derivatives of that.
- `transform` with `fill_mode="constant"` and `fill_value=0`: the same, also in
  the band; nothing is cut off at the border pixels' centres or edges. Nearest
  rounds the position and returns zero where the rounded pixel is outside.
- `rotate` turns about the centre of the pixel centres, ((w - 1) / 2, (h - 1) / 2);
  `translate` subtracts the shift. Both are `transform` from there on.
- The gradient that TensorFlow registers for `transform`, and so for `rotate` and
  `translate`, is NOT the derivative in general: it resamples the upstream
  gradient through the inverse map. The two agree for shifts and for quarter
  turns of square images, and differ by as much as the values themselves under
  scale or any other rotation. `transform` is linear in the image, so the true
  derivative is read off its own answers to images of one lit pixel. That is what
  `grad_image` holds, and `gradient_is_derivative` says whether TensorFlow
  Addons' own gradient is equal to it.

Positions that would make the comparison depend on rounding are refused: for
`grad_warp` those near a whole pixel, where the derivative jumps, and for nearest
those near half a pixel, where the choice of the pixel does.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa
from reference import TOLERANCE, check, pixel_positions, reference

SEED = 20200615
BATCH = 2
MARGIN = 1e-3

ODD, EVEN = (9, 11, 3), (8, 8, 1)

# (image size, shape of the warp between batch and coordinates).
RESAMPLER_CASES = ((ODD, (6, 7)), (EVEN, (40,)))

# (image size, output size, one transform an image: output -> input pixels).
TRANSFORM_CASES = (
    # Scale and shift, smaller than the image and reaching over its border.
    (
        ODD,
        (9, 11),
        [
            [0.61, 0, 2.337, 0, 0.73, 1.128, 0, 0],
            [1.31, 0, -1.716, 0, 1.23, -0.594, 0, 0],
        ],
    ),
    (
        EVEN,
        (8, 8),
        [
            [0.47, 0, 1.153, 0, 0.83, 2.218, 0, 0],
            [1.53, 0, -2.446, 0, 1.41, -1.325, 0, 0],
        ],
    ),
    # Rotation about a corner and a shift.
    (
        EVEN,
        (8, 8),
        [
            [np.cos(0.4), -np.sin(0.4), 1.913, np.sin(0.4), np.cos(0.4), -0.728, 0, 0],
            [np.cos(2.2), -np.sin(2.2), 8.319, np.sin(2.2), np.cos(2.2), 3.437, 0, 0],
        ],
    ),
    # Any affine map, and an output of another size.
    (
        ODD,
        (7, 6),
        [
            [1.21, -0.37, 1.834, 0.29, 0.88, -0.563, 0, 0],
            [-0.74, 0.52, 6.173, 0.33, 1.09, 0.416, 0, 0],
        ],
    ),
)

# (image size, one angle an image, in radians).
ROTATE_CASES = (
    (ODD, [0.31, -1.13]),
    (EVEN, [2.47, -0.52]),
    (EVEN, [np.pi / 2, np.pi]),
)

# (image size, one shift an image, (x, y) pixels).
TRANSLATE_CASES = (
    (ODD, [[2.0, -1.0], [-3.0, 4.0]]),
    (ODD, [[0.3, -1.7], [-2.25, 0.6]]),
    (EVEN, [[1.0, 0.0], [0.0, -2.0]]),
    (EVEN, [[-0.4, 3.35], [5.8, -0.15]]),
)


def resampler_case(
    rng: np.random.Generator, size: tuple[int, int, int], warp_shape: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """Answers of `tfa.image.resampler` and its two gradients."""
    height, width, channels = size
    image = rng.uniform(0, 1, (BATCH, *size)).astype("float32")
    # Whole pixels from outside through the border to outside; the part that is
    # added keeps away from the kinks.
    whole = rng.integers(-3, [width + 2, height + 2], (BATCH, *warp_shape, 2))
    part = rng.uniform(0.05, 0.95, whole.shape)
    warp = (whole + part).astype("float32")
    last = np.array([width - 1, height - 1])
    inside = np.all((warp > 0) & (warp < last), axis=-1)
    outside = np.any((warp < -1) | (warp > last + 1), axis=-1)
    for kind in (inside, outside, ~inside & ~outside):
        if np.count_nonzero(kind) < 10:
            raise SystemExit("Too few points inside, outside or across the border.")
    upstream = rng.normal(size=(*warp.shape[:-1], channels)).astype("float32")
    with tf.GradientTape() as tape:
        sources = tf.constant(image), tf.constant(warp)
        tape.watch(sources)
        output = tfa.image.resampler(*sources)
    grads = tape.gradient(output, sources, output_gradients=tf.constant(upstream))
    case = {
        "image": image,
        "warp": warp,
        "output": output.numpy(),
        "upstream": upstream,
        "grad_image": grads[0].numpy(),
        "grad_warp": grads[1].numpy(),
    }
    expected = reference(
        image,
        warp.reshape(BATCH, -1, 2),
        upstream.reshape(BATCH, -1, channels),
        "bilinear",
    )
    for key, array in zip(("output", "grad_image", "grad_warp"), expected):
        check(f"resampler {key}", case[key], array)
    return case


def transform_case(
    rng: np.random.Generator,
    size: tuple[int, int, int],
    output_size: tuple[int, int],
    transform: np.ndarray,
    interpolation: str,
    call,
) -> dict[str, np.ndarray]:
    """Answers of a function that is linear in the image.

    Args:
        rng: source of the image and the upstream gradient.
        size: `(height, width, channels)` of the image.
        output_size: `(height, width)` of the output.
        transform: `(batch, 8)`, what `call` is expected to apply.
        interpolation: `"bilinear"` or `"nearest"`.
        call: maps an image, and which parameters of the batch to apply to it, to
            its output.

    Returns:
        The arrays to store.
    """
    height, width, channels = size
    position = pixel_positions(transform, output_size)
    if interpolation == "nearest":
        tie = np.min(np.abs(position - np.floor(position) - 0.5))
        if tie < MARGIN:
            raise SystemExit(f"A position is {tie:.1e} from a tie between pixels.")
    image = rng.uniform(0, 1, (BATCH, *size)).astype("float32")
    upstream = rng.normal(size=(BATCH, *output_size, channels)).astype("float32")
    everyone = np.arange(BATCH)
    with tf.GradientTape() as tape:
        source = tf.constant(image)
        tape.watch(source)
        output = call(source, everyone)
    registered = tape.gradient(output, source, tf.constant(upstream)).numpy()

    # One image for each lit pixel, all channels at once: row p of the answer is
    # the column p of the linear map.
    lit = np.eye(height * width, dtype="float32").reshape(-1, height, width, 1)
    derivative = np.zeros_like(image)
    for index in everyone:
        answer = call(tf.constant(lit), np.full(len(lit), index)).numpy()
        columns = answer.reshape(len(lit), -1)
        gradient = columns @ upstream[index].reshape(-1, channels)
        derivative[index] = gradient.reshape(size)

    expected = reference(
        image, position, upstream.reshape(BATCH, -1, channels), interpolation
    )
    check(f"{interpolation} output", output.numpy(), expected[0])
    check(f"{interpolation} derivative", derivative, expected[1])
    error = np.max(np.abs(registered - derivative))
    print(f"  {interpolation} {size}: registered gradient off by {error:.1e}")
    return {
        "image": image,
        "interpolation": np.array(interpolation),
        "output": output.numpy(),
        "upstream": upstream,
        "grad_image": derivative,
        "gradient_is_derivative": np.array(error <= TOLERANCE),
    }


def make_vectors() -> dict[str, np.ndarray]:
    """Runs every case and returns the arrays under their keys."""
    rng = np.random.default_rng(SEED)
    vectors = {}

    def store(function: str, number: int, case: dict[str, np.ndarray]) -> None:
        for key, array in case.items():
            vectors[f"{function}/{number}/{key}"] = array

    for number, (size, warp_shape) in enumerate(RESAMPLER_CASES):
        store("resampler", number, resampler_case(rng, size, warp_shape))

    # One pixel map an image, what it is made from, and the call that applies it.
    jobs = {"transform": [], "rotate": [], "translate": []}
    for size, output_size, transform in TRANSFORM_CASES:
        given = np.array(transform, "float32")

        def apply(image, which, mode, given=given, output_size=output_size):
            return tfa.image.transform(
                image, given[which], mode, output_shape=output_size
            )

        jobs["transform"].append((size, output_size, "transform", given, given, apply))
    for size, angles in ROTATE_CASES:
        given = np.array(angles, "float32")

        def apply(image, which, mode, given=given):
            return tfa.image.rotate(image, given[which], mode)

        pixel_map = tfa.image.transform_ops.angles_to_projective_transforms(
            given, np.float32([size[0]]), np.float32([size[1]])
        ).numpy()
        jobs["rotate"].append((size, size[:2], "angles", given, pixel_map, apply))
    for size, shifts in TRANSLATE_CASES:
        given = np.array(shifts, "float32")

        def apply(image, which, mode, given=given):
            return tfa.image.translate(image, given[which], mode)

        pixel_map = np.tile(np.float32([1, 0, 0, 0, 1, 0, 0, 0]), (BATCH, 1))
        pixel_map[:, [2, 5]] = -given
        jobs["translate"].append(
            (size, size[:2], "translations", given, pixel_map, apply)
        )

    for function, cases in jobs.items():
        print(function)
        number = 0
        for size, output_size, parameter, given, pixel_map, apply in cases:
            for mode in ("bilinear", "nearest"):

                def call(image, which, apply=apply, mode=mode):
                    return apply(image, which, mode)

                case = transform_case(rng, size, output_size, pixel_map, mode, call)
                store(function, number, {parameter: given, **case})
                number += 1
    return vectors


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        default=pathlib.Path(__file__).with_name("tfa_vectors.npz"),
        help="file to write",
    )
    output = parser.parse_args().output
    vectors = make_vectors()
    np.savez_compressed(output, **vectors)
    print(f"{output}: {len(vectors)} arrays, {output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
