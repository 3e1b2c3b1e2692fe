"""Photos of any framing: parses the square in which a face lies as in training.

A square is float `(4,)`: x and y of its middle, and its side, in pixels; and its roll
in radians, by which its upper side is turned clockwise. It may reach out of the photo.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from stn_icnn_tf.data.augment import warp
from stn_icnn_tf.geometry.affine import to_pixels
from stn_icnn_tf.models.pipeline import Pipeline

Tensor = Any

# A square this close to that of the mean face stays as it is. Training photos are
# enlarged, shrunk, shifted and rolled about as much.
SCALE_TOLERANCE = 1.4
SHIFT_TOLERANCE = 0.2
ROLL_TOLERANCE = np.radians(15.0)

# Where else to look first: the enlargement, the place from left to right and from top
# to bottom, 0..1, and the roll.
_LOOKS = (
    *((2, x / 2, y / 2, 0.0) for y in range(3) for x in range(3)),
    (4, 0.5, 0.5, 0.0),
    # The localization network tells a roll of up to some 35 degrees, but the coarse
    # net is the less sure the larger it is: with 30 degrees between looks it more often
    # preferred another person's face, an upright one.
    *((1, 0.5, 0.5, np.radians(roll)) for roll in range(-165, 181, 15) if roll),
)
# The sureness from which the whole photo is good enough: faces of HELEN with all
# classes have 0.91 and more; in a border twice as wide those that are too small have
# 0.87 at most.
_SURE_ENOUGH = 0.9
# By how much surer another look must be: with 1.2 most of those small faces were left
# as they are, and lost. One that is too close cuts parts off, but that counts, too.
_SURER = 1.05
# What a turned look that is sure enough counts: of two faces about as sure, the larger
# one is meant. With 1.02 more neighbours won, with 1.05 more faces in a wide border
# were lost.
_TURNED = 1.03

_SMALLEST = 8.0


def square_around(centers: Tensor, mean_centers: np.ndarray) -> tf.Tensor:
    """Finds the square in which points lie as they do in the frame of the mean face.

    Args:
        centers: float `(points, 2)`, (x, y) in pixels; two points at least.
        mean_centers: float `(points, 2)`, normalised (x, y) of the same points.

    Returns:
        the square, by least squares over the points.
    """
    mean = np.asarray(mean_centers, "float32")
    spread = mean - mean.mean(axis=0)
    centers = tf.cast(centers, tf.float32)
    middle = tf.reduce_mean(centers, axis=0)
    across = (centers - middle) / float(np.sum(spread**2))
    # The map of the mean face onto this one: enlarge, turn, shift.
    cos = tf.reduce_sum(across * spread)
    sin = tf.reduce_sum(across[:, 1] * spread[:, 0] - across[:, 0] * spread[:, 1])
    x, y = mean.mean(axis=0)
    origin = middle - tf.stack([cos * x - sin * y, sin * x + cos * y])
    side = tf.maximum(2.0 * tf.sqrt(cos**2 + sin**2) + 1.0, _SMALLEST)
    return tf.concat([origin, [side, tf.atan2(sin, cos)]], axis=0)


def whole_square(size: Tensor) -> tf.Tensor:
    """Returns the square that letterboxing makes of a photo of `(width, height)`."""
    size = tf.cast(size, tf.float32)
    side = tf.reduce_max(size)
    corner = -((side - size) // 2.0)
    return tf.concat([corner + (side - 1.0) / 2.0, [side, 0.0]], axis=0)


def _confidence(model: Pipeline, views: tf.Tensor) -> tf.Tensor:
    """Tells how well views show a face, `(views,)`, 0..1.

    The mean probability of the pixels that are labelled as parts, times the share of
    the classes that are found.
    """
    probabilities = tf.nn.softmax(tf.cast(model.coarse_scores(views), tf.float32))
    labels = tf.argmax(probabilities, axis=-1)
    is_part = tf.cast(labels > 0, tf.float32)
    sure = tf.reduce_sum(tf.reduce_max(probabilities, axis=-1) * is_part, axis=(1, 2))
    sure /= tf.maximum(tf.reduce_sum(is_part, axis=(1, 2)), 1.0)
    found = tf.reduce_max(tf.one_hot(labels, probabilities.shape[-1]), axis=(1, 2))
    return sure * tf.reduce_mean(found[:, 1:], axis=-1)


def most_confident_crop(model: Pipeline, photo: tf.Tensor) -> tf.Tensor:
    """Chooses where to look first: at the whole photo, closer, or with a turned head.

    A face that is small or far from upright is lost on the coarse net, but its scores
    tell: it is unsure, and finds some parts only. Then other looks are taken, closer
    or turned, and the surest is chosen: a turned one also if it is almost the surest,
    since the face it shows is the larger one.

    Args:
        model: the model, or its fused form.
        photo: `(height, width, 3)`, 0..255.

    Returns:
        the square.
    """
    coarse_size = (model.coarse_size, model.coarse_size)
    side = max(look[0] for look in _LOOKS) * model.coarse_size
    pixels = tf.cast(photo, tf.float32)
    pixels = tf.image.resize_with_pad(pixels, side, side, antialias=True)
    whole = whole_square(tf.shape(photo)[1::-1])
    sure = _confidence(model, model.resize(pixels[None], coarse_size))[0]

    def other_looks() -> tf.Tensor:
        views, squares = [], []
        for zoom, x, y, roll in _LOOKS:
            away = (1.0 - 1.0 / zoom) * np.float32([x - 0.5, y - 0.5])
            turn = _rotation(tf.constant(roll, tf.float32))
            part = side // zoom
            corner = _corner(turn, (side - 1) / 2.0 + away * side, part)
            view = _cut_out(pixels, turn, corner, part)
            views.append(model.resize(view[None], coarse_size))
            square = [whole[:2] + away * whole[2], whole[2:3] / zoom, [roll]]
            squares.append(tf.concat(square, axis=0))
        theirs = _confidence(model, tf.concat(views, axis=0))
        is_turned = tf.constant([zoom == 1 for zoom, *_ in _LOOKS])
        is_large = is_turned & (theirs > _SURE_ENOUGH)
        best = tf.argmax(tf.where(is_large, _TURNED * theirs, theirs))
        is_surer = tf.gather(theirs, best) > _SURER * sure
        return tf.where(is_surer, tf.gather(tf.stack(squares), best), whole)

    return tf.cond(sure > _SURE_ENOUGH, lambda: whole, other_looks)


def fits(face: tf.Tensor, square: tf.Tensor) -> tf.Tensor:
    """Whether a face's own square is close enough to the one it was seen in."""
    ratio = face[2] / square[2]
    shift = tf.norm(face[:2] - square[:2], ord=np.inf) / square[2]
    roll = face[3] - square[3]
    return (
        (tf.maximum(ratio, 1.0 / ratio) < SCALE_TOLERANCE)
        & (shift < SHIFT_TOLERANCE)
        & (tf.cos(roll) > np.cos(ROLL_TOLERANCE))
    )


class FaceSearch:
    """Parses the face of one photo of any size and framing.

    The whole photo is looked at first, or a part, see `most_confident_crop`. If the
    windows say that the face is far smaller, larger, further off the centre or more
    rolled than those trained on, the square around it is cut out upright and looked at
    again, so a small face gets its pixels.

    Args:
        model: the model, or its fused form.
        looks: how often a square is cut out at most.

    Raises:
        ValueError: if `looks` is negative.
    """

    def __init__(self, model: Pipeline, looks: int = 2) -> None:
        if looks < 0:
            raise ValueError(
                f"Argument `looks` must not be negative. Received: looks={looks}"
            )
        self.model = model
        self.looks = looks

    def __call__(
        self, photo: tf.Tensor, square: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """Parses a photo.

        Args:
            photo: uint8 `(height, width, 3)`, RGB.
            square: float `(4,)`, where to look first; None: see `most_confident_crop`.

        Returns:
            `mask` uint8 `(height, width)`; `theta` float `(parts, 2, 3)`, patch ->
            photo, rolled as the square is; `square` float `(4,)`: where the face was
            parsed.
        """
        photo = tf.convert_to_tensor(photo)
        size = tf.cast(tf.shape(photo)[1::-1], tf.float32)
        square = most_confident_crop(self.model, photo) if square is None else square
        square = tf.ensure_shape(tf.cast(square, tf.float32), (4,))
        mean_centers = np.asarray(self.model.mean_crop)[:, 1:]

        def own_square(theta: tf.Tensor) -> tf.Tensor:
            return square_around(to_pixels(theta[..., 2], size), mean_centers)

        def is_off(square: tf.Tensor, mask: tf.Tensor, theta: tf.Tensor) -> tf.Tensor:
            return ~fits(own_square(theta), square)

        def look_again(square: tf.Tensor, mask: tf.Tensor, theta: tf.Tensor) -> tuple:
            square = own_square(theta)
            return (square, *self._parse(photo, size, square))

        square, mask, theta = tf.while_loop(
            is_off,
            look_again,
            (square, *self._parse(photo, size, square)),
            maximum_iterations=self.looks,
            parallel_iterations=1,
        )
        return {"mask": mask, "theta": theta, "square": square}

    def _parse(
        self, photo: tf.Tensor, size: tf.Tensor, square: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Parses what is in a square: mask `(height, width)` and theta of the photo."""
        side = tf.maximum(tf.round(square[2]), _SMALLEST)
        upright = tf.abs(square[3]) < ROLL_TOLERANCE
        turn = _rotation(tf.where(upright, 0.0, square[3]))
        corner = _corner(turn, square[:2], side)
        # Without a roll, pixels are copied and not blended.
        corner = tf.where(upright, tf.round(corner), corner)
        # As float: of uint8 the operation cuts the fractions off.
        pixels = tf.cast(photo, tf.float32)
        seen = _cut_out(pixels, turn, corner, tf.cast(side, tf.int32))
        outputs = self.model.parse(seen[None])
        back = _affine(
            tf.transpose(turn), -tf.linalg.matvec(turn, corner, transpose_a=True)
        )
        height, width = tf.unstack(tf.shape(photo)[:2])
        mask = outputs["mask"][0, ..., None]
        mask = warp(mask, back, (height, width), "nearest")
        theta = _theta_to_photo(outputs["theta"][0], turn, corner, side, size)
        return tf.ensure_shape(mask[..., 0], photo.shape[:2]), theta


def _rotation(roll: tf.Tensor) -> tf.Tensor:
    cos, sin = tf.cos(roll), tf.sin(roll)
    return tf.stack([tf.stack([cos, -sin]), tf.stack([sin, cos])])


def _corner(turn: tf.Tensor, middle: Tensor, side: Tensor) -> tf.Tensor:
    """Returns the first pixel of a square that is turned about its middle."""
    half = (tf.cast(side, tf.float32) - 1.0) / 2.0
    return middle - tf.linalg.matvec(turn, tf.stack([half, half]))


def _cut_out(
    pixels: tf.Tensor, turn: tf.Tensor, corner: tf.Tensor, side: Tensor
) -> tf.Tensor:
    """Cuts a turned square out of `(height, width, 3)`, black where there is none."""
    return warp(pixels, _affine(turn, corner), (side, side))


def _affine(turn: tf.Tensor, corner: tf.Tensor) -> tf.Tensor:
    """Builds the matrix `(3, 3)` of `turn @ (x, y) + corner`, see `augment.warp`."""
    rows = tf.concat([turn, corner[:, None]], axis=1)
    return tf.concat([rows, [[0.0, 0.0, 1.0]]], axis=0)


def _theta_to_photo(
    theta: tf.Tensor,
    turn: tf.Tensor,
    corner: tf.Tensor,
    side: tf.Tensor,
    size: tf.Tensor,
) -> tf.Tensor:
    """Takes theta from patch -> square to patch -> photo."""
    extent = tf.maximum(size - 1.0, 1.0)
    center = to_pixels(theta[..., 2], tf.stack([side, side]))
    center = tf.linalg.matvec(turn, center) + corner
    axes = tf.matmul(turn, theta[..., :2]) * ((side - 1.0) / extent)[:, None]
    return tf.concat([axes, (2.0 * center / extent - 1.0)[..., None]], axis=-1)
