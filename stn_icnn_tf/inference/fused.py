"""The inference form of a model: what `export_saved_model` writes.

Exact up to rounding. Beside the folded networks: patches are cut by TensorFlow's
own sampling kernel, and the mask is pasted face by face on the rectangle that the
windows cover together.
"""

import tensorflow as tf

from stn_icnn_tf.class_sets import NUM_CLASSES, PARTS
from stn_icnn_tf.geometry.affine import invert_theta, theta_scale
from stn_icnn_tf.geometry.paste_back import fading_margin
from stn_icnn_tf.inference.folded import FoldedIcnn, FoldedLocalization
from stn_icnn_tf.models.pipeline import Pipeline
from stn_icnn_tf.models.stn_icnn import StnIcnn

PRECISIONS = ("float32", "bfloat16")


class FusedModel(Pipeline):
    """A model for inference alone, as TensorFlow functions with constant weights.

    Args:
        model: whose weights are copied.
        precision: `"float32"` or `"bfloat16"`, of the networks; all geometry is
            float32.
        blocks: whether convs work on blocks of pixels, see `FoldedIcnn`.

    Raises:
        ValueError: if `precision` is neither.
    """

    def __init__(
        self, model: StnIcnn, precision: str = "float32", blocks: bool = True
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(
                f"Argument `precision` must be one of {PRECISIONS}. "
                f"Received: precision={precision}"
            )
        self.framing, self.window = model.framing, model.window
        self.coarse_size = model.coarse_size
        self.patch_size = model.patch_size
        self.canvas_size = model.canvas_size
        self.mean_crop, self.scale_range = model.mean_crop, model.scale_range
        coarse, patch = (model.coarse_size,) * 2, (model.patch_size,) * 2
        self.coarse = FoldedIcnn(model.coarse, coarse, precision, blocks)
        self.localization = FoldedLocalization(model.localization, precision)
        self.part_nets = {
            name: FoldedIcnn(net, patch, precision, blocks)
            for name, net in model.part_nets.items()
        }
        self.paste_back = paste_back_by_face

    def __call__(self, photos: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.parse(photos)

    def probabilities(self, scores: tf.Tensor) -> tf.Tensor:
        """Turns the scores of a part into the probabilities of its classes alone."""
        return tf.nn.softmax(scores)[..., 1:]

    def crop(self, image: tf.Tensor, theta: tf.Tensor) -> tf.Tensor:
        """Samples one patch a part, see `cropper.LearnedCrop`."""
        side = self.patch_size
        parts = theta.shape[1]
        patches = sample_boxes(image, theta, (side, side))
        return tf.reshape(patches, (-1, parts, side, side, image.shape[-1]))


def sample_boxes(
    image: tf.Tensor, theta: tf.Tensor, size: tuple[tf.Tensor, tf.Tensor]
) -> tf.Tensor:
    """Samples axis-aligned boxes bilinearly, zero outside.

    Args:
        image: float32 `(batch, height, width, channels)`.
        theta: float32 `(batch, boxes, 2, 3)`, box -> image, without rotation.
        size: `(height, width)` of each sampled box.

    Returns:
        float32 `(batch * boxes, *size, channels)`.
    """
    boxes = tf.shape(theta)[1]
    # The kernel gives zero, not a blend with zero, from the border pixel's centre
    # on: a border of zeros makes it the blend of `grid_sample`.
    image = tf.pad(image, [[0, 0], [1, 1], [1, 1], [0, 0]])
    extent = tf.cast(tf.shape(image)[1:3], tf.float32) - 1.0
    extent = extent[::-1]  # (x, y), as in theta.
    center, scale = theta[..., 2], theta_scale(theta)

    def padded(corner: tf.Tensor) -> tf.Tensor:
        return ((corner + 1.0) / 2.0 * (extent - 2.0) + 1.0) / extent

    corners = tf.concat(
        [padded(center - scale)[..., ::-1], padded(center + scale)[..., ::-1]], axis=-1
    )
    return tf.image.crop_and_resize(
        image,
        tf.reshape(corners, (-1, 4)),
        tf.repeat(tf.range(tf.shape(image)[0]), boxes),
        tf.stack(size),
    )


def paste_back_by_face(
    foreground: list[tf.Tensor],
    theta: tf.Tensor,
    size: tuple[tf.Tensor, tf.Tensor],
) -> tf.Tensor:
    """Pastes the labels of the parts, see `cropper.paste_back`; the same mask.

    Takes `foreground`, the probabilities of each part without background's.
    Face by face, so that a window is a rectangle and not a list of pixels. Three
    planes, of the rectangle that the face's windows cover, hold the product of the
    backgrounds, the best foreground score so far, and its class.
    """
    height, width = size
    photo_size = tf.cast(tf.stack([width, height]), tf.float32)
    windows = _pixel_windows(theta, photo_size, foreground[0].shape[1])
    inverse = invert_theta(theta)

    def paste_face(face: tuple) -> tf.Tensor:
        foreground, windows, inverse = face
        left, top = tf.unstack(tf.reduce_min(windows[:, :2], axis=0))
        right, bottom = tf.unstack(tf.reduce_max(windows[:, 2:], axis=0))
        covered = (bottom - top, right - left)
        background = tf.ones(covered)
        best, best_class = tf.zeros(covered), tf.zeros(covered, tf.uint8)
        for index, part in enumerate(PARTS):
            x, y, end_x, end_y = window = tf.unstack(windows[index])
            scores = _sample_window(
                foreground[index], inverse[index], window, photo_size
            )
            around = [[y - top, bottom - end_y], [x - left, right - end_x]]
            classes = tf.constant(part.classes, tf.uint8)
            top_score = tf.reduce_max(scores, axis=-1)
            if len(part.classes) == 1:
                top_class = tf.fill(tf.shape(top_score), classes[0])
            else:
                top_class = tf.gather(classes, tf.argmax(scores, axis=-1))
            nothing = 1.0 - tf.reduce_sum(scores, axis=-1)
            background *= tf.pad(nothing, around, constant_values=1.0)
            top_score = tf.pad(top_score, around)
            better = top_score > best
            best_class = tf.where(better, tf.pad(top_class, around), best_class)
            best = tf.maximum(best, top_score)
        mask = tf.where(best > background, best_class, tf.zeros_like(best_class))
        return tf.pad(mask, [[top, height - bottom], [left, width - right]])

    return tf.map_fn(
        paste_face,
        (tuple(foreground), windows, inverse),
        fn_output_signature=tf.TensorSpec((None, None), tf.uint8),
        # Faces one after the other: at once they are no faster, and take memory.
        parallel_iterations=1,
    )


def paste_probabilities(
    foreground: list[tf.Tensor],
    theta: tf.Tensor,
    size: tuple[tf.Tensor, tf.Tensor],
) -> tf.Tensor:
    """Pastes the probabilities of the parts: the scores that the mask is best of.

    Background's score is the product over the patches, that of another class its
    part's pasted probability; a pixel's scores are then divided by their sum. The
    arguments are those of `paste_back_by_face`; this allocates full canvases.

    Returns:
        float32 `(batch, height, width, 9)`.
    """
    height, width = size
    photo_size = tf.cast(tf.stack([width, height]), tf.float32)
    windows = _pixel_windows(theta, photo_size, foreground[0].shape[1])

    def paste_face(face: tuple) -> tf.Tensor:
        foreground, windows, inverse = face
        background = tf.ones((height, width))
        planes = []  # In the order of the classes, which is that of the parts.
        for index in range(len(PARTS)):
            x, y, end_x, end_y = window = tf.unstack(windows[index])
            scores = _sample_window(
                foreground[index], inverse[index], window, photo_size
            )
            around = [[y, height - end_y], [x, width - end_x]]
            nothing = 1.0 - tf.reduce_sum(scores, axis=-1)
            background *= tf.pad(nothing, around, constant_values=1.0)
            planes.append(tf.pad(scores, [*around, [0, 0]]))
        scores = tf.concat([background[..., None], *planes], axis=-1)
        return scores / tf.reduce_sum(scores, axis=-1, keepdims=True)

    return tf.map_fn(
        paste_face,
        (tuple(foreground), windows, invert_theta(theta)),
        fn_output_signature=tf.TensorSpec((None, None, NUM_CLASSES), tf.float32),
        parallel_iterations=1,
    )


def _pixel_windows(
    theta: tf.Tensor, photo_size: tf.Tensor, patch_size: int
) -> tf.Tensor:
    """Lists the pixels that each patch reaches, and that lie in the photo.

    Args:
        theta: float32 `(batch, parts, 2, 3)`, patch -> photo.
        photo_size: float32 `(width, height)`.
        patch_size: side of a patch in pixels.

    Returns:
        int32 `(batch, parts, 4)`: left, top, right, bottom, half open. A window holds
        one pixel at least: where it lies outside the photo, it is the nearest, and
        there the patch is 0.
    """
    half = theta_scale(theta) * fading_margin(patch_size) * (photo_size - 1.0) / 2.0
    center = (theta[..., 2] + 1.0) * (photo_size - 1.0) / 2.0
    first = tf.clip_by_value(tf.math.ceil(center - half), 0.0, photo_size - 1.0)
    last = tf.math.floor(center + half) + 1.0
    last = tf.clip_by_value(last, first + 1.0, photo_size)
    return tf.cast(tf.concat([first, last], axis=-1), tf.int32)


def _sample_window(
    patch: tf.Tensor, inverse: tf.Tensor, window: list, photo_size: tf.Tensor
) -> tf.Tensor:
    """Samples a patch at the photo's pixels of a window.

    Args:
        patch: float32 `(patch, patch, channels)`.
        inverse: float32 `(2, 3)`, photo -> patch.
        window: integers, left, top, right, bottom in photo pixels, half open.
        photo_size: float32 `(width, height)`.

    Returns:
        float32 `(height, width, channels)` of the window.
    """
    left, top, right, bottom = window
    corners = tf.cast([[left, top], [right - 1, bottom - 1]], tf.float32)
    corners = 2.0 * corners / (photo_size - 1.0) - 1.0
    corners = corners * tf.linalg.diag_part(inverse[:, :2]) + inverse[:, 2]
    scale, shift = (corners[1] - corners[0]) / 2.0, (corners[1] + corners[0]) / 2.0
    theta = tf.concat([tf.linalg.diag(scale), shift[:, None]], axis=1)
    size = (bottom - top, right - left)
    return sample_boxes(patch[None], theta[None, None], size)[0]
