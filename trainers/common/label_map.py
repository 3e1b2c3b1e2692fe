"""What the labels of a data set mean to a model, and what they leave open."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from stn_icnn_tf.class_sets import BACKGROUND, CLASS_SETS, ClassSet

_KNOWN = {name for class_set in CLASS_SETS.values() for name in class_set.names}


def class_ids(
    names: Iterable[str], renamed: Mapping[str, str], class_set: ClassSet
) -> np.ndarray:
    """Returns the model's id of each name.

    A class that this project knows and the model does not is background to the model.

    Args:
        names: of the classes in the labels, by their ids there.
        renamed: name in the labels -> name of a class of this project.
        class_set: of the model.

    Returns:
        uint8 `(ids,)`.

    Raises:
        ValueError: if a name means no class of the model or of this project.
    """
    meant = {name: renamed.get(name, name) for name in names}
    known = {*class_set.names, *_KNOWN}
    unknown = [name for name, meaning in meant.items() if meaning not in known]
    if unknown:
        raise ValueError(
            f"must name the model's classes {class_set.names}, or say which of them "
            f"its own are; {BACKGROUND}, if none. Received: {unknown}"
        )
    ids = {name: class_id for class_id, name in enumerate(class_set.names)}
    return np.array([ids.get(m, 0) for m in meant.values()], "uint8")


def undrawn_parts(drawn: Iterable[int], class_set: ClassSet) -> list[str]:
    """Lists the classes of cropped parts that are not drawn, by name.

    Labels of a photo without them teach a part net that the part is not there.
    """
    drawn = {*drawn, *class_set.base_classes}
    return [n for class_id, n in enumerate(class_set.names) if class_id not in drawn]


@dataclasses.dataclass(frozen=True)
class LabelMap:
    """How the labels of a data set read in the classes of a model.

    Attributes:
        table: the id in `class_set` of each id in the labels.
        undrawn: the classes that no label of the set shows. They are hidden in its
            background: what is labelled so may be any of them.
        class_set: of the model; or of the labels, where one means several classes of
            the model.
        names: what each id in the labels is called in this project, as far as known.
        merged: the id in `class_set` of each of the model's classes, where one label
            means several of them; empty: they are the same.
    """

    table: tuple[int, ...]
    undrawn: tuple[int, ...]
    class_set: ClassSet
    names: tuple[str, ...] = ()
    merged: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        table: Iterable[int],
        class_set: ClassSet,
        drawn: Iterable[int] = (),
        names: Iterable[str] = (),
    ) -> "LabelMap":
        """Makes the map of a table; `drawn` are ids of the model, default: its own."""
        table = tuple(int(k) for k in table)
        missing = set(range(1, class_set.num_classes)) - set(drawn or table)
        return cls(table, tuple(sorted(missing)), class_set, tuple(names))

    @classmethod
    def of_unions(
        cls,
        names: Sequence[str],
        meanings: Mapping[str, str | Sequence[str]],
        class_set: ClassSet,
    ) -> "LabelMap":
        """Makes the map of labels of which one may mean several of a model's classes.

        Such labels can score a model: what it tells is brought to their ids. It
        cannot learn from them.

        Args:
            names: of the labels' ids, background first.
            meanings: name -> the names of the model's classes that it stands for;
                without one it means itself. Classes that no label means are
                background.
            class_set: of the model.

        Raises:
            ValueError: if a name means no class of the model, or a class is meant
                twice.
        """
        meant = {name: meanings.get(name, name) for name in names}
        meant = {k: [m] if isinstance(m, str) else [*m] for k, m in meant.items()}
        unknown = {m for ms in meant.values() for m in ms} - {*class_set.names}
        if unknown:
            raise ValueError(
                f"must mean classes of the model, {class_set.names}. "
                f"Received: {sorted(unknown)}"
            )
        merged = [0] * class_set.num_classes
        for label_id, name in enumerate(names):
            for class_id in map(class_set.id_of, meant[name]):
                if class_id and merged[class_id]:
                    raise ValueError(
                        "must mean each class of the model once. Received: "
                        f"{class_set.names[class_id]} of {names[merged[class_id]]} "
                        f"and {name}"
                    )
                merged[class_id] = label_id if class_id else 0
        table = [k if {*meant[n]} - {BACKGROUND} else 0 for k, n in enumerate(names)]
        colors = [class_set.id_of([*meant[n], BACKGROUND][0]) for n in names]
        palette = tuple(class_set.palette[k] for k in colors)
        scored = ClassSet(tuple(names), palette, ())
        missing = set(range(1, len(names))) - {*table}
        known = [m[0] if len(m) == 1 else "" for m in meant.values()]
        return cls(tuple(table), tuple(missing), scored, tuple(known), tuple(merged))

    def told(self, mask: np.ndarray) -> np.ndarray:
        """Calls the classes of a model's mask as the labels do, uint8.

        What they do not draw is background.
        """
        meanings = np.array(self.merged or range(self.class_set.num_classes), "uint8")
        meanings[np.isin(meanings, self.undrawn)] = 0
        return meanings[mask]

    def shown(self, label: np.ndarray, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Finds classes of this project in a label, also those the model lacks.

        Args:
            label: integer, any shape, ids as they are in the data set.
            names: of the classes.

        Returns:
            name -> bool, same shape, where it is; those that are not drawn are left
            out.
        """
        return {
            name: np.isin(label, [k for k, n in enumerate(self.names) if n == name])
            for name in names
            if name in self.names
        }

    @property
    def background(self) -> np.ndarray:
        """What the label background may mean, float32 `(classes,)` of 0 and 1."""
        meanings = np.zeros(self.class_set.num_classes, "float32")
        meanings[[0, *self.undrawn]] = 1.0
        return meanings

    def attach(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """Gives each example `label_table` and `background`; see `decode_example`."""
        table = tf.constant(self.table, tf.uint8)
        background = tf.constant(self.background)

        @tf.autograph.experimental.do_not_convert
        def add(example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return {**example, "label_table": table, "background": background}

        return dataset.map(add)
