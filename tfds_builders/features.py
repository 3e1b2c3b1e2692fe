"""What an example is, in every data set of this project."""

import numpy as np
import tensorflow_datasets as tfds


def face_features(encoding_format: str | None = None) -> tfds.features.FeaturesDict:
    """Returns the features: a photo of any size, its mask of class ids, its name.

    Args:
        encoding_format: of photos that are given as arrays. None: they are given as
            the bytes of their files, which pass through.
    """
    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(
                shape=(None, None, 3), encoding_format=encoding_format
            ),
            "segmentation_mask": tfds.features.Image(
                shape=(None, None, 1), dtype=np.uint8, encoding_format="png"
            ),
            "name": tfds.features.Text(),
        }
    )
