"""Augmentation: one fused affine warp of photo and label, then pixel noise."""

import dataclasses
import math
from typing import Any

import tensorflow as tf

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet

# The paper's operations, in the order of `chosen_operations`.
OPERATIONS = ("rotation", "shift", "scale", "noise")
DRAWS = ("independent", "counted")


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Ranges of the random operations.

    The first four, `OPERATIONS`, are the paper's. Mirroring (with probability
    1/2), colour and blur are ours.

    Attributes:
        rotation: largest angle, degrees, either way.
        shift: largest shift, as a part of width and height, either way.
        scale: `(smallest, largest)` factor, drawn evenly in its logarithm; above
            1 enlarges.
        noise: largest standard deviation of Gaussian noise, in 0..255.
        color: largest relative change of brightness; contrast and colour cast
            change by half of it.
        blur: largest factor by which a blurred photo is shrunk and enlarged again;
            drawn evenly in its logarithm; 1 for none.
        blurred: share of the photos that are blurred.
        mirror: whether photos are mirrored left to right.
        pasted: share of the photos that are given hat, glasses or necklace
            of another, see `pasting.paste_worn`.
        recolored: share of the photos of which cloth and hat change their colour.
        probability: of each operation, if `operations` is `"independent"`.
        operations: how the paper's operations are drawn. `"independent"`: each
            with `probability`. `"counted"`, the paper's: first how many, 1 to 4
            alike, then which. (The paper's example does k on the k-th of four
            variants: the same shares.)
        alone: ranges of `shift` and `scale` where `"counted"` draws one
            operation alone; None: the same.
        variants: examples that a photo gives in an epoch. With 1, the photo is
            augmented; with more, the first is the photo as it is (the paper
            has 5).

    Raises:
        ValueError: if an attribute is none of these.

    Reference:
        STN-iCNN section 2.5.1.
    """

    rotation: float = 15.0
    shift: float = 0.1
    scale: tuple[float, float] = (0.9, 1.2)
    noise: float = 8.0
    color: float = 0.0
    blur: float = 1.0
    blurred: float = 0.25
    mirror: bool = False
    pasted: float = 0.0
    recolored: float = 0.0
    probability: float = 0.5
    operations: str = "independent"
    alone: "Augmentation | None" = None
    variants: int = 1

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
        if self.blur < 1 or not 0 <= self.blurred <= 1:
            raise ValueError(
                "Arguments `blur` and `blurred` must be at least 1 and in 0..1. "
                f"Received: blur={self.blur}, blurred={self.blurred}"
            )
        if not (0 <= self.pasted <= 1 and 0 <= self.recolored <= 1):
            raise ValueError(
                "Arguments `pasted` and `recolored` must be in 0..1. "
                f"Received: pasted={self.pasted}, recolored={self.recolored}"
            )
        if self.operations not in DRAWS:
            raise ValueError(
                f"Argument `operations` must be one of {DRAWS}. "
                f"Received: operations={self.operations}"
            )
        if self.alone is not None and self.operations != "counted":
            raise ValueError(
                'Argument `alone` must be None unless `operations` is "counted". '
                f"Received: operations={self.operations}, alone={self.alone}"
            )
        if self.variants < 1:
            raise ValueError(
                "Argument `variants` must be at least 1. "
                f"Received: variants={self.variants}"
            )


_PAPER: dict[str, Any] = {"operations": "counted", "variants": 5}
_HELEN_ALONE = Augmentation(rotation=15.0, shift=0.3, scale=(0.8, 1.5), **_PAPER)
_HELEN_COMBINED = Augmentation(rotation=15.0, shift=0.1, scale=(0.9, 1.2), **_PAPER)

_OURS = Augmentation(
    rotation=20.0, shift=0.1, scale=(0.8, 1.3), noise=8.0, color=0.3, mirror=True
)
_HEAD = dataclasses.replace(_OURS, shift=0.15, scale=(0.6, 1.3), blur=4.0, blurred=0.2)
_MILD = dataclasses.replace(
    _OURS, rotation=10.0, scale=(0.85, 1.2), noise=4.0, color=0.2
)

# name -> augmentation. `ours` is that of our own schedules, `wide` that of their
# stages that find the face: tilted, far and blurred faces; `mild` that of their stages
# that label its parts, near to the photos as they are; `mild_blurred` the same for
# models that small photos are shown; `head` that of coarse nets of whole heads,
# `head_worn` nearly the same, with what people wear exchanged. The rest are the paper's
# way with the ranges of the published model. On HELEN these are wider for an operation
# alone than for several combined: `helen` tells the two apart. The strength of the
# noise is ours: it is not printed.
AUGMENTATIONS = {
    "ours": _OURS,
    "wide": dataclasses.replace(
        _OURS, rotation=30.0, shift=0.2, scale=(0.5, 1.3), blur=4.0, probability=0.4
    ),
    "head": _HEAD,
    "head_worn": dataclasses.replace(
        _HEAD, shift=0.1, scale=(0.7, 1.3), blurred=0.15, pasted=0.35, recolored=0.3
    ),
    "mild": _MILD,
    "mild_blurred": dataclasses.replace(_MILD, blur=4.0, blurred=0.2),
    "helen": dataclasses.replace(_HELEN_COMBINED, alone=_HELEN_ALONE),
    "helen_combined": _HELEN_COMBINED,
    "helen_alone": _HELEN_ALONE,
    "celebamask_hq": Augmentation(rotation=17.0, shift=0.1, scale=(0.6, 1.1), **_PAPER),
}


def _uniform(seed: tf.Tensor, count: int, low: float, high: float) -> tf.Tensor:
    return tf.random.stateless_uniform((count,), seed, low, high)


def chosen_operations(augmentation: Augmentation, seed: tf.Tensor) -> tf.Tensor:
    """Draws which of `OPERATIONS` one augmented photo undergoes.

    Args:
        augmentation: says how they are drawn.
        seed: integer `(2,)`.

    Returns:
        bool `(4,)`.
    """
    if augmentation.operations == "counted":
        draw = _uniform(seed + 4, 1 + len(OPERATIONS), 0.0, 1.0)
        count = 1 + tf.cast(draw[0] * len(OPERATIONS), tf.int32)
        # The places of even draws in their order: a permutation, all alike.
        places = tf.argsort(tf.argsort(draw[1:]))
        return places < count
    warps = _uniform(seed + 1, 4, 0.0, 1.0)[:3]
    noise = tf.abs(_uniform(seed + 2, 8, -1.0, 1.0)[6:7])
    return tf.concat([warps, noise], axis=0) < augmentation.probability


def _log_scale_range(augmentation: Augmentation) -> tuple[float, float]:
    """Returns the smallest log of the scale, and the width of its range."""
    smallest, largest = (math.log(factor) for factor in augmentation.scale)
    return smallest, largest - smallest


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
    operations = tf.cast(chosen_operations(augmentation, seed), tf.float32)
    chosen = tf.unstack(operations)
    alone = tf.reduce_sum(operations) == 1.0
    wide = augmentation.alone or augmentation

    angle = draw[0] * chosen[0] * math.radians(augmentation.rotation)
    shift = tf.where(alone, float(wide.shift), float(augmentation.shift))
    shift_x = draw[1] * chosen[1] * shift * width
    shift_y = draw[2] * chosen[1] * shift * height
    smallest, span = (
        tf.where(alone, *pair)
        for pair in zip(_log_scale_range(wide), _log_scale_range(augmentation))
    )
    log_scale = smallest + (draw[3] + 1.0) / 2.0 * span
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


def mirror_mask(mask: tf.Tensor, class_set: ClassSet = EIGHT_PARTS) -> tf.Tensor:
    """Swaps left and right class ids of a label whose pixels were mirrored."""
    table = tf.constant(class_set.mirrored_classes, tf.uint8)
    return tf.gather(table, tf.cast(mask, tf.int32))


def random_pixels(
    augmentation: Augmentation, image: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """Changes the colours, blurs, adds Gaussian noise; labels have no part in it.

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
    if augmentation.blur > 1.0:
        chosen, size = tf.unstack(_uniform(seed + 5, 2, 0.0, 1.0))

        def blur() -> tf.Tensor:
            whole = tf.shape(image)[:2]
            factor = tf.exp(size * math.log(augmentation.blur))
            few = tf.cast(tf.cast(whole, tf.float32) / factor, tf.int32)
            small = tf.image.resize(image, tf.maximum(few, 1), antialias=True)
            return tf.ensure_shape(tf.image.resize(small, whole), image.shape)

        image = tf.cond(chosen < augmentation.blurred, blur, lambda: image)
    if augmentation.noise:
        noisy = chosen_operations(augmentation, seed)[3]

        def add_noise() -> tf.Tensor:
            deviation = augmentation.noise * tf.abs(draw[7])
            return image + deviation * tf.random.stateless_normal(
                tf.shape(image), seed + 3
            )

        image = tf.cond(noisy, add_noise, lambda: image)
    return tf.clip_by_value(image, 0.0, 255.0)
