"""The steps of STN-iCNN and their order, whatever carries them out."""

from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops

from stn_icnn_tf.class_sets import PARTS
from stn_icnn_tf.geometry.affine import compose_theta, frame_theta, invert_theta
from stn_icnn_tf.geometry.windows import window_theta

Tensor = Any


def normalize(image: Tensor) -> Tensor:
    """Maps pixel values 0..255 to -1..1, float32."""
    return ops.cast(image, "float32") / 127.5 - 1.0


class FramedPhotos(NamedTuple):
    """A batch of photos, as the coarse net and the crop see it.

    Attributes:
        coarse_image: float `(batch, coarse_size, coarse_size, 3)`, 0..255.
        source: float `(batch, source height, source width, 3)`, 0..255.
        source_frame: float `(1, 1, 2, 3)`, coarse -> source.
        photo_frame: float `(1, 1, 2, 3)`, coarse -> photo.
    """

    coarse_image: Tensor
    source: Tensor
    source_frame: Tensor
    photo_frame: Tensor

    @property
    def source_size(self) -> tuple[Tensor, Tensor]:
        """`(height, width)` of the source in pixels."""
        return ops.shape(self.source)[1:3]

    def to_photo(self, theta: Tensor) -> Tensor:
        """Takes theta `(batch, parts, 2, 3)` from patch -> source to patch -> photo."""
        to_photo = compose_theta(self.photo_frame, invert_theta(self.source_frame))
        return compose_theta(to_photo, theta)


# Coarse scores and framed photos -> theta `(batch, parts, 2, 3)`, patch -> source.
Cropper = Callable[[Tensor, FramedPhotos], Tensor]


class Pipeline:
    """Coarse scores -> theta -> patches -> part scores -> paste back: eq. 1 to 6.

    `StnIcnn` runs these steps with Keras layers, the inference form with folded
    ones. Whoever inherits sets the sizes `coarse_size`, `patch_size`,
    `canvas_size`, the rules `framing` and `window`, `mean_crop` and `scale_range`
    of the windows, and the callables `coarse`, `localization`, `crop`, `part_nets`
    (by name) and `paste_back`.
    """

    def resize(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        """Resizes float `(batch, height, width, channels)`, antialiased."""
        return ops.image.resize(images, size, antialias=True)

    def frame_photos(self, photos: Tensor) -> FramedPhotos:
        """Makes the coarse image and the source of a batch of photos.

        Args:
            photos: `(batch, height, width, 3)`, 0..255, two pixels a side at least.

        Raises:
            ValueError: if `photos` is not `(batch, height, width, 3)`, or has a side
                that is known to be shorter: one pixel has no extent for theta.
        """
        if len(photos.shape) != 4 or photos.shape[-1] != 3:
            raise ValueError(
                "Argument `photos` must have shape (batch, height, width, 3). "
                f"Received: photos.shape={tuple(photos.shape)}"
            )
        if any(isinstance(side, int) and side < 2 for side in photos.shape[1:3]):
            raise ValueError(
                "Argument `photos` must be at least two pixels high and wide. "
                f"Received: photos.shape={tuple(photos.shape)}"
            )
        photos = ops.cast(photos, "float32")
        height, width = ops.shape(photos)[1:3]
        coarse_size = (self.coarse_size, self.coarse_size)
        if self.framing == "stretch":
            coarse = self.resize(photos, coarse_size)
            whole = (height, width), (0, 0), (height, width)
            return FramedPhotos(
                coarse, photos, self._frame(*whole), self._frame(*whole)
            )
        if isinstance(height, int) and isinstance(width, int):
            side = max(height, width)  # Known to `jax.jit`, as sizes must be.
        else:
            side = ops.maximum(height, width)
        padding = (side - height) // 2, (side - width) // 2
        photo_frame = self._frame(
            (side, side), (-padding[0], -padding[1]), (height, width)
        )
        canvas_size = (self.canvas_size, self.canvas_size)
        after = side - height - padding[0], side - width - padding[1]
        square = ops.pad(
            photos, ((0, 0), (padding[0], after[0]), (padding[1], after[1]), (0, 0))
        )
        canvas = self.resize(square, canvas_size)
        canvas_frame = self._frame(canvas_size, (0, 0), canvas_size)
        coarse = self.resize(canvas, coarse_size)
        return FramedPhotos(coarse, canvas, canvas_frame, photo_frame)

    def _frame(self, content: tuple, offset: tuple, size: tuple) -> Tensor:
        """Maps the coarse frame to a content, see `frame_theta`; `(1, 1, 2, 3)`."""
        return frame_theta(self.coarse_size, content, offset, size)[None, None]

    def coarse_scores(self, coarse_image: Tensor, training: bool = False) -> Tensor:
        """Labels the coarse image: eq. 1. Pixels 0..255 in, logits out."""
        return self.coarse(normalize(coarse_image), training=training)

    def localize(self, coarse_scores: Tensor, training: bool = False) -> Tensor:
        """Predicts theta, patch -> coarse frame, from coarse logits: eq. 2."""
        probabilities = ops.softmax(ops.cast(coarse_scores, "float32"), axis=-1)
        return self.localization(probabilities, training=training)

    def source_theta(self, theta: Tensor, frame: Tensor, source_size: Tensor) -> Tensor:
        """Takes theta from the coarse frame to the source, by the window rule."""
        return window_theta(theta, frame, source_size, self.patch_size, self.window)

    def learned_windows(
        self, coarse_scores: Tensor, framed: FramedPhotos, training: bool = False
    ) -> Tensor:
        """Places the windows by the localization network: the default `Cropper`."""
        theta = self.localize(coarse_scores, training=training)
        return self.source_theta(theta, framed.source_frame, framed.source_size)

    def part_scores(self, patches: Tensor, training: bool = False) -> list[Tensor]:
        """Labels the patches: eq. 4.

        Parts that share a net go through it as one batch; a right-hand brow or
        eye goes in mirrored, and its scores are mirrored back.

        Args:
            patches: float `(batch, parts, patch, patch, 3)`, 0..255.
            training: whether batch norm uses the statistics of the batch.

        Returns:
            one float `(batch, patch, patch, 1 + classes)` a part, logits.
        """
        patches = normalize(patches)
        scores: list[Tensor] = [None] * len(PARTS)
        for name, net in self.part_nets.items():
            members = [i for i, part in enumerate(PARTS) if part.net == name]
            inputs = [
                ops.flip(patches[:, i], axis=2) if PARTS[i].flipped else patches[:, i]
                for i in members
            ]
            outputs = net(ops.concatenate(inputs, axis=0), training=training)
            outputs = ops.split(outputs, len(members), axis=0)
            for i, output in zip(members, outputs, strict=True):
                scores[i] = ops.flip(output, axis=2) if PARTS[i].flipped else output
        return scores

    def probabilities(self, scores: Tensor) -> Tensor:
        """Turns the scores of a part into what `paste_back` pastes: eq. 5."""
        return ops.softmax(scores, axis=-1)

    def parse_parts(
        self, photos: Tensor, training: bool = False, cropper: Cropper | None = None
    ) -> tuple[list[Tensor], Tensor, Tensor]:
        """Parses photos of one size as far as their parts: all but paste back.

        Args:
            photos: `(batch, height, width, 3)`, 0..255.
            training: whether batch norm uses the statistics of the batch.
            cropper: what places the windows; None is the localization network.

        Returns:
            the probabilities of each part, as `paste_back` takes them; theta
            `(batch, parts, 2, 3)`, patch -> photo; the coarse scores.
        """
        framed = self.frame_photos(photos)
        coarse_scores = self.coarse_scores(framed.coarse_image, training=training)
        if cropper is None:
            theta = self.learned_windows(coarse_scores, framed, training=training)
        else:
            theta = cropper(coarse_scores, framed)
        patches = self.crop(framed.source, theta)
        part_scores = self.part_scores(patches, training=training)
        theta = framed.to_photo(theta)
        probabilities = [self.probabilities(scores) for scores in part_scores]
        return probabilities, theta, coarse_scores

    def parse(
        self, photos: Tensor, training: bool = False, cropper: Cropper | None = None
    ) -> dict[str, Tensor]:
        """Parses photos of one size, see `StnIcnn`; the arguments of `parse_parts`."""
        probabilities, theta, coarse_scores = self.parse_parts(
            photos, training, cropper
        )
        mask = self.paste_back(probabilities, theta, ops.shape(photos)[1:3])
        return {"mask": mask, "theta": theta, "coarse_scores": coarse_scores}
