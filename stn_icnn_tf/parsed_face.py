"""What a parsed photo is: its mask, and what one does with it. No TensorFlow."""

import io
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from stn_icnn_tf import effects, matting
from stn_icnn_tf.class_groups import ALL, class_ids
from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from stn_icnn_tf.files import written_beside
from stn_icnn_tf.photos import photo_array
from stn_icnn_tf.regions import Box, Region, box_around, measure_regions
from stn_icnn_tf.visualize import overlay, palette_image

# How far edges are sought, and skin is smoothed, as a part of the height from the brows
# to the lips.
EDGE_REACH, SKIN_REACH = 0.06, 0.05

# What `smooth_skin` smooths.
SMOOTHED = ("skin", "nose")

Photo = np.ndarray | Image.Image


class ParsedFace:
    """A photo and the mask of its face.

    A Jupyter notebook shows it as its overlay.

    Args:
        photo: uint8 `(height, width, 3)`, RGB.
        mask: uint8 `(height, width)`, class ids.
        probabilities: gives float32 `(height, width, classes)` when asked for a size
            `(height, width)`, the photo's or a smaller one; None: it is not known.
        theta: float `(parts, 2, 3)`, the window of each part, patch -> photo; None: it
            is not known.
        name: stem of the files that `save` writes.
        faces: the faces of a group photo one by one, the largest first, if `mask` is
            of several.
        class_set: of the ids in the mask.

    Attributes:
        photo: see above.
        mask: see above. Left and right are the image's.
        theta: see above; in the face's own square, it is rolled as the face is.
        faces: a `ParsedFace` a face: this one itself, if it is of one; none, where no
            face was found.
        class_set: see above.

    Raises:
        ValueError: if the sizes of photo and mask differ.
    """

    def __init__(
        self,
        photo: np.ndarray,
        mask: np.ndarray,
        probabilities: Callable[[tuple[int, int]], np.ndarray] | None = None,
        theta: np.ndarray | None = None,
        name: str = "face",
        faces: Sequence["ParsedFace"] | None = None,
        class_set: ClassSet = EIGHT_PARTS,
    ) -> None:
        if photo.shape[:2] != mask.shape:
            raise ValueError(
                "Arguments `photo` and `mask` must have one size. Received: "
                f"photo.shape={photo.shape}, mask.shape={mask.shape}"
            )
        self.photo, self.mask, self.theta, self.name = photo, mask, theta, name
        self.faces = (self,) if faces is None else tuple(faces)
        self.class_set = class_set
        self._probabilities = probabilities

    def __repr__(self) -> str:
        height, width = self.mask.shape
        return f"<ParsedFace {self.name}: {width} x {height}, {', '.join(self.boxes)}>"

    @property
    def class_names(self) -> tuple[str, ...]:
        """The name of each class id."""
        return self.class_set.names

    @property
    def palette(self) -> tuple[tuple[int, int, int], ...]:
        """The colour, RGB, of each class id."""
        return self.class_set.palette

    @property
    def boxes(self) -> dict[str, Box]:
        """The box around the pixels of each part that is seen, by its name.

        A box is left, top, right and bottom in pixels, right and bottom exclusive, as
        Pillow's `crop` takes it. A part without a pixel has none.
        """
        boxes = {part.name: self._box(part.classes) for part in self.class_set.parts}
        return {name: box for name, box in boxes.items() if box is not None}

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

    def regions(self) -> list[Region]:
        """Measures each class but background: its size, mean colours and box."""
        return measure_regions(self.photo, self.mask, self.class_set)

    def overlay(self, opacity: float = 0.35) -> Image.Image:
        """Returns the photo with each part tinted and outlined in its colour."""
        return Image.fromarray(overlay(self.photo, self.mask, opacity, self.class_set))

    def crop(self, name: str, margin: float = 0.1) -> Image.Image:
        """Cuts a part or a class out of the photo.

        Args:
            name: of the part or class, such as `"mouth"` or `"upper_lip"`.
            margin: what is added on each side, as a part of the longer side.

        Raises:
            ValueError: if there is no such part or class, or it is not seen.
        """
        classes: dict[str, tuple[int, ...]] = {}
        classes |= {n: (index,) for index, n in enumerate(self.class_names) if index}
        classes |= {part.name: part.classes for part in self.class_set.parts}
        if name not in classes:
            raise ValueError(
                f"Argument `name` must be one of {tuple(classes)}. "
                f"Received: name={name}"
            )
        box = self._box(classes[name])
        if box is None:
            raise ValueError(
                f"Argument `name` must be of a part that is seen: {tuple(self.boxes)}. "
                f"Received: name={name}"
            )
        left, top, right, bottom = box
        more = round(margin * max(right - left, bottom - top))
        height, width = self.mask.shape
        return Image.fromarray(self.photo).crop(
            (
                max(left - more, 0),
                max(top - more, 0),
                min(right + more, width),
                min(bottom + more, height),
            )
        )

    def save(
        self, folder: str | pathlib.Path, stem: str | None = None
    ) -> tuple[pathlib.Path, pathlib.Path]:
        """Writes `STEM_mask.png`, with a palette, and `STEM_overlay.png`.

        Each is written complete or not at all, and replaces what is there.

        Args:
            folder: is made if it is not there.
            stem: beginning of the names; None: that of the photo's file, or `face`.

        Returns:
            the two files.

        Raises:
            OSError: if a file cannot be written.
        """
        folder, stem = pathlib.Path(folder), stem or self.name
        folder.mkdir(parents=True, exist_ok=True)
        files = folder / f"{stem}_mask.png", folder / f"{stem}_overlay.png"
        pictures = palette_image(self.mask, self.class_set), self.overlay()
        for file, picture in zip(files, pictures):
            with written_beside(file) as fresh:
                picture.save(fresh)
        return files

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.overlay().save(content, "PNG")
        return content.getvalue()

    def _box(self, classes: tuple[int, ...]) -> Box | None:
        return box_around(np.isin(self.mask, classes))

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
