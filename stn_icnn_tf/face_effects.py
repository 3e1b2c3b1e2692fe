"""Effects on a parsed photo: tints, smooth skin, cut-outs. No TensorFlow."""

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from stn_icnn_tf import effects, matting
from stn_icnn_tf.class_groups import ALL, class_ids
from stn_icnn_tf.class_sets import ClassSet
from stn_icnn_tf.photos import photo_array
from stn_icnn_tf.regions import Box, box_around

# How far edges are sought, and skin is smoothed, as a part of the height from the brows
# to the lips.
EDGE_REACH, SKIN_REACH = 0.06, 0.05

# What `smooth_skin` smooths.
SMOOTHED = ("skin", "nose")

Photo = np.ndarray | Image.Image


class FaceEffects:
    """A photo and the classes of its pixels: what effects are made of, and they.

    `ParsedFace` is one.

    Attributes:
        photo: uint8 `(height, width, 3)`, RGB.
        mask: uint8 `(height, width)`, class ids.
        faces: what has a height of its own: the faces in the photo.
        class_set: of the ids in the mask.
    """

    photo: np.ndarray
    mask: np.ndarray
    faces: "tuple[FaceEffects, ...]"
    class_set: ClassSet
    _probabilities: Callable[[tuple[int, int]], np.ndarray] | None

    def probabilities(self, size: tuple[int, int] | None = None) -> np.ndarray:
        """Computes the probability of each class: the mask is the best of them.

        Args:
            size: `(height, width)` of what is returned, for less memory; None: the
                photo's.

        Returns:
            float32 `(height, width, classes)`; a pixel's sum is 1.

        Raises:
            ValueError: if they are not known, as of a photo that a server parsed.
        """
        if self._probabilities is None:
            raise ValueError("The probabilities of this photo are not known")
        return self._probabilities(size or self.mask.shape)

    def mask_of(self, *names: str) -> np.ndarray:
        """Returns where a class is, or one of several.

        Args:
            names: of classes, such as `"hair"`; of parts, as `"mouth"`; of what tables
                merge, as `"ears"`; or `"lips"`, `"face"`, `"head"`, `"all"`.

        Returns:
            bool `(height, width)`.

        Raises:
            ValueError: if the class set knows no such name; it lists those it knows.
        """
        return np.isin(self.mask, class_ids(self.class_set, names))

    def matte(self, *names: str) -> np.ndarray:
        """Returns how much of each pixel is of a class, or of one of several.

        It is their probability, or where that is not known the mask, softened; and its
        edges are moved onto those of the photo, see `matting.refine`.

        Args:
            names: see `mask_of`.

        Returns:
            float32 `(height, width)`, 0..1.

        Raises:
            ValueError: as `mask_of` does.
        """
        radius = self._radius(EDGE_REACH)
        return matting.refine(self._soft_mask(names, radius), self.photo, radius)

    def tint(
        self,
        names: str | Sequence[str],
        color: str | Sequence[int],
        strength: float = 0.7,
        photo: Photo | None = None,
    ) -> Image.Image:
        """Returns the photo with a class in another colour, as light as it was.

        Args:
            names: of a class, such as `"hair"` or `"lips"`, or several; see `mask_of`.
            color: as `"#a03020"`, `"crimson"`, or red, green and blue of 0..255.
            strength: 0..1.
            photo: what is tinted instead of the photo: what another effect made of it.

        Raises:
            ValueError: if an argument is not one of the above.
        """
        names = (names,) if isinstance(names, str) else names
        photo = self._instead(photo)
        return Image.fromarray(effects.tint(photo, self.matte(*names), color, strength))

    def smoothing_mask(self) -> np.ndarray:
        """Returns how much of each pixel `smooth_skin` smooths.

        Skin and nose, fading out towards their edge; 0 wherever the mask has another
        class.

        Returns:
            float32 `(height, width)`, 0..1.

        Raises:
            ValueError: if the class set has no skin.
        """
        skin = self.mask_of(*SMOOTHED)
        radius = self._radius(SKIN_REACH)
        soft = self._soft_mask(SMOOTHED, 0)
        faded = matting.inner_edge(soft, max(radius // 2, 1))
        return matting.resize(faded, self.mask.shape) * skin

    def smooth_skin(
        self, strength: float = 0.6, photo: Photo | None = None
    ) -> Image.Image:
        """Returns the photo with smoother skin, and all else as it was.

        Args:
            strength: 0..1.
            photo: see `tint`.

        Raises:
            ValueError: if the class set has no skin, or an argument is none.
        """
        photo, radius = self._instead(photo), self._radius(SKIN_REACH)
        return Image.fromarray(
            effects.smooth(photo, self.smoothing_mask(), radius, strength)
        )

    def cut_out(self, *names: str, photo: Photo | None = None) -> Image.Image:
        """Returns the photo, transparent but for some classes: RGBA, with soft edges.

        Args:
            names: see `mask_of`; none: all that is not background.
            photo: see `tint`.

        Raises:
            ValueError: as `mask_of` does, or if `photo` has another size.
        """
        photo, radius = self._instead(photo), self._radius(EDGE_REACH)
        alpha = self.matte(*(names or (ALL,)))
        return Image.fromarray(effects.cut_out(photo, alpha, radius))

    def _instead(self, photo: Photo | None) -> np.ndarray:
        if photo is None:
            return self.photo
        array = photo_array(photo)
        if array.shape != self.photo.shape:
            raise ValueError(
                "Argument `photo` must have the size of the photo. Received: "
                f"photo.shape={array.shape}, not {self.photo.shape}"
            )
        return array

    def _radius(self, reach: float) -> int:
        """Returns a part of the mean face's height, in pixels of the work size."""
        heights = [face._height() for face in self.faces]
        shrink = matting.work_size(self.mask.shape)[0] / len(self.mask)
        return max(round(reach * shrink * sum(heights) / max(len(heights), 1)), 1)

    def _box(self, classes: tuple[int, ...]) -> Box | None:
        return box_around(np.isin(self.mask, classes))

    def _height(self) -> int:
        box = self._box(self.class_set.part_classes) or box_around(self.mask > 0)
        return box[3] - box[1] if box else 0

    def _soft_mask(self, names: Sequence[str], radius: int) -> np.ndarray:
        """Returns the probability of some classes, or their mask; at the work size."""
        ids = class_ids(self.class_set, names)
        size = matting.work_size(self.mask.shape)
        if self._probabilities is not None:
            planes = np.moveaxis(self.probabilities(size), -1, 0)
            return sum(planes[class_id] for class_id in ids)
        soft = matting.resize(self.mask_of(*names), size)
        return matting.box_mean(soft, radius // 2)
