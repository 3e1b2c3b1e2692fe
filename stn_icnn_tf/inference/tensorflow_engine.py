"""A model carried out by TensorFlow, compiled when it is first called."""

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from stn_icnn_tf.geometry.windows import placed_share
from stn_icnn_tf.inference.candidates import candidate_confidence, candidate_views
from stn_icnn_tf.inference.engine import Engine, Found, ParsedSquare
from stn_icnn_tf.inference.face_search import FaceSearch
from stn_icnn_tf.inference.fused import FusedModel
from stn_icnn_tf.inference.squares import Cut, two_pixels_at_least
from stn_icnn_tf.models.steps import FramedPhotos, ParsedParts
from stn_icnn_tf.models.stn_icnn import StnIcnn

_PHOTOS = tf.TensorSpec((None, None, None, 3), tf.float32)
_SIZE = tf.TensorSpec((2,), tf.int32)

# Candidate crops that go through the coarse net together: all at once take more memory
# and no less time.
_VIEWS = 11

# What is pasted: `probabilities`, `theta` and, if there is one, `base` of
# `ParsedParts`.
_Labels = dict[str, Any]


class TensorFlowEngine(Engine):
    """See `Engine`.

    It is compiled piece by piece, no weight is in two of them, and in float32 weights
    are no constants: so a process takes half the memory, and starts sooner.

    Args:
        model: the model.
        precision: of the networks, see `FusedModel`.
        device: where it runs, such as `"GPU:0"`; None: TensorFlow chooses.

    Attributes:
        model: the fused model.
        search: what searches for a face within a graph.

    Raises:
        ValueError: if there is no such precision or device.
    """

    def __init__(
        self, model: StnIcnn, precision: str = "float32", device: str | None = None
    ) -> None:
        self._device = _known_device(device)
        with self.on_device():
            # In bfloat16 it takes a third more time without.
            constants = precision == "bfloat16"
            self.model = FusedModel(model, precision, constants=constants)
        super().__init__(model.class_set, model.mean_crop, model.search_thresholds)
        self.search = FaceSearch(self.model)

    def parse_framed(self, photos: Sequence[np.ndarray]) -> list[Found]:
        """Parses photos of one size as they are, together."""
        height, width = photos[0].shape[:2]
        with self.on_device():
            padded = two_pixels_at_least(np.stack(photos))
            size = padded.shape[2:0:-1]
            labels, theta, sure = self._run(padded)
            masks = self._paste(labels, size[::-1]).numpy()[:, :height, :width]
        return [
            self._framed(photo, mask, self._parsed(own, size, one))
            for photo, mask, own, one in zip(photos, masks, theta, sure, strict=True)
        ]

    def probabilities(self, photo: np.ndarray) -> np.ndarray:
        """Tells how probable each class is."""
        height, width = photo.shape[:2]
        with self.on_device():
            padded = two_pixels_at_least(photo[None])
            labels, *_ = self._run(padded)
            pasted = self._paste_probabilities(labels, padded.shape[1:3])
        return pasted[0, :height, :width].numpy()

    def candidate_confidence(self, photo: np.ndarray) -> np.ndarray:
        """Tells how sure the coarse net is of each candidate crop."""
        with self.on_device():
            views = candidate_views(photo, self.model.coarse_image_size)
            sure = [
                self._look(views[start : start + _VIEWS])[1].numpy()
                for start in range(0, len(views), _VIEWS)
            ]
        return np.concatenate(sure).prod(axis=1)

    def _parse(self, photo: np.ndarray, square: np.ndarray) -> ParsedSquare:
        size = photo.shape[1::-1]
        upright = np.radians(self._cut_thresholds.roll)
        cut = Cut(square, np.asarray(size, "float32"), upright)
        with self.on_device():
            labels, theta, sure = self._run(cut.pixels(photo)[None])
        theta = cut.theta_to_photo(theta[0])
        return self._parsed(theta, size, sure[0], (cut, labels))

    def _mask(self, parsed: ParsedSquare) -> np.ndarray:
        cut, labels = parsed.labels
        with self.on_device():
            mask = self._paste(labels, (int(cut.side),) * 2)
            return cut.to_photo(mask[0, ..., None])[..., 0].numpy()

    def _probabilities(self, parsed: ParsedSquare) -> np.ndarray:
        cut, labels = parsed.labels
        with self.on_device():
            inside = self._paste_probabilities(labels, (int(cut.side),) * 2)
            return cut.to_photo(inside[0]).numpy()

    def _run(self, photos: tf.Tensor) -> tuple[_Labels, np.ndarray, np.ndarray]:
        """Runs the networks on photos of one size.

        Returns:
            what is pasted; theta, patch -> photo; confidence, found and placed of
            each.
        """
        framed = self._frame(tf.cast(photos, tf.float32))
        scores, sure = self._look(framed.coarse_image)
        labels, placed = self._label(scores, framed)
        sure = np.concatenate([sure[:, :2], placed[:, None]], axis=1)
        return labels, labels["theta"].numpy(), sure

    # === What is compiled ===

    @functools.cached_property
    def _frame(self) -> Callable:
        """Photos -> `FramedPhotos`."""
        return _compiled(self.model.frame_photos, _PHOTOS)

    @functools.cached_property
    def _look(self) -> Callable:
        """Coarse images -> coarse scores; confidence, found, center of each."""

        def look(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            scores = self.model.coarse_scores(images)
            sure = candidate_confidence(scores, self.class_set)
            return scores, tf.stack(sure, axis=1)

        return _compiled(look, _specs(self._frame).coarse_image)

    @functools.cached_property
    def _label(self) -> Callable:
        """Coarse scores, `FramedPhotos` -> what is pasted; placed of each."""

        def label(scores: tf.Tensor, framed: FramedPhotos) -> tuple[_Labels, tf.Tensor]:
            parsed = self.model.parse_from_scores(scores, framed)
            labels = {"probabilities": parsed.probabilities, "theta": parsed.theta}
            if parsed.base is not None:
                labels["base"] = parsed.base
            return labels, placed_share(parsed.probabilities)

        return _compiled(label, _specs(self._look)[0], _specs(self._frame))

    @functools.cached_property
    def _paste(self) -> Callable:
        """What is pasted, height and width of the photos -> masks."""

        def paste(labels: _Labels, size: tf.Tensor) -> tf.Tensor:
            return self.model.paste_back(**labels, size=tuple(tf.unstack(size)))

        return _compiled(paste, _specs(self._label)[0], _SIZE)

    @functools.cached_property
    def _paste_probabilities(self) -> Callable:
        """What is pasted, height and width of the photos -> probabilities."""

        def paste(labels: _Labels, size: tf.Tensor) -> tf.Tensor:
            parsed = ParsedParts(**{"base": None, "coarse_scores": None, **labels})
            return self.model.paste_probabilities(parsed, tuple(tf.unstack(size)))

        return _compiled(paste, _specs(self._label)[0], _SIZE)

    def on_device(self) -> contextlib.AbstractContextManager:
        """Runs a block where the engine runs."""
        return tf.device(self._device) if self._device else contextlib.nullcontext()


def _compiled(function: Callable, *signature: Any) -> Callable:
    return tf.function(function, input_signature=signature, autograph=False)


def _specs(compiled: Any) -> Any:
    """Describes what a compiled function returns."""
    return tf.nest.map_structure(
        lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype),
        compiled.get_concrete_function().structured_outputs,
    )


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
