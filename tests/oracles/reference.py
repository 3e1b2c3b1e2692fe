"""What TensorFlow Addons is held to: zero-padded sampling, written plainly in NumPy."""

import numpy as np

TOLERANCE = 1e-5


def reference(
    image: np.ndarray, position: np.ndarray, upstream: np.ndarray, interpolation: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples with zero outside, and differentiates, in float64.

    Args:
        image: `(batch, height, width, channels)`.
        position: `(batch, n, 2)`, (x, y) in pixels.
        upstream: `(batch, n, channels)`.
        interpolation: `"bilinear"` or `"nearest"`.

    Returns:
        The output, and the gradients with respect to `image` and `position`.
    """
    height, width = image.shape[1:3]
    output = np.zeros(upstream.shape)
    grad_image = np.zeros(image.shape)
    grad_position = np.zeros(position.shape)
    for where in np.ndindex(position.shape[:2]):
        batch = where[0]
        x, y = position[where]
        left, top = int(np.floor(x)), int(np.floor(y))
        if interpolation == "nearest":
            corners = [(round(x), round(y), 1.0, 0.0, 0.0)]
        else:
            u, v = x - left, y - top
            corners = [
                (left, top, (1 - u) * (1 - v), -(1 - v), -(1 - u)),
                (left + 1, top, u * (1 - v), 1 - v, -u),
                (left, top + 1, (1 - u) * v, -v, 1 - u),
                (left + 1, top + 1, u * v, v, u),
            ]
        for column, row, weight, weight_dx, weight_dy in corners:
            if 0 <= column < width and 0 <= row < height:
                pixel = image[batch, row, column].astype("float64")
                output[where] += weight * pixel
                grad_image[batch, row, column] += weight * upstream[where]
                slope = np.dot(pixel, upstream[where])
                grad_position[where] += [weight_dx * slope, weight_dy * slope]
    return output, grad_image, grad_position


def check(name: str, actual: np.ndarray, expected: np.ndarray) -> None:
    """Stops the script where `actual` is not the reference."""
    error = np.max(np.abs(actual - expected.reshape(actual.shape)))
    if not error <= TOLERANCE:
        raise SystemExit(f"{name} is off the reference by {error:.2e}.")


def pixel_positions(transform: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns where `transform` `(batch, 8)` takes an output of `size`."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    output = np.stack([columns.ravel(), rows.ravel(), np.ones(rows.size)], -1)
    matrix = np.stack([transform[:, :3], transform[:, 3:6]], axis=1)
    return np.einsum("bij,nj->bni", matrix.astype("float64"), output)
