"""Names that stand for classes: classes, parts, columns, and groups. No TensorFlow."""

from collections.abc import Iterable

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet

# Of every class set: what is not background.
ALL = "all"

_FACE = ("skin", *EIGHT_PARTS.names[1:])

# Name -> classes; of the class sets that have all of these.
GROUPS = {
    "lips": ("upper_lip", "lower_lip"),
    "face": _FACE,
    "head": (*_FACE, "left_ear", "right_ear", "hair", "glasses", "hat", "earring"),
}


def known_names(class_set: ClassSet) -> dict[str, tuple[int, ...]]:
    """Lists what names a class or several, with their ids; a class's own name first."""
    names = class_set.names
    known: dict[str, tuple[int, ...]] = {}
    known |= {name: (class_id,) for class_id, name in enumerate(names) if class_id}
    others = [(part.name, part.classes) for part in class_set.parts]
    others += class_set.columns
    others += [
        (group, tuple(map(names.index, members)))
        for group, members in GROUPS.items()
        if set(members) <= set(names)
    ]
    others.append((ALL, tuple(range(1, len(names)))))
    for name, ids in others:
        known.setdefault(name, ids)
    return known


def class_ids(
    class_set: ClassSet, names: Iterable[str], argument: str = "names"
) -> tuple[int, ...]:
    """Returns the ids of the union of some classes, in ascending order.

    Args:
        class_set: has the classes.
        names: of classes, parts, columns or groups, such as `"hair"`, `"mouth"`,
            `"ears"` and `"lips"`; or `"all"`.
        argument: which argument named them, for the error.

    Raises:
        ValueError: if there is no name, or one that the class set does not know.
    """
    names, known = tuple(names), known_names(class_set)
    for name in names or ("",):
        if name not in known:
            raise ValueError(
                f"Argument `{argument}` must be of {tuple(known)}. "
                f"Received: {argument}={name}"
            )
    return tuple(sorted({class_id for name in names for class_id in known[name]}))
