"""The fused model for photos of one size, in operations that every runtime has.

Nothing here needs a kernel of TensorFlow's own, a loop, or a shape that depends on
the photo. Windows are axis-aligned: a patch gathers the two rows and columns that each
of its pixels is made of; and enlarging to the photo is two matrix products, one with
the weights of the rows, one with those of the columns.
"""

import functools

import numpy as np
import tensorflow as tf

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from stn_icnn_tf.geometry.affine import invert_theta
from stn_icnn_tf.geometry.bilinear import bilinear_weights, sample_planes, to_pixels
from stn_icnn_tf.geometry.pasting_rule import (
    best_class,
    combine,
    decide,
    part_labels,
)
from stn_icnn_tf.inference.fused import FusedModel
from stn_icnn_tf.models.stn_icnn import StnIcnn

SMALLEST_SIDE = 8


class FixedSizeModel(FusedModel):
    """A model for one photo of a known size at a time; float32.

    Its convs work on pixels, not on blocks: what runs it has short vectors, which
    the few channels of a pixel fill.

    Args:
        model: whose weights are copied.
    """

    def __init__(self, model: StnIcnn) -> None:
        super().__init__(model, blocks=False)

    def resize(self, images: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
        """Resizes one photo, see `resize_photo`."""
        return resize_photo(images[0], size)[None]

    def base_probabilities(self, coarse_scores: tf.Tensor) -> tf.Tensor | None:
        """Labels the coarse image with the base classes, see `Pipeline`."""
        classes = self.class_set.base_classes
        if len(classes) == 1:
            return None
        planes = tf.transpose(coarse_scores, (0, 3, 1, 2))
        base = softmax_of_planes(tf.gather(planes, classes, axis=1))
        return tf.transpose(base, (0, 2, 3, 1))

    def class_probabilities(self, coarse_scores: tf.Tensor) -> tf.Tensor:
        """Softmax over all classes, see `Pipeline`."""
        planes = tf.transpose(coarse_scores, (0, 3, 1, 2))
        return tf.transpose(softmax_of_planes(planes), (0, 2, 3, 1))

    def crop(self, image: tf.Tensor, theta: tf.Tensor) -> tf.Tensor:
        """Samples one patch a part, see `LearnedCrop`."""
        height, width, channels = image.shape[1:]
        pixels = tf.reshape(image, (height * width, channels))
        rows = bilinear_taps(theta[0], "y", self.patch_size, height)
        columns = bilinear_taps(theta[0], "x", self.patch_size, width)

        def across(row: tf.Tensor) -> tf.Tensor:
            return sum(
                tf.gather(pixels, row[..., None] * width + column[:, None])
                * weight[:, None, :, None]
                for column, weight in columns
            )

        patches = sum(across(row) * weight[..., None, None] for row, weight in rows)
        return patches[None]

    def enlarge_scores(
        self, scores: tf.Tensor, frame: tf.Tensor, size: tuple[int, int]
    ) -> tf.Tensor:
        """Brings scores of the coarse image to one photo, see `Pipeline`."""
        inverse = invert_theta(frame)[0]
        side = self.coarse_size
        rows, columns = (
            bilinear_weights(inverse, axis, count, side, fade=False)
            for axis, count in zip("yx", size)
        )
        planes = tf.transpose(scores[0], (2, 0, 1))
        enlarged = sample_planes(rows, planes, columns)
        return tf.transpose(enlarged, (1, 2, 0))[None]

    def paste_back(
        self,
        probabilities: list[tf.Tensor],
        theta: tf.Tensor,
        size: tuple[int, int],
        base: tf.Tensor | None = None,
        frame: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Pastes the parts, see `Pipeline`; the same mask."""
        if base is not None:
            frame = self.photo_frame(size) if frame is None else frame
            base = self.enlarge_scores(base, frame, size)
        return paste_back_whole(probabilities, theta, size, self.class_set, base)

    def function(
        self, size: tuple[int, int]
    ) -> tf.types.experimental.PolymorphicFunction:
        """Returns the function for photos of one size.

        Args:
            size: `(height, width)` in pixels.

        Returns:
            a function of `image`, uint8 `(1, height, width, 3)`, that gives
            `{"mask": uint8 (1, height, width)}`.

        Raises:
            ValueError: if `size` is not two sides of at least 8 pixels.
        """
        if len(size) != 2 or min(size) < SMALLEST_SIDE:
            raise ValueError(
                "Argument `size` must be (height, width), at least "
                f"{SMALLEST_SIDE} each. Received: size={tuple(size)}"
            )
        return tf.function(
            lambda image: {"mask": self(image)["mask"]},
            input_signature=[tf.TensorSpec((1, *size, 3), tf.uint8, "image")],
            autograph=False,
        )


def softmax_of_planes(scores: tf.Tensor) -> tf.Tensor:
    """Computes softmax of float32 `(batch, classes, height, width)` over the classes.

    ONNX Runtime's own takes twice as long: it has few numbers a pixel.
    """
    shares = tf.exp(scores - tf.reduce_max(scores, axis=1, keepdims=True))
    return shares / tf.reduce_sum(shares, axis=1, keepdims=True)


def bilinear_taps(
    theta: tf.Tensor, axis: str, count: int, size: int
) -> list[tuple[tf.Tensor, tf.Tensor]]:
    """Computes which two pixels of the source each pixel of a window is made of.

    The arguments are those of `bilinear_weights`.

    Returns:
        twice int32 `(parts, count)`, the pixel of the source; and float32 `(parts,
        count)`, how much of it: nothing, if there is none.
    """
    index = "xy".index(axis)
    grid = np.linspace(-1.0, 1.0, count, dtype="float32")
    scale, shift = theta[:, index, index, None], theta[:, index, 2, None]
    place = to_pixels(scale * grid + shift, size)
    first = tf.floor(place)
    after = place - first
    taps = []
    for pixel, weight in ((first, 1.0 - after), (first + 1.0, after)):
        near = tf.clip_by_value(pixel, 0.0, size - 1.0)
        there = tf.cast(pixel == near, tf.float32)
        taps.append((tf.cast(near, tf.int32), weight * there))
    return taps


def triangle_weights(size: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Computes what an antialiased bilinear resize reads along one axis.

    Args:
        size: pixels of the source.
        target: pixels of the result.

    Returns:
        indices: int32 `(taps, target)`, which source pixels a pixel is made of.
        weights: float32 `(taps, target)`, how much of each; they add up to 1.
    """
    ratio = size / target
    center = (np.arange(target) + 0.5) * ratio - 0.5
    distance = np.abs(np.arange(size) - center[:, None]) / max(ratio, 1.0)
    weights = np.maximum(1.0 - distance, 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    taps = np.count_nonzero(weights, axis=1).max()
    first = np.minimum((weights > 0).argmax(axis=1), size - taps)
    indices = first[:, None] + np.arange(taps)
    weights = np.take_along_axis(weights, indices, axis=1)
    return indices.T.astype("int32"), weights.T.astype("float32")


def resize_photo(photo: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Resizes bilinearly with antialiasing, as `tf.image.resize` does.

    Args:
        photo: float32 `(height, width, channels)`, its size known.
        size: `(height, width)` of the result in pixels.

    Returns:
        float32 `(*size, channels)`.
    """
    # Rows are whole runs of memory, which is what a gather is good at.
    photo = _resize_rows(photo, size[0])
    photo = _resize_rows(tf.transpose(photo, (1, 0, 2)), size[1])
    return tf.transpose(photo, (1, 0, 2))


def _resize_rows(photo: tf.Tensor, target: int) -> tf.Tensor:
    if photo.shape[0] == target:
        return photo
    indices, weights = triangle_weights(photo.shape[0], target)
    return sum(
        tf.gather(photo, taps) * weight[:, None, None]
        for taps, weight in zip(indices, weights)
    )


def paste_back_whole(
    probabilities: list[tf.Tensor],
    theta: tf.Tensor,
    size: tuple[int, int],
    class_set: ClassSet = EIGHT_PARTS,
    base: tf.Tensor | None = None,
) -> tf.Tensor:
    """Pastes the labels of the parts, see `paste_back`; the same mask.

    Each part is sampled at every pixel of the photo: a window of its own size would
    be a shape that depends on the photo. The arguments are those of `paste_back`, of
    one photo.
    """
    inverse = invert_theta(theta)[0]
    patch = probabilities[0].shape[1]
    rows = bilinear_weights(inverse, "y", size[0], patch)
    columns = bilinear_weights(inverse, "x", size[1], patch)
    said = []
    for index, part in enumerate(class_set.parts):
        patches = tf.transpose(probabilities[index][0], (2, 0, 1))
        scores = sample_planes(rows[index][None], patches, columns[index][None])
        said.append(part_labels(tf.unstack(scores), part.classes))
    planes = functools.reduce(combine, said)
    labels = None
    if base is not None:
        stacked = tf.transpose(base[0], (2, 0, 1))
        # One by one: a split writes them all at once, and WebGPU has 10 buffers.
        base_planes = [stacked[index] for index in range(base.shape[-1])]
        labels = best_class(base_planes, class_set.base_classes)
    return tf.cast(decide(planes, labels), tf.uint8)[None]
