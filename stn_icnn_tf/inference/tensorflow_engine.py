"""A model carried out by TensorFlow, compiled when it is first called."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from stn_icnn_tf.inference.engine import Found
from stn_icnn_tf.inference.face_search import FaceSearch, framed_spec
from stn_icnn_tf.inference.fused import FusedModel
from stn_icnn_tf.inference.squares import two_pixels_at_least
from stn_icnn_tf.models.stn_icnn import StnIcnn

_PHOTO = tf.TensorSpec((None, None, 3), tf.uint8)
_PHOTOS = tf.TensorSpec((None, None, None, 3), tf.uint8)
_SQUARE = tf.TensorSpec((4,), tf.float32)


class TensorFlowEngine:
    """See `Engine`.

    Args:
        model: the model.
        precision: of the networks, see `FusedModel`.
        device: where it runs, such as `"GPU:0"`; None: TensorFlow chooses.

    Attributes:
        model: the fused model.
        search: what searches for a face.

    Raises:
        ValueError: if there is no such precision or device.
    """

    def __init__(
        self, model: StnIcnn, precision: str = "float32", device: str | None = None
    ) -> None:
        self._device = _known_device(device)
        with self.on_device():
            self.model = FusedModel(model, precision)
        self.class_set, self.mean_crop = model.class_set, model.mean_crop
        self.search = search = FaceSearch(self.model)
        self._parse_framed = _compiled(search.parse_framed, _PHOTOS)
        self._parse_square = _compiled(search.parse_square, _PHOTO, _SQUARE)
        self._find = _compiled(search.find, _PHOTO, framed_spec(len(model.mean_crop)))
        self._probabilities = _compiled(self._framed_probabilities, _PHOTO)
        self._square_probabilities = _compiled(self._cut_probabilities, _PHOTO, _SQUARE)

    def parse_framed(self, photos: Sequence[np.ndarray]) -> list[Found]:
        """Parses photos of one size as they are, together."""
        framed = self._call(self._parse_framed, np.stack(photos))
        return [
            {name: value[place] for name, value in framed.items()}
            for place in range(len(photos))
        ]

    def find(self, photo: np.ndarray, framed: Found) -> Found:
        """Searches for the face of a photo."""
        return self._call(self._find, photo, framed)

    def parse_square(self, photo: np.ndarray, square: np.ndarray) -> Found:
        """Parses the face that lies about in a square."""
        return self._call(self._parse_square, photo, square)

    def probabilities(self, photo: np.ndarray) -> np.ndarray:
        """Tells how probable each class is."""
        return self._call(self._probabilities, photo)

    def square_probabilities(self, photo: np.ndarray, square: np.ndarray) -> np.ndarray:
        """Does so for a face in a square."""
        return self._call(self._square_probabilities, photo, square)

    def _framed_probabilities(self, photo: tf.Tensor) -> tf.Tensor:
        height, width = tf.unstack(tf.shape(photo)[:2])
        photos = two_pixels_at_least(photo[None])
        size = tuple(tf.unstack(tf.shape(photos)[1:3]))
        pasted = self.model.paste_probabilities(self.model.parse_parts(photos), size)
        return pasted[0, :height, :width]

    def _cut_probabilities(self, photo: tf.Tensor, square: tf.Tensor) -> tf.Tensor:
        cut = self.search.cut(photo, square)
        back = cut.to_photo(self._framed_probabilities(cut.pixels(photo)))
        outside = tf.reduce_sum(back, axis=-1, keepdims=True) < 0.5
        background = tf.one_hot(0, self.class_set.num_classes)
        return tf.where(outside, background, back)

    def _call(self, function: Callable, *arguments: Any) -> Any:
        with self.on_device():
            return tf.nest.map_structure(np.asarray, function(*arguments))

    def on_device(self) -> contextlib.AbstractContextManager:
        """Runs a block where the engine runs."""
        return tf.device(self._device) if self._device else contextlib.nullcontext()


def _compiled(function: Callable, *signature: Any) -> Callable:
    return tf.function(function, input_signature=signature, autograph=False)


def _known_device(device: str | None) -> str | None:
    if device is None:
        return None
    names = (known.name for known in tf.config.list_logical_devices())
    known = [name.removeprefix("/device:") for name in names]
    name = device.lstrip("/").removeprefix("device:").upper()
    if name not in known and f"{name}:0" not in known:
        raise ValueError(
            f"Argument `device` must be one of {known}. Received: device={device}"
        )
    return name
