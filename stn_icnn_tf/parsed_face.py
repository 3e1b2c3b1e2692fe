"""What a parsed photo is: its mask, and what one does with it. No TensorFlow."""

import io
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from stn_icnn_tf.face_effects import FaceEffects
from stn_icnn_tf.files import as_path, written_beside
from stn_icnn_tf.regions import Box, Region, measure_regions
from stn_icnn_tf.visualize import overlaid_rows, palette_image


class ParsedFace(FaceEffects):
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

    faces: "tuple[ParsedFace, ...]"

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

    def regions(self) -> list[Region]:
        """Measures each class but background: its size, mean colours and box."""
        return measure_regions(self.photo, self.mask, self.class_set)

    def overlay(self, opacity: float = 0.35) -> Image.Image:
        """Returns the photo with each part tinted and outlined in its colour."""
        picture = Image.new("RGB", self.mask.shape[::-1])
        rows = overlaid_rows(self.photo, self.mask, opacity, self.class_set)
        for start, pixels in rows:
            picture.paste(Image.fromarray(pixels), (0, start))
        return picture

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
            folder: is made if it is not there; it may be in remote storage.
            stem: beginning of the names; None: that of the photo's file, or `face`.

        Returns:
            the two files.

        Raises:
            OSError: if a file cannot be written.
        """
        folder, stem = as_path(folder), stem or self.name
        folder.mkdir(parents=True, exist_ok=True)
        files = folder / f"{stem}_mask.png", folder / f"{stem}_overlay.png"
        # One picture at a time: a large photo's take much memory.
        with written_beside(files[0]) as fresh:
            palette_image(self.mask, self.class_set).save(fresh, compress_level=6)
        with written_beside(files[1]) as fresh:
            # A tenth more bytes in a third of the time.
            self.overlay().save(fresh, compress_level=1)
        return files

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.overlay().save(content, "PNG")
        return content.getvalue()
