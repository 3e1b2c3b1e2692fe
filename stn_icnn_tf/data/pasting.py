"""Augmentation of what people wear: pasted from photo to photo, and recoloured.

Few photos show a hat, glasses or a necklace, and a net that has learned
these few by heart does not know others.
"""

import functools
from typing import Any

import tensorflow as tf

from stn_icnn_tf.class_sets import ClassSet
from stn_icnn_tf.data.augment import Augmentation

# What is pasted, where a class set has it.
PASTED = ("glasses", "hat", "necklace")
# What is recoloured: it comes in every colour.
RECOLORED = ("cloth", "hat")
# Fewer pixels of a class are a slip of the pen.
_FEWEST = 40

_State = tuple[tf.Tensor, tf.Tensor]


def _is_one_of(
    mask: tf.Tensor, names: tuple[str, ...], class_set: ClassSet
) -> tf.Tensor:
    """Says of each pixel whether its class is one of these; bool, shape of `mask`."""
    ids = [class_set.id_of(name) for name in names if name in class_set.names]
    return functools.reduce(tf.logical_or, [mask == class_id for class_id in ids])


def paste_worn(
    examples: tf.data.Dataset,
    class_set: ClassSet,
    augmentation: Augmentation,
    key: tuple[int, int],
) -> tf.data.Dataset:
    """Pastes hat, glasses and necklace of one photo into another.

    They lie at their places in the photo, so this is for photos that are aligned
    alike. The giver is the latest photo before it that shows one of them, mirrored in
    half of the cases; one of another size gives nothing. Labels come along.

    Args:
        examples: decoded, `(anything, {"image": uint8 (height, width, 3),
            "segmentation_mask": uint8 (height, width, 1), ...})`.
        class_set: of the labels.
        augmentation: `pasted` is the share of the photos that are given something.
        key: two integers, the random seed: of the run, and the epoch.

    Returns:
        the same examples; all as they were if the class set has nothing to paste.

    Reference:
        Ghiasi et al. 2021, Simple Copy-Paste.
    """
    if not augmentation.pasted or not set(PASTED) & set(class_set.names):
        return examples

    @tf.autograph.experimental.do_not_convert
    def paste(
        giver: _State, numbered: tuple[tf.Tensor, tuple[Any, dict]]
    ) -> tuple[_State, tuple[Any, dict]]:
        place, (first, example) = numbered
        image, mask = example["image"], example["segmentation_mask"]
        seed = tf.stack([key[0], key[1] * 1_000_000 + place])
        draw = tf.random.stateless_uniform((2,), seed)

        def pasted() -> _State:
            flipped = draw[1] < 0.5
            new, label = (
                tf.cond(flipped, lambda x=x: x[:, ::-1], lambda x=x: x) for x in giver
            )
            there = _is_one_of(label, PASTED, class_set)
            return tf.where(there, new, image), tf.where(there, label, mask)

        fits = tf.reduce_all(tf.shape(giver[1]) == tf.shape(mask))
        chosen = tf.logical_and(draw[0] < augmentation.pasted, fits)
        received = tf.cond(chosen, pasted, lambda: (image, mask))
        worn = _is_one_of(mask, PASTED, class_set)
        gives = tf.reduce_sum(tf.cast(worn, tf.int32)) > _FEWEST
        giver = tf.cond(gives, lambda: (image, mask), lambda: giver)
        for tensor, last in zip(giver, (3, 1), strict=True):
            tensor.set_shape((None, None, last))
        result = {**example, "image": received[0], "segmentation_mask": received[1]}
        return giver, (first, result)

    nothing = tf.zeros((1, 1, 3), tf.uint8), tf.zeros((1, 1, 1), tf.uint8)
    return examples.enumerate().scan(nothing, paste)


def recolor_worn(
    augmentation: Augmentation,
    class_set: ClassSet,
    image: tf.Tensor,
    mask: tf.Tensor,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Gives cloth and hat another colour, in a share of the photos.

    Args:
        augmentation: `recolored` is that share.
        class_set: of the labels.
        image: float32 `(height, width, 3)`, 0..255.
        mask: uint8 `(height, width, 1)`.
        seed: integer `(2,)`.

    Returns:
        float32 `(height, width, 3)`, 0..255 if nothing was brighter.
    """
    if not augmentation.recolored or not set(RECOLORED) & set(class_set.names):
        return image
    draw = tf.random.stateless_uniform((8,), seed + 6, -1.0, 1.0)

    def recolored() -> tf.Tensor:
        gain = tf.exp(0.5 * draw[:3] + 0.3 * draw[3])
        there = _is_one_of(mask, RECOLORED, class_set)
        return tf.where(
            there, tf.minimum(image * gain + 20.0 * draw[4:7], 255.0), image
        )

    return tf.cond(
        draw[7] < 2.0 * augmentation.recolored - 1.0, recolored, lambda: image
    )
