"""Small models and data that several tests share."""

import io

import numpy as np
import tensorflow as tf
from PIL import Image

from stn_icnn_tf.model import StnIcnn
from stn_icnn_tf.preprocess import Framing
from tfds_builders.synthetic_faces.drawing import draw_face

SMALL = {
    "coarse_size": 32,
    "patch_size": 17,
    "canvas_size": 64,
    "coarse_filters": (4, 4),
    "part_filters": (4, 4),
    "localization_filters": (4, 4, 4, 4),
}


def mirrored(devices):
    """A strategy over logical CPU devices.

    The default reduction keeps one table of keys for the whole process, which
    two strategies on the same devices, as in tests, get wrong.
    """
    return tf.distribute.MirroredStrategy(
        devices, cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def small_model(**kwargs):
    return StnIcnn(**{**SMALL, **kwargs})


def framing_of(model):
    return Framing(model.framing, model.coarse_size, model.canvas_size)


def faces(count, side=96, seed=0):
    """A dataset of drawn faces of several sizes, shaped like the builders'."""
    examples = []
    for index in range(count):
        rng = np.random.default_rng((seed, index))
        size = (side + int(rng.integers(0, 9)), side - int(rng.integers(0, 9)))
        image, mask = draw_face(rng, size)
        examples.append(
            {"image": image, "segmentation_mask": mask[..., None], "name": str(index)}
        )
    return tf.data.Dataset.from_generator(
        lambda: iter(examples),
        output_signature={
            "image": tf.TensorSpec((None, None, 3), tf.uint8),
            "segmentation_mask": tf.TensorSpec((None, None, 1), tf.uint8),
            "name": tf.TensorSpec((), tf.string),
        },
    ).apply(tf.data.experimental.assert_cardinality(count))


def encode_picture(image, suffix="PNG", **kwargs):
    content = io.BytesIO()
    Image.fromarray(image).save(content, suffix, **kwargs)
    return content.getvalue()


def decode_picture(content):
    with Image.open(io.BytesIO(content)) as picture:
        return np.array(picture)
