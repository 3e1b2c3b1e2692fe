"""The steps of STN-iCNN and their order, whatever carries them out."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from keras import ops

from stn_icnn_tf.class_sets import ClassSet
from stn_icnn_tf.geometry.affine import (
    frame_theta,
    grid_sample,
    invert_theta,
)
from stn_icnn_tf.geometry.letterbox import letterbox
from stn_icnn_tf.geometry.paste_back import paste_back, rectangular_grid
from stn_icnn_tf.geometry.windows import placed_share, window_theta
from stn_icnn_tf.models.search_thresholds import SearchThresholds
from stn_icnn_tf.models.steps import FramedPhotos, ParsedParts

Tensor = Any


def normalize(image: Tensor) -> Tensor:
    """Maps pixel values 0..255 to -1..1, float32."""
    return ops.cast(image, "float32") / 127.5 - 1.0


# Coarse scores and framed photos -> theta `(batch, parts, 2, 3)`, patch -> source.
Cropper = Callable[[Tensor, FramedPhotos], Tensor]


class Pipeline:
    """Coarse scores -> theta -> patches -> part scores -> paste back: eq. 1 to 6.

    `StnIcnn` runs these steps with Keras layers, the fused model with folded ones.
    Whoever inherits sets `SETTINGS` as attributes, and the callables `coarse`,
    `localization`, `crop` and `part_nets` (by name).
    """

    SETTINGS = (
        "class_set",
        "framing",
        "window",
        "coarse_size",
        "coarse_image_size",
        "patch_size",
        "canvas_size",
        "mean_crop",
        "scale_range",
        "search_thresholds",
    )

    class_set: ClassSet
    framing: str
    window: str
    coarse_size: int
    coarse_image_size: int
    patch_size: int
    canvas_size: int
    mean_crop: tuple
    scale_range: float
    search_thresholds: SearchThresholds
    coarse: Any
    localization: Any
    crop: Any
    part_nets: Mapping[str, Any]

    def copy_settings(self, model: "Pipeline") -> None:
        """Takes over the settings of another pipeline."""
        for name in self.SETTINGS:
            setattr(self, name, getattr(model, name))

    def resize(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        """Resizes float `(batch, height, width, channels)`, antialiased."""
        return ops.image.resize(
            images, size, antialias=True, data_format="channels_last"
        )

    # === Frames ===

    def photo_frame(self, size: tuple[Tensor, Tensor]) -> Tensor:
        """Maps the coarse frame to photos of `(height, width)`: `(1, 1, 2, 3)`."""
        if self.framing == "stretch":
            return self._frame(size, (0, 0), size)
        square = letterbox(*size)
        return self._frame((square.side,) * 2, (-square.top, -square.left), size)

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
        photo_frame = self.photo_frame((height, width))
        coarse_size = (self.coarse_image_size,) * 2
        if self.framing == "stretch":
            coarse = self.resize(photos, coarse_size)
            return FramedPhotos(coarse, photos, photo_frame, photo_frame)
        canvas_size = (self.canvas_size, self.canvas_size)
        around = letterbox(height, width)
        rows, columns = (around.top, around.bottom), (around.left, around.right)
        canvas = self.resize(
            ops.pad(photos, ((0, 0), rows, columns, (0, 0))), canvas_size
        )
        canvas_frame = self._frame(canvas_size, (0, 0), canvas_size)
        coarse = self.resize(canvas, coarse_size)
        return FramedPhotos(coarse, canvas, canvas_frame, photo_frame)

    def _frame(self, content: tuple, offset: tuple, size: tuple) -> Tensor:
        """Maps the coarse frame to a content, see `frame_theta`; `(1, 1, 2, 3)`."""
        return frame_theta(self.coarse_size, content, offset, size)[None, None]

    # === Coarse net and windows ===

    def coarse_scores(self, coarse_image: Tensor, training: bool = False) -> Tensor:
        """Labels the coarse image: eq. 1.

        Args:
            coarse_image: float `(batch, coarse_image_size, coarse_image_size, 3)`,
                0..255.
            training: whether batch norm uses the statistics of the batch.

        Returns:
            float32 `(batch, coarse_size, coarse_size, classes)`, logits.
        """
        return self.coarse(normalize(coarse_image), training=training)

    def enlarge_scores(
        self, scores: Tensor, frame: Tensor, size: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Brings scores of the coarse image to photos, bilinearly.

        Args:
            scores: float `(batch, coarse_size, coarse_size, channels)`.
            frame: float `(batch or 1, 1, 2, 3)`, coarse -> photo.
            size: `(height, width)` of the photos in pixels.

        Returns:
            float32 `(batch, height, width, channels)`.
        """
        to_coarse = invert_theta(frame)[:, 0]

        def positions(axis: int, count: Tensor) -> Tensor:
            pixels = ops.cast(ops.arange(count), "float32")
            place = 2.0 * pixels / (ops.cast(count, "float32") - 1.0) - 1.0
            place = to_coarse[:, axis, axis, None] * place + to_coarse[:, axis, 2, None]
            # The photo's border lies half a coarse pixel beyond the outermost centres.
            return ops.clip(place, -1.0, 1.0)

        height, width = size
        grid = rectangular_grid(positions(0, width), positions(1, height))
        shape = (ops.shape(scores)[0], *ops.shape(grid)[1:])
        return grid_sample(scores, ops.broadcast_to(grid, shape))

    def base_probabilities(self, coarse_scores: Tensor) -> Tensor | None:
        """Labels the coarse image with the base classes: what no crop labels.

        Args:
            coarse_scores: float `(batch, coarse_size, coarse_size, classes)`, logits.

        Returns:
            float `(batch, coarse_size, coarse_size, base classes)`, which add up to 1;
            None if background is the only base class.
        """
        classes = self.class_set.base_classes
        if len(classes) == 1:
            return None
        scores = ops.take(coarse_scores, ops.convert_to_tensor(classes), axis=-1)
        return ops.softmax(scores, axis=-1)

    def class_probabilities(self, coarse_scores: Tensor) -> Tensor:
        """Turns coarse logits into what the localization network sees."""
        return ops.softmax(ops.cast(coarse_scores, "float32"), axis=-1)

    def localize(self, coarse_scores: Tensor, training: bool = False) -> Tensor:
        """Predicts theta, patch -> coarse frame, from coarse logits: eq. 2.

        The localization network sees the parts' classes; the base classes are one.
        """
        probabilities = self.class_probabilities(coarse_scores)
        if len(self.class_set.base_classes) > 1:
            probabilities = ops.matmul(probabilities, self._base_as_one())
        return self.localization(probabilities, training=training)

    def _base_as_one(self) -> np.ndarray:
        """Adds up the base classes; float32 `(classes, 1 + classes of the parts)`."""
        kept = self.class_set.part_classes
        table = np.zeros((self.class_set.num_classes, 1 + len(kept)), "float32")
        table[list(self.class_set.base_classes), 0] = 1.0
        table[list(kept), range(1, 1 + len(kept))] = 1.0
        return table

    def source_theta(self, theta: Tensor, frame: Tensor, source_size: Tensor) -> Tensor:
        """Takes theta from the coarse frame to the source, by the window rule."""
        return window_theta(theta, frame, source_size, self.patch_size, self.window)

    def learned_windows(
        self, coarse_scores: Tensor, framed: FramedPhotos, training: bool = False
    ) -> Tensor:
        """Places the windows by the localization network: the default `Cropper`."""
        theta = self.localize(coarse_scores, training=training)
        return self.source_theta(theta, framed.source_frame, framed.source_size)

    # === Parts ===

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
        parts = self.class_set.parts
        scores: list[Tensor] = [None] * len(parts)
        for name, net in self.part_nets.items():
            members = [i for i, part in enumerate(parts) if part.net == name]
            inputs = [
                ops.flip(patches[:, i], axis=2) if parts[i].flipped else patches[:, i]
                for i in members
            ]
            outputs = net(ops.concatenate(inputs, axis=0), training=training)
            outputs = ops.split(outputs, len(members), axis=0)
            for i, output in zip(members, outputs, strict=True):
                scores[i] = ops.flip(output, axis=2) if parts[i].flipped else output
        return scores

    def probabilities(self, scores: Tensor) -> Tensor:
        """Turns the scores of a part into what `paste_back` pastes: eq. 5."""
        return ops.softmax(scores, axis=-1)[..., 1:]

    def paste_back(
        self,
        probabilities: list[Tensor],
        theta: Tensor,
        size: tuple[Tensor, Tensor],
        base: Tensor | None = None,
        frame: Tensor | None = None,
    ) -> Tensor:
        """Pastes the parts, and the base layer, into masks: see `paste_back`.

        Args:
            probabilities: see `paste_back`.
            theta: see `paste_back`.
            size: `(height, width)` of the photos in pixels.
            base: what `base_probabilities` returned.
            frame: float `(batch or 1, 1, 2, 3)`, coarse -> photo; None: as
                `photo_frame` has it.

        Returns:
            uint8 `(batch, height, width)`, class ids.
        """
        if base is not None:
            frame = self.photo_frame(size) if frame is None else frame
            # Probabilities are enlarged, not scores: a softmax of fewer pixels.
            base = self.enlarge_scores(base, frame, size)
        return paste_back(probabilities, theta, size, self.class_set, base)

    # === All of it ===

    def parse_parts(
        self, photos: Tensor, training: bool = False, cropper: Cropper | None = None
    ) -> ParsedParts:
        """Parses photos of one size as far as their parts.

        Args:
            photos: `(batch, height, width, 3)`, 0..255.
            training: whether batch norm uses the statistics of the batch.
            cropper: what places the windows; None is the localization network.
        """
        framed = self.frame_photos(photos)
        coarse_scores = self.coarse_scores(framed.coarse_image, training=training)
        return self.parse_from_scores(coarse_scores, framed, training, cropper)

    def parse_from_scores(
        self,
        coarse_scores: Tensor,
        framed: FramedPhotos,
        training: bool = False,
        cropper: Cropper | None = None,
    ) -> ParsedParts:
        """Does so for photos of which the coarse scores are known."""
        if cropper is None:
            theta = self.learned_windows(coarse_scores, framed, training=training)
        else:
            theta = cropper(coarse_scores, framed)
        patches = self.crop(framed.source, theta)
        part_scores = self.part_scores(patches, training=training)
        return ParsedParts(
            [self.probabilities(scores) for scores in part_scores],
            framed.to_photo(theta),
            self.base_probabilities(coarse_scores),
            coarse_scores,
        )

    def parse(
        self, photos: Tensor, training: bool = False, cropper: Cropper | None = None
    ) -> dict[str, Tensor]:
        """Parses photos of one size, see `StnIcnn`; the arguments of `parse_parts`."""
        parsed = self.parse_parts(photos, training, cropper)
        size = ops.shape(photos)[1:3]
        return {
            "mask": self.paste_back(
                parsed.probabilities, parsed.theta, size, parsed.base
            ),
            "theta": parsed.theta,
            "coarse_scores": parsed.coarse_scores,
            "placed": placed_share(parsed.probabilities),
        }
