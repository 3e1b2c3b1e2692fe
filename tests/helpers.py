"""Small models and data that several tests share."""

import contextlib
import dataclasses
import functools
import io
import struct
import subprocess
import sys
import zipfile

import numpy as np
import tensorflow as tf
from absl import flags
from PIL import Image

from benchmarks.kills import ONE_NET
from stn_icnn_tf.class_sets import EIGHT_PARTS, HEAD
from stn_icnn_tf.data.preprocess import Framing
from stn_icnn_tf.drawn_faces.drawing import draw_face
from stn_icnn_tf.models.stn_icnn import StnIcnn

SMALL = {
    "coarse_size": 32,
    "patch_size": 17,
    "canvas_size": 64,
    "coarse_filters": (4, 4),
    "part_filters": (4, 4),
    "localization_filters": (4, 4, 4, 4),
    # A test mostly builds graphs, and two more make them twice as large.
    "num_interlinks": 1,
}


# What the coarse net alone labels, too.
ONE_NET_HEAD = dataclasses.replace(
    ONE_NET,
    names=(*ONE_NET.names, "skin", "hair"),
    palette=(*ONE_NET.palette, *HEAD.palette[:2]),
)


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
    return Framing.of(model)


@functools.cache
def _face(index, side, seed, class_set):
    rng = np.random.default_rng((seed, index))
    size = (side + int(rng.integers(0, 9)), side - int(rng.integers(0, 9)))
    image, mask = draw_face(rng, size, class_set)
    return {"image": image, "segmentation_mask": mask[..., None], "name": str(index)}


def faces(count, side=96, seed=0, class_set=EIGHT_PARTS):
    """A dataset of drawn faces of several sizes, shaped like the builders'."""
    examples = [_face(index, side, seed, class_set) for index in range(count)]
    return tf.data.Dataset.from_generator(
        lambda: iter(examples),
        output_signature={
            "image": tf.TensorSpec((None, None, 3), tf.uint8),
            "segmentation_mask": tf.TensorSpec((None, None, 1), tf.uint8),
            "name": tf.TensorSpec((), tf.string),
        },
    ).apply(tf.data.experimental.assert_cardinality(count))


def photos(*shape):
    """Noise, uint8 `(*shape, 3)`."""
    return np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype("uint8")


def shake(model, seed=8):
    """Gives every weight some random value, as training would."""
    rng = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign_add(rng.normal(0, 0.1, variable.shape))


def script(*arguments):
    """Runs a script of the project by its command line."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)], capture_output=True, text=True
    )


@contextlib.contextmanager
def parsed_flags(module, *arguments):
    """Gives a script its flags in this process, and takes them away again."""
    before = set(flags.FLAGS)
    module.define_flags()
    names = set(flags.FLAGS) - before
    try:
        flags.FLAGS([module.__name__, *map(str, arguments)])
        yield
    finally:
        for name in names:
            delattr(flags.FLAGS, name)


def call_script(module, *arguments):
    """Runs a script of the project in this process."""
    with parsed_flags(module, *arguments):
        module.main([module.__name__])


def model_flags(**kwargs):
    """The flags of `trainers.train` that give a small model."""
    values = {k: str(v).strip("()") for k, v in {**SMALL, **kwargs}.items()}
    return [f"--set_model={k}={v.replace(' ', '')}" for k, v in values.items()]


def zip_folder(folder, archive, top=""):
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                file.write(path, f"{top}{path.relative_to(folder).as_posix()}")


def encode(picture, kind, **options):
    """Encodes a Pillow picture."""
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def encode_picture(image, kind="PNG", **options):
    """Encodes an array."""
    return encode(Image.fromarray(image), kind, **options)


def odd_exif(orientation):
    """EXIF data whose ImageWidth is a text, as some programs store it."""
    entries = struct.pack("<HHI4s", 0x100, 2, 4, b"240")
    entries += struct.pack("<HHIHH", 0x112, 3, 1, orientation, 0)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)


def decode_picture(content):
    with Image.open(io.BytesIO(content)) as picture:
        return np.array(picture)
