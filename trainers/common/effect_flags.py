"""What `trainers.predict` writes of each photo, besides mask and overlay."""

import csv
import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from absl import flags
from PIL import Image

from stn_icnn_tf.class_groups import class_ids
from stn_icnn_tf.class_sets import ClassSet
from stn_icnn_tf.color import read_color
from stn_icnn_tf.effects import checked_strength
from stn_icnn_tf.face_effects import SMOOTHED
from stn_icnn_tf.files import path_with_suffix, written_beside
from stn_icnn_tf.parsed_face import ParsedFace
from stn_icnn_tf.regions import COLUMNS
from stn_icnn_tf.visualize import palette_image
from trainers.common.paths import define_path, output_file
from trainers.common.photos import EFFECT_ENDINGS, OUTPUT_ENDINGS

# Names that no class may have: files end so.
_TAKEN = tuple(ending[1:] for ending in (*OUTPUT_ENDINGS, *EFFECT_ENDINGS))


def define_effect_flags() -> None:
    """Defines the flags that `Effects.from_flags` reads."""
    flags.DEFINE_multi_string(
        "classes",
        [],
        "CLASS or CLASS,CLASS: also write STEM_CLASS+CLASS.png, 255 where one is; may "
        "be repeated.",
    )
    flags.DEFINE_multi_string(
        "tint",
        [],
        "CLASS,CLASS:COLOR or CLASS:COLOR:STRENGTH, as lips:crimson:0.5; into "
        "STEM_retouched.png; may be repeated.",
    )
    flags.DEFINE_float(
        "smooth_skin",
        None,
        "Strength 0..1: smooth the skin in STEM_retouched.png; where, is in "
        "STEM_smoothed.png.",
    )
    flags.DEFINE_list(
        "cut_out",
        None,
        "CLASS,CLASS or all: write them, with alpha, as STEM_cutout.png.",
    )
    define_path("regions", None, "CSV file for sizes and mean colours of the classes.")


@dataclasses.dataclass(frozen=True)
class Tint:
    """Which classes are tinted, and how; see `ParsedFace.tint`."""

    names: tuple[str, ...]
    color: tuple[int, int, int]
    strength: float = 0.7

    @classmethod
    def read(cls, text: str) -> "Tint":
        """Reads `CLASS,CLASS:COLOR` or `CLASS:COLOR:STRENGTH`.

        Raises:
            ValueError: if it is something else.
        """
        names, *values = text.split(":")
        try:
            color, *given = values
            (strength,) = map(float, given) if given else (cls.strength,)
        except ValueError as error:
            raise ValueError(
                "Argument `tint` must be CLASS:COLOR or CLASS:COLOR:STRENGTH. "
                f"Received: tint={text}"
            ) from error
        return cls(
            tuple(names.split(",")), read_color(color), checked_strength(strength)
        )


@dataclasses.dataclass(frozen=True)
class Effects:
    """What is written of each photo.

    Attributes:
        classes: unions of classes, a mask each.
        tints: in the order in which they are done, after smoothing.
        smooth_skin: strength; None: it is left.
        cut_out: classes; None: nothing is cut out.
        regions: CSV file; None: none.
    """

    classes: tuple[tuple[str, ...], ...] = ()
    tints: tuple[Tint, ...] = ()
    smooth_skin: float | None = None
    cut_out: tuple[str, ...] | None = None
    regions: pathlib.Path | None = None

    @classmethod
    def from_flags(cls) -> "Effects":
        """Reads the flags.

        Raises:
            ValueError: if one cannot be read, whatever the classes are.
        """
        values = flags.FLAGS
        if values.smooth_skin is not None:
            checked_strength(values.smooth_skin)
        regions = values.regions
        if regions is not None:
            regions = output_file(
                path_with_suffix(regions, ".csv", "regions"), "regions"
            )
        return cls(
            tuple(tuple(text.split(",")) for text in values.classes),
            tuple(map(Tint.read, values.tint)),
            values.smooth_skin,
            None if values.cut_out is None else tuple(values.cut_out),
            regions,
        )

    @property
    def endings(self) -> tuple[str, ...]:
        """What the names of the pictures have behind the photo's stem."""
        smooth, cut = self.smooth_skin is not None, self.cut_out is not None
        asked = zip(EFFECT_ENDINGS, (smooth, smooth or bool(self.tints), cut))
        return (
            *(f"_{'+'.join(names)}" for names in self.classes),
            *(ending for ending, wanted in asked if wanted),
        )

    def check(self, class_set: ClassSet, overwrite: bool = False) -> None:
        """Checks names of classes and files, before the work.

        Args:
            class_set: of the model.
            overwrite: whether the CSV file may be there already.

        Raises:
            ValueError: if the class set does not know a class, a file of it would have
                the name of another, or the CSV file is there.
        """
        if self.regions is not None and self.regions.exists() and not overwrite:
            raise ValueError(
                "Argument `regions` must be a new file, or --overwrite given. "
                f"Received: regions={self.regions}"
            )
        for names in self.classes:
            class_ids(class_set, names, "classes")
            name = "+".join(names)
            if name in _TAKEN or pathlib.PurePath(name).name != name:
                raise ValueError(
                    "Argument `classes` must be of classes that a file can be named "
                    f"after. Received: classes={name}"
                )
        for tint in self.tints:
            class_ids(class_set, tint.names, "tint")
        if self.smooth_skin is not None:
            class_ids(class_set, SMOOTHED, "smooth_skin")
        if self.cut_out is not None:
            class_ids(class_set, self.cut_out, "cut_out")

    def pictures(self, face: ParsedFace) -> Iterator[tuple[str, Image.Image]]:
        """Makes the pictures of a photo.

        Yields:
            what its name has behind the stem, as in `endings`; and the picture.
        """
        for names in self.classes:
            yield f"_{'+'.join(names)}", _plane(face.mask_of(*names))
        picture = None
        if self.smooth_skin is not None:
            yield "_smoothed", _plane(face.smoothing_mask())
            picture = face.smooth_skin(self.smooth_skin)
        for tint in self.tints:
            picture = face.tint(tint.names, tint.color, tint.strength, picture)
        if picture is not None:
            yield "_retouched", picture
        if self.cut_out is not None:
            yield "_cutout", face.cut_out(*self.cut_out, photo=picture)

    def save(self, face: ParsedFace, folder: pathlib.Path, stem: str) -> None:
        """Writes the pictures of a photo.

        Raises:
            OSError: if a file cannot be written.
        """
        for ending, picture in self.pictures(face):
            with written_beside(folder / f"{stem}{ending}.png") as fresh:
                picture.save(fresh)

    def check_single(self) -> None:
        """Checks that one picture is asked for, as standard output takes it.

        Raises:
            ValueError: if it is not.
        """
        retouched = self.smooth_skin is not None or bool(self.tints)
        if len(self.classes) + (retouched or self.cut_out is not None) > 1:
            raise ValueError(
                "Standard output takes one picture: --output=FOLDER writes them all"
            )

    def single(self, face: ParsedFace) -> Image.Image:
        """Returns the one picture, see `check_single`: the mask, if none is asked for.

        With a cut-out it is that, of the retouched photo.
        """
        pictures = [picture for _, picture in self.pictures(face)]
        return pictures[-1] if pictures else palette_image(face.mask, face.class_set)

    def rows(self, face: ParsedFace, path: pathlib.Path) -> list[tuple[Any, ...]]:
        """Returns the lines of the CSV file about a photo: a face and class each."""
        if self.regions is None:
            return []
        return [
            (path, number, *region.row())
            for number, one in enumerate(face.faces)
            for region in one.regions()
        ]

    def write_regions(self, rows: list[tuple[Any, ...]]) -> None:
        """Writes the CSV file, complete or not at all.

        Raises:
            OSError: if it cannot be written.
        """
        if self.regions is None:
            return
        with (
            written_beside(self.regions) as fresh,
            fresh.open("w", newline="", encoding="utf-8") as file,
        ):
            csv.writer(file).writerows([("photo", "face", *COLUMNS), *rows])


NO_EFFECTS = Effects()


def _plane(plane: np.ndarray) -> Image.Image:
    return Image.fromarray(np.round(plane * np.float32(255)).astype("uint8"))
