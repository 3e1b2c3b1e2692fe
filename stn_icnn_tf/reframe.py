"""Photos of any framing: parses the square in which a face lies as in training."""

from typing import Any

import numpy as np
import tensorflow as tf

from stn_icnn_tf.geometry import make_theta, theta_scale, to_pixels
from stn_icnn_tf.pipeline import Pipeline

Tensor = Any

# A square this close to that of the mean face stays as it is. Training photos are
# enlarged, shrunk and shifted about as much.
SCALE_TOLERANCE = 1.4
SHIFT_TOLERANCE = 0.2


def square_around(centers: Tensor, mean_centers: np.ndarray) -> tf.Tensor:
    """Finds the square in which points lie as they do in the frame of the mean face.

    Args:
        centers: float `(points, 2)`, (x, y) in pixels; two points at least.
        mean_centers: float `(points, 2)`, normalised (x, y) of the same points.

    Returns:
        float `(3,)`: left, top and side in pixels. By least squares; the square may
        reach out of the photo.
    """
    mean = np.asarray(mean_centers, "float32")
    spread = mean - mean.mean(axis=0)
    centers = tf.cast(centers, tf.float32)
    middle = tf.reduce_mean(centers, axis=0)
    half = tf.reduce_sum((centers - middle) * spread) / float(np.sum(spread**2))
    # Points in disorder are no face: then a dot where they are, not a mirrored one.
    half = tf.maximum(half, 4.0)
    corner = middle - half * (mean.mean(axis=0) + 1.0)
    return tf.concat([corner, [2.0 * half + 1.0]], axis=0)


def whole_square(size: Tensor) -> tf.Tensor:
    """Returns left, top and side of the square that letterboxing makes of a photo."""
    side = tf.reduce_max(size)
    return tf.concat([-((side - size) // 2.0), [side]], axis=0)


class AnyFraming:
    """Parses the face of one photo of any size and framing.

    The photo as a whole is looked at first. If the windows say that the face is
    far smaller, larger or further off the centre than those trained on, the square
    around it is cut out and looked at again, so a small face gets its pixels.

    Args:
        model: the model, or its inference form.
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
            square: float `(3,)`, left, top and side in pixels of where to look
                first; None is the whole photo.

        Returns:
            `mask` uint8 `(height, width)`; `theta` float `(parts, 2, 3)`, patch ->
            photo; `square` float `(3,)`: where the face was parsed.
        """
        size = tf.cast(tf.shape(photo)[1::-1], tf.float32)
        if square is None:
            square = whole_square(size)
        square = tf.cast(square, tf.float32)
        mask, theta = self._parse(photo, size, square)

        mean_centers = np.asarray(self.model.mean_crop)[:, 1:]

        def own_square(theta: tf.Tensor) -> tf.Tensor:
            return square_around(to_pixels(theta[..., 2], size), mean_centers)

        def off(look: tf.Tensor, square: tf.Tensor, mask: Any, theta: tf.Tensor) -> Any:
            return ~fits(own_square(theta), square)

        def look_again(
            look: tf.Tensor, square: tf.Tensor, mask: Any, theta: tf.Tensor
        ) -> tuple:
            square = own_square(theta)
            return (look + 1, square, *self._parse(photo, size, square))

        _, square, mask, theta = tf.while_loop(
            off,
            look_again,
            (0, square, mask, theta),
            maximum_iterations=self.looks,
            parallel_iterations=1,
        )
        return {"mask": mask, "theta": theta, "square": square}

    def _parse(
        self, photo: tf.Tensor, size: tf.Tensor, square: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Parses what is in a square: mask `(height, width)` and theta of the photo."""
        corner = tf.cast(tf.round(square[:2]), tf.int32)
        side = tf.maximum(tf.cast(tf.round(square[2]), tf.int32), 8)
        whole = tf.cast(size, tf.int32)
        first = tf.clip_by_value(corner, 0, whole - 1)
        last = tf.clip_by_value(corner + side, first + 1, whole)
        # What lies within the photo, and zeros around it.
        inside = photo[first[1] : last[1], first[0] : last[0]]
        before = tf.minimum(tf.maximum(first - corner, 0), side - 1)
        after = tf.maximum(side - before - (last - first), 0)
        around = [[before[1], after[1]], [before[0], after[0]], [0, 0]]
        outputs = self.model.parse(tf.pad(inside, around)[None])
        mask = outputs["mask"][0]
        mask = mask[before[1] :, before[0] :][
            : last[1] - first[1], : last[0] - first[0]
        ]
        rest = whole - last
        mask = tf.pad(mask, [[first[1], rest[1]], [first[0], rest[0]]])
        mask = tf.ensure_shape(mask, photo.shape[:2])
        return mask, _theta_to_photo(outputs["theta"][0], corner, side, size)


def fits(face: tf.Tensor, square: tf.Tensor) -> tf.Tensor:
    """Whether a face's own square is close enough to the one it was seen in."""
    ratio = face[2] / square[2]
    shift = (face[:2] - square[:2] + (face[2] - square[2]) / 2.0) / square[2]
    return tf.logical_and(
        tf.maximum(ratio, 1.0 / ratio) < SCALE_TOLERANCE,
        tf.reduce_max(tf.abs(shift)) < SHIFT_TOLERANCE,
    )


def _theta_to_photo(
    theta: tf.Tensor, corner: tf.Tensor, side: tf.Tensor, size: tf.Tensor
) -> tf.Tensor:
    """Takes theta from patch -> square to patch -> photo."""
    corner, side = tf.cast(corner, tf.float32), tf.cast(side, tf.float32)
    extent = tf.maximum(size - 1.0, 1.0)
    center = corner + to_pixels(theta[..., 2], tf.stack([side, side]))
    scale = theta_scale(theta) * (side - 1.0) / extent
    return make_theta(scale, 2.0 * center / extent - 1.0)
