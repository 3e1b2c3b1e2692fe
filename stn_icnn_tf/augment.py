"""Augmentation: one fused affine warp of photo and label, then pixel noise."""

import dataclasses
import math

import tensorflow as tf

from stn_icnn_tf.labels import MIRRORED_CLASSES


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Ranges of the random operations.

    The first four are the paper's; each is done with `probability`. Mirroring
    (with probability 1/2) and colour are ours.

    Attributes:
        rotation: largest angle, degrees, either way.
        shift: largest shift, as a part of width and height, either way.
        scale: `(smallest, largest)` factor; above 1 enlarges.
        noise: largest standard deviation of Gaussian noise, in 0..255.
        color: largest relative change of brightness; contrast and colour cast
            change by half of it.
        mirror: whether photos are mirrored left to right.
        probability: of each operation.
    """

    rotation: float = 15.0
    shift: float = 0.1
    scale: tuple[float, float] = (0.9, 1.2)
    noise: float = 8.0
    color: float = 0.0
    mirror: bool = False
    probability: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(
                "Argument `scale` must be (smallest, largest), both positive. "
                f"Received: scale={self.scale}"
            )
        if not 0 <= self.probability <= 1:
            raise ValueError(
                "Argument `probability` must be in 0..1. "
                f"Received: probability={self.probability}"
            )


def _uniform(seed: tf.Tensor, count: int, low: float, high: float) -> tf.Tensor:
    return tf.random.stateless_uniform((count,), seed, low, high)


def random_warp(
    augmentation: Augmentation, size: tuple[tf.Tensor, tf.Tensor], seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws the affine map of one augmented photo.

    Args:
        augmentation: the ranges.
        size: `(height, width)` of the picture in pixels.
        seed: integer `(2,)`.

    Returns:
        matrix: float `(3, 3)`, output -> input, homogeneous pixel coordinates
            (x, y, 1).
        mirrored: bool, whether left and right changed places.
    """
    height, width = (tf.cast(number, tf.float32) for number in size)
    draw = tf.unstack(_uniform(seed, 5, -1.0, 1.0))
    coins = tf.unstack(_uniform(seed + 1, 4, 0.0, 1.0))
    chosen = [tf.cast(coin < augmentation.probability, tf.float32) for coin in coins]

    angle = draw[0] * chosen[0] * math.radians(augmentation.rotation)
    shift_x = draw[1] * chosen[1] * augmentation.shift * width
    shift_y = draw[2] * chosen[1] * augmentation.shift * height
    smallest, largest = (math.log(factor) for factor in augmentation.scale)
    log_scale = smallest + (draw[3] + 1.0) / 2.0 * (largest - smallest)
    shrink = tf.exp(-log_scale * chosen[2])
    mirrored = tf.logical_and(augmentation.mirror, draw[4] < 0.0)
    side = tf.where(mirrored, -1.0, 1.0)

    # About the centre: undo the shift, the rotation and the scale, then mirror.
    center_x, center_y = (width - 1.0) / 2.0, (height - 1.0) / 2.0
    cos, sin = shrink * tf.cos(angle), shrink * tf.sin(angle)
    offset_x, offset_y = center_x + shift_x, center_y + shift_y
    return (
        tf.stack(
            [
                [
                    side * cos,
                    side * sin,
                    center_x - side * (cos * offset_x + sin * offset_y),
                ],
                [-sin, cos, center_y + sin * offset_x - cos * offset_y],
                [0.0, 0.0, 1.0],
            ]
        ),
        mirrored,
    )


def warp(
    image: tf.Tensor,
    matrix: tf.Tensor,
    output_size: tuple[tf.Tensor, tf.Tensor],
    interpolation: str = "bilinear",
) -> tf.Tensor:
    """Warps one picture by an affine map, zero outside.

    Args:
        image: `(height, width, channels)`, uint8 or float32.
        matrix: float `(3, 3)`, output -> input, pixel coordinates (x, y, 1).
        output_size: `(height, width)` in pixels.
        interpolation: `"bilinear"` or `"nearest"`.

    Returns:
        `(*output_size, channels)`, dtype of `image`.
    """
    warped = tf.raw_ops.ImageProjectiveTransformV3(
        images=image[None],
        transforms=tf.reshape(matrix, (1, 9))[:, :8],
        output_shape=tf.stack(output_size),
        interpolation=interpolation.upper(),
        fill_mode="CONSTANT",
        fill_value=0.0,
    )
    return warped[0]


def mirror_mask(mask: tf.Tensor) -> tf.Tensor:
    """Swaps left and right class ids of a label whose pixels were mirrored."""
    return tf.gather(tf.constant(MIRRORED_CLASSES, tf.uint8), tf.cast(mask, tf.int32))


def random_pixels(
    augmentation: Augmentation, image: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """Changes the colours and adds Gaussian noise; labels have no part in it.

    Args:
        augmentation: the ranges.
        image: float32 `(height, width, 3)`, 0..255.
        seed: integer `(2,)`.

    Returns:
        float32 `(height, width, 3)`, 0..255.
    """
    draw = _uniform(seed + 2, 8, -1.0, 1.0)
    if augmentation.color:
        brightness = 1.0 + augmentation.color * draw[0]
        contrast = 1.0 + augmentation.color / 2.0 * draw[1]
        cast = 1.0 + augmentation.color / 2.0 * draw[2:5]
        image = (image * (brightness * cast) - 128.0) * contrast + 128.0
        gray = tf.reduce_mean(image, axis=-1, keepdims=True)
        # One photo in ten loses its colour.
        image = tf.where(draw[5] > 0.8, gray + tf.zeros_like(image), image)
    if augmentation.noise:
        noisy = tf.abs(draw[6]) < augmentation.probability

        def add_noise() -> tf.Tensor:
            deviation = augmentation.noise * tf.abs(draw[7])
            return image + deviation * tf.random.stateless_normal(
                tf.shape(image), seed + 3
            )

        image = tf.cond(noisy, add_noise, lambda: image)
    return tf.clip_by_value(image, 0.0, 255.0)
