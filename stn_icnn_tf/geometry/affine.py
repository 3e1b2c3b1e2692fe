"""Affine grids, sampling and the maps between frames.

One convention throughout: NHWC; public coordinates are `(x, y)`; theta maps
OUTPUT positions to SOURCE positions; in normalised units the centres of the
corner pixels are at -1 and +1. Everything is `keras.ops` and float32.
"""

from typing import Any

from keras import ops

from stn_icnn_tf.geometry.bilinear import to_pixels

Tensor = Any


def _check_theta(theta: Tensor) -> None:
    if len(theta.shape) != 4 or tuple(theta.shape[-2:]) != (2, 3):
        raise ValueError(
            "Argument `theta` must have shape (batch, parts, 2, 3). "
            f"Received: theta.shape={tuple(theta.shape)}"
        )


def make_theta(scale: Tensor, translation: Tensor) -> Tensor:
    """Builds the crop-only theta of eq. 15.

    Args:
        scale: float `(..., 2)`, the (x, y) scales.
        translation: float `(..., 2)`, the (x, y) shifts in normalised units.

    Returns:
        float `(..., 2, 3)`: `[[s_x, 0, t_x], [0, s_y, t_y]]`.

    Reference:
        STN-iCNN eq. 15.
    """
    scale = ops.convert_to_tensor(scale, dtype="float32")
    translation = ops.convert_to_tensor(translation, dtype="float32")
    zero = ops.zeros_like(scale[..., 0])
    x_row = ops.stack([scale[..., 0], zero, translation[..., 0]], axis=-1)
    y_row = ops.stack([zero, scale[..., 1], translation[..., 1]], axis=-1)
    return ops.stack([x_row, y_row], axis=-2)


def theta_scale(theta: Tensor) -> Tensor:
    """Returns the (x, y) scales `(..., 2)` of a crop-only theta `(..., 2, 3)`."""
    return ops.stack([theta[..., 0, 0], theta[..., 1, 1]], axis=-1)


def affine_grid(theta: Tensor, output_size: tuple[int, int]) -> Tensor:
    """Generates the sampling grid of an affine map.

    Args:
        theta: float `(batch, parts, 2, 3)`, output -> source, normalised units,
            rows (x, y).
        output_size: `(height, width)` in pixels.

    Returns:
        float `(batch, parts, height, width, 2)`, last axis (x, y); corner pixel
        centres are at -1 and 1.

    Raises:
        ValueError: if `theta` is not `(batch, parts, 2, 3)`.

    Reference:
        Jaderberg et al. 2015, eq. 1; STN-iCNN eq. 14.
    """
    theta = ops.convert_to_tensor(theta, dtype="float32")
    _check_theta(theta)
    height, width = output_size
    # One pixel along an axis is the centre, not the left corner.
    xs = ops.linspace(-1.0, 1.0, width) if width > 1 else ops.zeros((1,))
    ys = ops.linspace(-1.0, 1.0, height) if height > 1 else ops.zeros((1,))
    xs = ops.cast(xs, "float32")[None, None, None, :, None]
    ys = ops.cast(ys, "float32")[None, None, :, None, None]
    columns = theta[:, :, None, None, :, :]
    return columns[..., 0] * xs + columns[..., 1] * ys + columns[..., 2]


def _snap(position: Tensor, size: Tensor) -> Tensor:
    """Moves pixel positions that float32 cannot tell from a pixel centre onto it.

    A normalised float32 position is off by up to ~2**-23 * size pixels, so the
    crop of whole pixels would otherwise blend in a trace of the neighbours.
    The gradient passes through unchanged.
    """
    nearest = ops.round(position)
    close = ops.abs(position - nearest) <= size * 2.0**-22
    return position + ops.stop_gradient(
        ops.where(close, nearest - position, ops.zeros_like(position))
    )


def grid_sample(image: Tensor, grid: Tensor, interpolation: str = "bilinear") -> Tensor:
    """Samples a batch of images at the positions of a grid, zero outside.

    A pixel that lies outside the image contributes zero, so a position half a
    pixel beyond the border returns half the border pixel. Bilinear sampling has
    gradients to `image` and `grid`; nearest only to `image`.

    Args:
        image: float `(batch, height, width, channels)`.
        grid: float `(batch, ..., 2)`, last axis (x, y), normalised units.
        interpolation: `"bilinear"` or `"nearest"`.

    Returns:
        float32 `(batch, ..., channels)`.

    Raises:
        ValueError: if `interpolation`, or the shape of an argument, is not one
            of these.

    Reference:
        Jaderberg et al. 2015, eq. 5; STN-iCNN eq. 3.
    """
    if interpolation not in ("bilinear", "nearest"):
        raise ValueError(
            'Argument `interpolation` must be "bilinear" or "nearest". '
            f"Received: interpolation={interpolation}"
        )
    image = ops.cast(image, "float32")
    grid = ops.cast(grid, "float32")
    if len(image.shape) != 4:
        raise ValueError(
            "Argument `image` must have shape (batch, height, width, channels). "
            f"Received: image.shape={tuple(image.shape)}"
        )
    if len(grid.shape) < 2 or grid.shape[-1] != 2:
        raise ValueError(
            "Argument `grid` must have shape (batch, ..., 2). "
            f"Received: grid.shape={tuple(grid.shape)}"
        )
    batch, height, width, channels = ops.shape(image)
    size_x = ops.cast(width, "float32")
    size_y = ops.cast(height, "float32")
    x = _snap(to_pixels(grid[..., 0], size_x), size_x)
    y = _snap(to_pixels(grid[..., 1], size_y), size_y)

    flat_image = ops.reshape(image, (-1, channels))
    first_pixel = ops.reshape(
        ops.arange(batch, dtype="int32") * (height * width),
        (-1,) + (1,) * (len(grid.shape) - 2),
    )

    def pixel(column: Tensor, row: Tensor) -> Tensor:
        inside = (column >= 0) & (column < size_x) & (row >= 0) & (row < size_y)
        column = ops.cast(ops.clip(column, 0.0, size_x - 1.0), "int32")
        row = ops.cast(ops.clip(row, 0.0, size_y - 1.0), "int32")
        value = ops.take(flat_image, first_pixel + row * width + column, axis=0)
        return value * ops.cast(inside, "float32")[..., None]

    if interpolation == "nearest":
        return pixel(ops.floor(x + 0.5), ops.floor(y + 0.5))
    left, top = ops.floor(x), ops.floor(y)
    right_weight, bottom_weight = (x - left)[..., None], (y - top)[..., None]
    upper = pixel(left, top) * (1.0 - right_weight)
    upper = upper + pixel(left + 1.0, top) * right_weight
    lower = pixel(left, top + 1.0) * (1.0 - right_weight)
    lower = lower + pixel(left + 1.0, top + 1.0) * right_weight
    return upper * (1.0 - bottom_weight) + lower * bottom_weight


def invert_theta(theta: Tensor) -> Tensor:
    """Inverts affine maps in closed form.

    Args:
        theta: float `(batch, parts, 2, 3)`. Its scale must not be zero; the
            localization network bounds it, so that it never is.

    Returns:
        float `(batch, parts, 2, 3)`, source -> output.

    Raises:
        ValueError: if `theta` is not `(batch, parts, 2, 3)`.

    Reference:
        STN-iCNN eq. 5 (the inverse grid).
    """
    theta = ops.convert_to_tensor(theta, dtype="float32")
    _check_theta(theta)
    a, b, t_x = theta[..., 0, 0], theta[..., 0, 1], theta[..., 0, 2]
    c, d, t_y = theta[..., 1, 0], theta[..., 1, 1], theta[..., 1, 2]
    determinant = a * d - b * c
    a, b, c, d = d / determinant, -b / determinant, -c / determinant, a / determinant
    x_row = ops.stack([a, b, -(a * t_x + b * t_y)], axis=-1)
    y_row = ops.stack([c, d, -(c * t_x + d * t_y)], axis=-1)
    return ops.stack([x_row, y_row], axis=-2)


def compose_theta(outer: Tensor, inner: Tensor) -> Tensor:
    """Composes affine maps: `inner` first, then `outer`.

    Args:
        outer: float `(..., 2, 3)`, middle -> source.
        inner: float `(..., 2, 3)`, output -> middle.

    Returns:
        float `(..., 2, 3)`, output -> source; leading axes broadcast.
    """
    linear = ops.matmul(outer[..., :2], inner)
    shift = ops.concatenate([ops.zeros_like(outer[..., :2]), outer[..., 2:]], axis=-1)
    return linear + shift


def theta_from_centers(centers: Tensor, sides: Tensor, source_size: Tensor) -> Tensor:
    """Computes the theta of square windows from their centres and sides.

    Args:
        centers: float `(..., 2)`, (x, y) of each window's centre in source pixels.
        sides: float `(...)`, side of each window in source pixels, counted as
            the paper counts patches: corner pixel centres are `side - 1` apart.
        source_size: `(height, width)` of the source in pixels.

    Returns:
        float `(..., 2, 3)`, window -> source.

    Reference:
        STN-iCNN eq. 21: `s = (patch - 1) / (canvas - 1)`,
        `t = -1 + 2 c / (canvas - 1)`.
    """
    centers = ops.cast(centers, "float32")
    extent = ops.stack([source_size[1] - 1, source_size[0] - 1])
    extent = ops.cast(extent, "float32")
    scale = (ops.cast(sides, "float32")[..., None] - 1.0) / extent
    return make_theta(scale, 2.0 * centers / extent - 1.0)


def frame_theta(
    coarse_size: int, content_size: Tensor, offset: Tensor, source_size: Tensor
) -> Tensor:
    """Maps the frame of the coarse image to the frame of a source, exactly.

    The coarse image is a resize (pixel AREAS aligned, as `resize` does) of a
    rectangle of the source, the content. Theta lives in the coarse frame,
    whose corner pixel CENTRES are at -1 and +1; this is the parameter-free map
    between the two.

    Args:
        coarse_size: side of the coarse image in pixels.
        content_size: `(height, width)` of the content in source pixels.
        offset: `(top, left)` of the content in the source; negative where the
            content is larger than the source.
        source_size: `(height, width)` of the source in pixels.

    Returns:
        float `(2, 3)`, coarse -> source.
    """
    numbers = [content_size, offset, source_size]
    content, shift, source = (
        ops.cast(ops.stack([pair[1], pair[0]]), "float32") for pair in numbers
    )
    extent = source - 1.0
    scale = content / extent * ((coarse_size - 1.0) / coarse_size)
    return make_theta(scale, (content - 1.0 + 2.0 * shift) / extent - 1.0)
