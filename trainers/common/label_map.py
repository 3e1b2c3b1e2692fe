"""What the labels of a data set mean to a model, and what they leave open."""

import dataclasses
from collections.abc import Iterable, Mapping

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
        table: the model's id of each id in the labels.
        undrawn: the model's classes that no label of the set shows. They are hidden
            in its background: what is labelled so may be any of them.
        class_set: of the model.
    """

    table: tuple[int, ...]
    undrawn: tuple[int, ...]
    class_set: ClassSet

    @classmethod
    def of(
        cls, table: Iterable[int], class_set: ClassSet, drawn: Iterable[int] = ()
    ) -> "LabelMap":
        """Makes the map of a table; `drawn` are ids of the model, default: its own."""
        table = tuple(int(k) for k in table)
        missing = set(range(1, class_set.num_classes)) - set(drawn or table)
        return cls(table, tuple(sorted(missing)), class_set)

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

        def add(example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return {**example, "label_table": table, "background": background}

        return dataset.map(add)
