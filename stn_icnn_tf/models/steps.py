"""What passes between the steps of the pipeline."""

from typing import Any, NamedTuple

from keras import ops

from stn_icnn_tf.geometry.affine import compose_theta, invert_theta

Tensor = Any


class FramedPhotos(NamedTuple):
    """A batch of photos, as the coarse net and the crop see it.

    Attributes:
        coarse_image: float `(batch, coarse_image_size, coarse_image_size, 3)`, 0..255.
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


class ParsedParts(NamedTuple):
    """Photos parsed as far as their parts: all but paste back.

    Attributes:
        probabilities: one float `(batch, patch, patch, classes)` a part, as
            `paste_back` takes them.
        theta: float `(batch, parts, 2, 3)`, patch -> photo.
        base: float `(batch, coarse_size, coarse_size, base classes)`, probabilities
            among the base classes; None if background is the only one.
        coarse_scores: float `(batch, coarse_size, coarse_size, classes)`, logits.
    """

    probabilities: list[Tensor]
    theta: Tensor
    base: Tensor | None
    coarse_scores: Tensor
