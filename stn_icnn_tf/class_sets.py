"""What is labelled: classes, colours, mirror pairs, parts. No TensorFlow, no Keras.

Left and right are always the IMAGE's: `left_eye` is the eye that appears on
the left-hand side of the picture, whoever's it is.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

BACKGROUND = "background"

Color = tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class Part:
    """An anatomical region that is cropped and labelled on its own.

    Attributes:
        name: name of the part.
        net: name of the part net that labels it; parts may share one.
        classes: class ids that the part net tells apart, besides "not this part".
            Channel `k + 1` of the part scores is `classes[k]`; channel 0 is what
            belongs to no class of this part.
        flipped: whether the patch goes through its net mirrored left to right.
    """

    name: str
    net: str
    classes: tuple[int, ...]
    flipped: bool = False


@dataclasses.dataclass(frozen=True)
class ClassSet:
    """The classes that a model tells apart, and which parts it crops for them.

    A model holds it, saves it, and hands it to whoever needs a name, a colour or a
    part. Class 0 is background. Classes of no part are labelled by the coarse net
    alone: they and background are the base layer.

    Attributes:
        names: of the classes, by id.
        palette: RGB of each class in index PNGs and overlays.
        parts: the cropped regions.
        mirror_pairs: pairs of class ids that exchange places in a mirrored picture.
        columns: name -> class ids that are merged into one column of score tables.

    Raises:
        ValueError: if the attributes contradict each other.

    Examples:
        >>> EIGHT_PARTS.names[3]
        'left_eye'
        >>> ClassSet.from_config(EIGHT_PARTS.get_config()) == EIGHT_PARTS
        True
    """

    names: tuple[str, ...]
    palette: tuple[Color, ...]
    parts: tuple[Part, ...]
    mirror_pairs: tuple[tuple[int, int], ...] = ()
    columns: tuple[tuple[str, tuple[int, ...]], ...] = ()

    def __post_init__(self) -> None:
        for name in ("names", "palette", "parts", "mirror_pairs", "columns"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.names[:1] != (BACKGROUND,) or len(set(self.names)) < len(self.names):
            raise ValueError(
                f"Argument `names` must start with {BACKGROUND} and name each class "
                f"once. Received: names={self.names}"
            )
        if len(self.names) > 256 or len(self.palette) != len(self.names):
            raise ValueError(
                "Argument `palette` must hold the colour of each class, at most 256. "
                f"Received: {len(self.palette)} colours of {len(self.names)} classes"
            )
        groups = {
            "parts": [part.classes for part in self.parts],
            "mirror_pairs": self.mirror_pairs,
        }
        for argument, members in groups.items():
            ids = [class_id for group in members for class_id in group]
            if len(set(ids)) < len(ids) or not self._are_classes(ids):
                raise ValueError(
                    f"Argument `{argument}` must hold class ids 1 to "
                    f"{self.num_classes - 1}, each once. Received: {ids}"
                )
        for name, merged in self.columns:
            if not merged or not self._are_classes(merged):
                raise ValueError(
                    "Argument `columns` must merge class ids 1 to "
                    f"{self.num_classes - 1}. Received: {name}={merged}"
                )
        for part in self.parts:
            channels = {len(p.classes) for p in self.parts if p.net == part.net}
            if not part.classes or len(channels) > 1:
                raise ValueError(
                    "Argument `parts` must give parts of one net as many classes, one "
                    f"at least. Received: {part}"
                )

    def _are_classes(self, ids: Any) -> bool:
        return all(0 < class_id < self.num_classes for class_id in ids)

    @property
    def num_classes(self) -> int:
        """How many classes there are, background included."""
        return len(self.names)

    @property
    def num_parts(self) -> int:
        """How many parts are cropped."""
        return len(self.parts)

    @property
    def part_names(self) -> tuple[str, ...]:
        """The name of each part."""
        return tuple(part.name for part in self.parts)

    @property
    def base_classes(self) -> tuple[int, ...]:
        """The classes of the base layer: background, and all that are no part's."""
        cropped = self.part_classes
        return tuple(k for k in range(self.num_classes) if k not in cropped)

    @property
    def part_classes(self) -> tuple[int, ...]:
        """The classes of the parts, in increasing order."""
        return tuple(sorted(k for part in self.parts for k in part.classes))

    @property
    def mirrored_classes(self) -> tuple[int, ...]:
        """The id of each class once the picture is mirrored left to right."""
        ids = list(range(self.num_classes))
        for one, other in self.mirror_pairs:
            ids[one], ids[other] = other, one
        return tuple(ids)

    def id_of(self, name: str) -> int:
        """Returns the id of a class.

        Raises:
            ValueError: if there is no such class.
        """
        if name not in self.names:
            raise ValueError(
                f"Argument `name` must be one of {self.names}. Received: name={name}"
            )
        return self.names.index(name)

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` takes: names, numbers and lists alone."""
        return {
            "names": list(self.names),
            "palette": [list(color) for color in self.palette],
            "parts": [
                {**dataclasses.asdict(part), "classes": list(part.classes)}
                for part in self.parts
            ],
            "mirror_pairs": [list(pair) for pair in self.mirror_pairs],
            "columns": {name: list(ids) for name, ids in self.columns},
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "ClassSet":
        """Makes a class set of what `get_config` returned, or JSON of it.

        Raises:
            ValueError: if something is missing or unknown, or as the class does.
        """
        try:
            return cls(
                names=tuple(config["names"]),
                palette=tuple(tuple(color) for color in config["palette"]),
                parts=tuple(
                    Part(**{**part, "classes": tuple(part["classes"])})
                    for part in config["parts"]
                ),
                mirror_pairs=tuple(map(tuple, config.get("mirror_pairs", ()))),
                columns=tuple(
                    (name, tuple(ids))
                    for name, ids in dict(config.get("columns", {})).items()
                ),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(
                "Argument `config` must describe a class set as get_config does. "
                f"Received: {error!r} in {config}"
            ) from error


EIGHT_PARTS = ClassSet(
    names=(
        BACKGROUND,
        "left_brow",
        "right_brow",
        "left_eye",
        "right_eye",
        "nose",
        "upper_lip",
        "inner_mouth",
        "lower_lip",
    ),
    palette=(
        (0, 0, 0),
        (230, 159, 0),
        (0, 158, 115),
        (240, 228, 66),
        (86, 180, 233),
        (0, 114, 178),
        (213, 94, 0),
        (204, 121, 167),
        (255, 153, 153),
    ),
    parts=(
        Part("left_brow", net="brow", classes=(1,)),
        Part("right_brow", net="brow", classes=(2,), flipped=True),
        Part("left_eye", net="eye", classes=(3,)),
        Part("right_eye", net="eye", classes=(4,), flipped=True),
        Part("nose", net="nose", classes=(5,)),
        Part("mouth", net="mouth", classes=(6, 7, 8)),
    ),
    mirror_pairs=((1, 2), (3, 4)),
    columns=(
        ("eyes", (3, 4)),
        ("brows", (1, 2)),
        ("nose", (5,)),
        ("inner_mouth", (7,)),
        ("upper_lip", (6,)),
        ("lower_lip", (8,)),
        ("mouth", (6, 7, 8)),
    ),
)
"""The paper's classes.

Colours: warm on the image's left, cold on its right, lips from dark to light. Columns:
those of the paper's tables.
"""

HEAD = ClassSet(
    names=(
        *EIGHT_PARTS.names,
        "skin",
        "left_ear",
        "right_ear",
        "hair",
        "neck",
        "glasses",
        "hat",
        "cloth",
        "earring",
        "necklace",
    ),
    palette=(
        (0, 0, 0),
        (255, 204, 204),
        (0, 255, 255),
        (204, 0, 204),
        (51, 51, 255),
        (76, 153, 0),
        (255, 255, 0),
        (102, 204, 0),
        (0, 0, 153),
        (204, 0, 0),
        (255, 0, 0),
        (102, 51, 0),
        (0, 0, 204),
        (255, 153, 51),
        (204, 204, 0),
        (255, 51, 153),
        (0, 204, 0),
        (0, 204, 204),
        (0, 51, 0),
    ),
    parts=EIGHT_PARTS.parts,
    mirror_pairs=(*EIGHT_PARTS.mirror_pairs, (10, 11)),
    columns=(*EIGHT_PARTS.columns, ("ears", (10, 11))),
)
"""The whole head: the eight parts by their ids, and what only the coarse net labels.

Names and colours are CelebAMask-HQ's, but that left and right are the image's.
"""

CLASS_SETS = {"eight_parts": EIGHT_PARTS, "head": HEAD}
"""The class sets that go by a name."""


def as_class_set(value: ClassSet | Mapping[str, Any] | str) -> ClassSet:
    """Returns a class set: as it is, from its config, or by its name in `CLASS_SETS`.

    Raises:
        ValueError: if it is none of these.
    """
    if isinstance(value, ClassSet):
        return value
    if isinstance(value, Mapping):
        return ClassSet.from_config(value)
    if value not in CLASS_SETS:
        raise ValueError(
            "Argument `class_set` must be a ClassSet, its config, or one of "
            f"{tuple(CLASS_SETS)}. Received: class_set={value}"
        )
    return CLASS_SETS[value]
