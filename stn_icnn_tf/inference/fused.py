"""The fused model: what is exported, and what parses when nothing is trained.

The masks of the Keras model, up to rounding: its networks are folded, and its geometry
works on rectangles.
"""

from typing import Any

import keras
import tensorflow as tf

from stn_icnn_tf.geometry.affine import invert_theta
from stn_icnn_tf.inference.engine import PRECISIONS
from stn_icnn_tf.inference.folded import (
    FoldedIcnn,
    FoldedLocalization,
    FoldedResidualIcnn,
)
from stn_icnn_tf.inference.rectangles import (
    paste_back_by_face,
    paste_probabilities,
    sample_boxes,
)
from stn_icnn_tf.layers.residual_icnn import ResidualInterlinkedCNN
from stn_icnn_tf.models.pipeline import Pipeline
from stn_icnn_tf.models.steps import ParsedParts
from stn_icnn_tf.models.stn_icnn import StnIcnn


class FusedModel(Pipeline):
    """A model for inference alone, as TensorFlow functions.

    Args:
        model: whose weights are copied.
        precision: `"float32"` or `"bfloat16"`, of the networks; all geometry is
            float32.
        blocks: whether convs work on blocks of pixels, see `FoldedIcnn`.
        constants: whether the weights become constants of graphs. The CPU's
            convolutions then lay them out once instead of at every call, which saves
            2 to 10 % of the time, in bfloat16 up to 30 %; but a graph takes some eight
            times their memory.

    Raises:
        ValueError: if `precision` is neither.
    """

    def __init__(
        self,
        model: StnIcnn,
        precision: str = "float32",
        blocks: bool = True,
        constants: bool = True,
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(
                f"Argument `precision` must be one of {PRECISIONS}. "
                f"Received: precision={precision}"
            )
        self.copy_settings(model)
        coarse, patch = (model.coarse_size,) * 2, (model.patch_size,) * 2

        def fold(net: keras.Layer, size: tuple[int, int]) -> Any:
            if isinstance(net, ResidualInterlinkedCNN):
                return FoldedResidualIcnn(net, precision, constants)
            return FoldedIcnn(net, size, precision, blocks, constants)

        self.coarse = fold(model.coarse, coarse)
        self.localization = FoldedLocalization(model.localization, precision, constants)
        self.part_nets = {n: fold(net, patch) for n, net in model.part_nets.items()}

    def __call__(self, photos: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.parse(photos)

    def probabilities(self, scores: tf.Tensor) -> tf.Tensor:
        """Turns the scores of a part into what `paste_back` pastes: eq. 5."""
        return tf.nn.softmax(scores)[..., 1:]

    def crop(self, image: tf.Tensor, theta: tf.Tensor) -> tf.Tensor:
        """Samples one patch a part, see `LearnedCrop`."""
        side = self.patch_size
        parts = theta.shape[1]
        patches = sample_boxes(image, theta, (side, side))
        return tf.reshape(patches, (-1, parts, side, side, image.shape[-1]))

    def enlarge_scores(
        self, scores: tf.Tensor, frame: tf.Tensor, size: tuple[tf.Tensor, tf.Tensor]
    ) -> tf.Tensor:
        """Brings scores of the coarse image to photos, see `Pipeline`."""
        inverse = invert_theta(frame)
        inverse = tf.repeat(inverse, tf.shape(scores)[0] // tf.shape(inverse)[0], 0)
        return sample_boxes(scores, inverse, size, border="SYMMETRIC")

    def paste_back(
        self,
        probabilities: list[tf.Tensor],
        theta: tf.Tensor,
        size: tuple[tf.Tensor, tf.Tensor],
        base: tf.Tensor | None = None,
        frame: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Pastes the parts, see `Pipeline`; the same mask."""
        if base is not None and frame is None:
            frame = self.photo_frame(size)
        return paste_back_by_face(
            probabilities, theta, size, self.class_set, base, frame
        )

    def paste_probabilities(
        self, parsed: ParsedParts, size: tuple[tf.Tensor, tf.Tensor]
    ) -> tf.Tensor:
        """Pastes the probabilities of all classes, see `paste_probabilities`."""
        return paste_probabilities(
            parsed.probabilities,
            parsed.theta,
            size,
            self.class_set,
            parsed.base,
            self.photo_frame(size),
        )
