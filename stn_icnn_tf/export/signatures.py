"""What a served model answers: its signatures, and their description.

All signatures share one graph of the networks, so that its constants are stored
once.
"""

import pathlib
import types
from typing import Any

import tensorflow as tf

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from stn_icnn_tf.export.image_decoding import MAX_MEGAPIXELS, MAX_SIDE, decode_photo
from stn_icnn_tf.geometry.windows import placed_share, window_edges
from stn_icnn_tf.inference.face_search import FaceSearch
from stn_icnn_tf.inference.fused import FusedModel
from stn_icnn_tf.inference.squares import two_pixels_at_least
from stn_icnn_tf.models.steps import ParsedParts

LABELS_FILE = "labels.json"

_IMAGES = {"images": ("uint8", ("batch", "height", "width", 3))}
_PHOTO = ("batch", "height", "width")


def signatures(class_set: ClassSet = EIGHT_PARTS) -> dict[str, dict]:
    """Describes the signatures of a served model.

    Returns:
        name -> `inputs` and `outputs` -> name -> dtype and shape.
    """
    parts = class_set.num_parts
    return {
        "serving_default": {
            "inputs": _IMAGES,
            "outputs": {
                "mask": ("uint8", _PHOTO),
                "theta": ("float32", ("batch", parts, 2, 3)),
                "boxes": ("float32", ("batch", parts, 4)),
            },
        },
        "serving_bytes": {
            "inputs": {"image_bytes": ("string", ("batch",))},
            "outputs": {
                "mask_bytes": ("string", ("batch",)),
                "error": ("string", ("batch",)),
            },
        },
        "serving_probabilities": {
            "inputs": _IMAGES,
            "outputs": {"probabilities": ("float32", (*_PHOTO, class_set.num_classes))},
        },
    }


def _input_spec(signature: str) -> tf.TensorSpec:
    ((name, (dtype, shape)),) = signatures()[signature]["inputs"].items()
    sizes = [size if isinstance(size, int) else None for size in shape]
    return tf.TensorSpec(sizes, dtype, name)


def describe_classes(class_set: ClassSet) -> dict:
    """Describes classes and parts: what every exported file carries."""
    return {
        "about": "Ids of the classes in masks. Left and right are the image's.",
        "classes": [
            {"id": index, "name": name, "color": list(color)}
            for index, (name, color) in enumerate(
                zip(class_set.names, class_set.palette, strict=True)
            )
        ],
        "parts": [
            {"name": part.name, "classes": list(part.classes)}
            for part in class_set.parts
        ],
    }


def describe_labels(class_set: ClassSet) -> dict:
    """Describes classes, parts and signatures: what `labels.json` holds."""
    return {
        **describe_classes(class_set),
        "signatures": {
            signature: {
                side: {
                    name: {"dtype": dtype, "shape": list(shape)}
                    for name, (dtype, shape) in tensors.items()
                }
                for side, tensors in sides.items()
            }
            for signature, sides in signatures(class_set).items()
        },
        "limits_of_encoded_photos": {
            "formats": ["JPEG", "PNG"],
            "max_megapixels": MAX_MEGAPIXELS,
            "max_side": MAX_SIDE,
        },
    }


class ServedModel(tf.Module):
    """A fused model behind the functions that are served.

    Args:
        parser: the fused model.
        labels: file of the description, which becomes an asset of the SavedModel.
        find_faces: whether `serving_bytes` searches for the face, see `FaceSearch`.
    """

    def __init__(
        self, parser: FusedModel, labels: pathlib.Path, find_faces: bool = True
    ) -> None:
        super().__init__()
        self.labels = tf.saved_model.Asset(str(labels))
        self._patch_size = parser.patch_size

        def parse_parts(images: tf.Tensor) -> tuple[ParsedParts, list]:
            photos = two_pixels_at_least(images)
            parsed = parser.parse_parts(photos)
            shape = (None, parser.class_set.num_parts, 2, 3)
            parsed = parsed._replace(theta=tf.ensure_shape(parsed.theta, shape))
            return parsed, tf.unstack(tf.shape(photos)[1:3])

        self._paste_back = parser.paste_back
        self._paste_probabilities = parser.paste_probabilities
        self._parse_parts = tf.function(
            parse_parts,
            # Float: what `FaceSearch` has turned lies between pixels.
            input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)],
            autograph=False,
        )
        self._parse_photo = self._parse_whole
        if find_faces:
            # The parser through functions that are traced once: every call of the
            # parser itself would store all weights again.
            size = parser.coarse_image_size
            view = tf.TensorSpec((None, size, size, 3), tf.float32)
            shared: Any = types.SimpleNamespace(
                parse=lambda images: self._parse(tf.cast(images, tf.float32)),
                coarse_image_size=size,
                mean_crop=parser.mean_crop,
                class_set=parser.class_set,
                search_thresholds=parser.search_thresholds,
                coarse_scores=tf.function(
                    parser.coarse_scores, input_signature=[view], autograph=False
                ),
            )
            self._parse_photo = FaceSearch(shared)

    @property
    def signatures(self) -> dict[str, tf.types.experimental.GenericFunction]:
        """The functions that `signatures` describes, by name."""
        return {
            "serving_default": self.parse,
            "serving_bytes": self.parse_encoded,
            "serving_probabilities": self.parse_probabilities,
        }

    @tf.function(input_signature=[_input_spec("serving_default")], autograph=False)
    def parse(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Gives the masks of photos, and the windows of their parts."""
        outputs = self._parse(tf.cast(images, tf.float32))
        return {name: outputs[name] for name in ("mask", "theta", "boxes")}

    def _parse(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        height, width = tf.unstack(tf.shape(images)[1:3])
        parsed, size = self._parse_parts(images)
        mask = self._paste_back(parsed.probabilities, parsed.theta, size, parsed.base)
        boxes = window_edges(parsed.theta, size, self._patch_size)
        mask = mask[:, :height, :width]
        return {
            "mask": mask,
            "theta": parsed.theta,
            "boxes": boxes,
            "coarse_scores": parsed.coarse_scores,
            "placed": placed_share(parsed.probabilities),
        }

    def _parse_whole(self, photo: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"mask": self.parse(photo[None])["mask"][0]}

    @tf.function(input_signature=[_input_spec("serving_bytes")], autograph=False)
    def parse_encoded(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Gives the masks of encoded photos as PNG, or says what is wrong with them."""

        def parse_one(encoded: tf.Tensor) -> dict[str, tf.Tensor]:
            photo, problem = decode_photo(encoded)

            def encoded_mask() -> tf.Tensor:
                return tf.io.encode_png(self._parse_photo(photo)["mask"][..., None])

            good = tf.equal(problem, "")
            mask = tf.cond(good, encoded_mask, lambda: tf.constant(b""))
            return {"mask_bytes": mask, "error": problem}

        # One after the other: a photo takes all cores, and much memory.
        return tf.map_fn(
            parse_one,
            image_bytes,
            fn_output_signature={
                "mask_bytes": tf.TensorSpec((), tf.string),
                "error": tf.TensorSpec((), tf.string),
            },
            parallel_iterations=1,
        )

    @tf.function(
        input_signature=[_input_spec("serving_probabilities")], autograph=False
    )
    def parse_probabilities(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Gives the probabilities of the classes, of which the mask is the best."""
        height, width = tf.unstack(tf.shape(images)[1:3])
        images = tf.cast(images, tf.float32)
        parsed, size = self._parse_parts(images)
        pasted = self._paste_probabilities(parsed, size)
        return {"probabilities": pasted[:, :height, :width]}


def sample_requests() -> dict[str, dict[str, tf.Tensor]]:
    """Makes a request of each signature: what a server plays to itself on loading."""
    slope = tf.cast(tf.linspace(0.0, 255.0, 160), tf.uint8)
    photo = tf.tile(slope[None, :, None], (120, 1, 3))
    encoded = tf.stack([tf.io.encode_jpeg(photo), tf.io.encode_png(photo)])
    return {
        "serving_default": {"images": photo[None]},
        "serving_bytes": {"image_bytes": encoded},
        "serving_probabilities": {"images": photo[None]},
    }
