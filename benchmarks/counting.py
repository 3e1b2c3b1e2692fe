"""What the scripts about labels share: counts summed over photos."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from trainers.common.data import decoded_photos


def sum_over_photos(
    count: Callable[[tf.Tensor, tf.Tensor], list[tf.Tensor]], dataset: tf.data.Dataset
) -> list[np.ndarray]:
    """Sums what is counted on each photo.

    Args:
        count: of a photo, uint8 `(height, width, 3)`, and its label, uint8 `(height,
            width)`, gives arrays of whole numbers; compiled here.
        dataset: examples of a TFDS builder of this project, one at least.

    Returns:
        the sum of each array.
    """
    compiled = tf.function(
        count,
        input_signature=[
            tf.TensorSpec((None, None, 3), tf.uint8),
            tf.TensorSpec((None, None), tf.uint8),
        ],
        autograph=False,
    )
    counts = (
        compiled(example["image"], example["segmentation_mask"][..., 0])
        for example in decoded_photos(dataset)
    )
    totals = [array.numpy() for array in next(counts)]
    for arrays in counts:
        totals = [t + a.numpy() for t, a in zip(totals, arrays, strict=True)]
    return totals
