"""What a Beam worker does for CelebAMask-HQ. No TensorFlow of its own.

Not in the builder's module: `tfds build` imports that under a name of its own, by
which a worker in another process could not find it.
"""

import io
from collections.abc import Mapping

from PIL import Image

from tfds_builders.celeb_a_mask_hq import layout
from tfds_builders.files import Root


def read_example(
    root: Root, labels: Mapping[str, int], key_id: tuple[int, int]
) -> tuple[int, dict]:
    """Reads one example, encoded.

    Args:
        root: from `layout.find_root`.
        labels: part -> class id, in the order in which parts are drawn.
        key_id: key of the example, and id of the photo.

    Returns:
        `(key, features)`.

    Raises:
        ValueError: naming a file that cannot be decoded or does not fit.
    """
    key, photo_id = key_id
    photo, mask = layout.read_sample(root, photo_id, labels)
    # Encoded here: TFDS's encoder starts a TensorFlow session in every worker.
    png = io.BytesIO()
    Image.fromarray(mask).save(png, "PNG")
    return key, {
        "image": photo,
        "segmentation_mask": png.getvalue(),
        "name": str(photo_id),
    }
