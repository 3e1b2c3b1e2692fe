"""Confusion matrices, and the scores that the paper's tables are made of."""

from collections.abc import Collection, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet, as_class_set

Tensor = Any


def confusion_matrix(
    labels: Tensor, predictions: Tensor, num_classes: int = EIGHT_PARTS.num_classes
) -> Tensor:
    """Counts pixels by label and prediction.

    Args:
        labels: integer, any shape, class ids.
        predictions: integer, same shape, class ids.
        num_classes: how many classes there are, background included.

    Returns:
        int64 `(classes, classes)`: rows are labels, columns are predictions.
    """
    pairs = ops.cast(labels, "int32") * num_classes + ops.cast(predictions, "int32")
    pairs = ops.reshape(pairs, (-1,))
    # XLA takes no `bincount` whose size it does not know.
    counts = ops.segment_sum(ops.ones_like(pairs), pairs, num_classes**2)
    return ops.reshape(ops.cast(counts, "int64"), (num_classes, num_classes))


def merge_undrawn_ids(predictions: Tensor, background: Tensor) -> Tensor:
    """Calls background what a data set's labels call so: classes it does not draw.

    Args:
        predictions: integer `(batch, ...)`, class ids.
        background: float `(batch, classes)`: 1 for the classes that the label
            background may mean, else 0.

    Returns:
        int32 `(batch, ...)`.
    """
    count = background.shape[-1]
    tables = ops.where(background > 0, 0, ops.arange(count, dtype="int32"))
    pixels = ops.reshape(ops.cast(predictions, "int32"), (ops.shape(tables)[0], -1))
    return ops.reshape(
        ops.take_along_axis(tables, pixels, axis=1), ops.shape(predictions)
    )


def _score_tensors(
    matrix: Tensor, class_set: ClassSet, undrawn: Collection[int] = ()
) -> dict[str, Tensor]:
    """Computes what `scores` returns, as scalars, by `keras.ops` alone."""
    matrix, count = ops.cast(matrix, "int64"), class_set.num_classes
    drawn = [k for k in range(1, count) if k not in undrawn]
    cropped = class_set.part_classes
    parts = tuple(k for k in drawn if k in cropped) if cropped else tuple(drawn)
    columns = [(name, ids) for name, ids in class_set.columns if {*ids} <= {*drawn}]
    merged = (*columns, ("overall", parts), ("overall_strict", parts))
    groups = [(class_id,) for class_id in range(count)] + [ids for _, ids in merged]
    members = np.zeros((len(groups), count), bool)
    for group, classes in zip(members, groups, strict=True):
        group[list(classes)] = True
    # Which confusions count as right: those within a group, but for the strict one.
    forgiven = members[:, :, None] & members[:, None, :]
    forgiven[-1] &= np.eye(count, dtype=bool)
    # Whole numbers, so that nothing is lost; divided once.
    right = ops.sum(ops.where(forgiven, matrix, 0), axis=(1, 2))
    predicted = ops.sum(ops.where(members, ops.sum(matrix, axis=0), 0), axis=1)
    labelled = ops.sum(ops.where(members, ops.sum(matrix, axis=1), 0), axis=1)
    nowhere = predicted + labelled == 0

    def ratio(counts: Tensor, of: Tensor) -> Tensor:
        """In 0..1; a class that is nowhere and was predicted nowhere scores 1."""
        of = ops.cast(ops.maximum(of, 1), "float64")
        return ops.where(nowhere, 1.0, ops.cast(counts, "float64") / of)

    precision, recall = ratio(right, predicted), ratio(right, labelled)
    f1 = ratio(2 * right, predicted + labelled)
    result = {}
    for class_id in (0, *drawn):
        name = class_set.names[class_id]
        result[f"{name}_precision"] = precision[class_id]
        result[f"{name}_recall"] = recall[class_id]
        result[f"{name}_f1"] = f1[class_id]
    for index, (name, _) in enumerate(merged, start=count):
        result[name] = f1[index]
    means: dict[str, Sequence[int]] = {"mean_f1": drawn}
    if len(cropped) < count - 1:
        means["parts_mean_f1"] = parts
    for name, ids in means.items():
        result[name] = ops.mean(ops.take(f1, np.array(ids, "int32")))
    return result


def scores(
    matrix: np.ndarray,
    class_set: ClassSet = EIGHT_PARTS,
    undrawn: Collection[int] = (),
) -> dict[str, float]:
    """Computes the scores of a confusion matrix summed over a whole data set.

    Args:
        matrix: integer `(classes, classes)`, rows labels, columns predictions.
        class_set: names the classes, and the columns of merged ones.
        undrawn: ids of the classes that the labels do not draw, and so cannot tell.
            They have no score.

    Returns:
        for each class `NAME`: `NAME_precision`, `NAME_recall`, `NAME_f1`; for
        each column of the class set (merged eyes, brows, mouth) its F1
        under its name; `overall`, the benchmark's, over the classes of cropped
        parts, in which a confusion of two of them counts as right;
        `overall_strict`, in which only the same class is right; `mean_f1` over all
        classes but background; and, if some of them are no part's, `parts_mean_f1`
        over those of the parts. All in 0..1.

    Raises:
        ValueError: if `matrix` is not of that shape.

    Reference:
        STN-iCNN eq. 23 to 25; Smith et al. 2013 for `overall`.
    """
    matrix = np.asarray(matrix)
    shape = (class_set.num_classes,) * 2
    if matrix.shape != shape:
        raise ValueError(
            f"Argument `matrix` must have shape {shape}. "
            f"Received: matrix.shape={matrix.shape}"
        )
    tensors = _score_tensors(matrix, class_set, undrawn)
    return {name: float(score) for name, score in tensors.items()}


@keras.saving.register_keras_serializable(package="stn_icnn_tf")
class FaceParsingScores(keras.metrics.Metric):
    """A streaming confusion matrix with the scores of the paper's tables.

    Counts are whole numbers summed over everything seen, and divided once, in
    `result`: so batch size, batch order and the number of replicas do not
    matter.

    Args:
        class_set: the classes: a `ClassSet`, its config, or a name in `CLASS_SETS`.
        name: of the metric.
        undrawn: ids of the classes that the labels do not draw: where one is
            predicted, background is counted, and it has no score.

    Examples:
        >>> metric = FaceParsingScores()
        >>> metric.update_state(labels, masks)
        >>> metric.result()["overall"]

    Keras's own loop takes it, too; the scores are then in the logs, by their names:

    >>> model.compile(loss=loss, metrics=[FaceParsingScores()])
    """

    def __init__(
        self,
        class_set: ClassSet | dict | str = EIGHT_PARTS,
        name: str = "face_parsing_scores",
        undrawn: Collection[int] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.class_set = as_class_set(class_set)
        self.undrawn = tuple(undrawn)
        # int64: a float32 stops counting at 2**24 pixels, some 70 photos.
        self.matrix = self.add_variable(
            shape=(self.class_set.num_classes,) * 2,
            initializer="zeros",
            dtype="int64",
            aggregation="sum",
            name="matrix",
        )

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None
    ) -> None:
        """Counts one batch of masks.

        Args:
            y_true: integer, any shape, labels.
            y_pred: integer, as many pixels, predicted class ids; or float
                `(..., classes)`, scores or probabilities, of which the best counts.
            sample_weight: not supported.

        Raises:
            ValueError: if `sample_weight` is given.
        """
        if sample_weight is not None:
            raise ValueError(
                "Argument `sample_weight` must be None: pixels are counted, not "
                f"weighed. Received: sample_weight={sample_weight}"
            )
        if "float" in keras.backend.standardize_dtype(y_pred.dtype):
            y_pred = ops.argmax(y_pred, axis=-1)
        y_true, y_pred = ops.reshape(y_true, (-1,)), ops.reshape(y_pred, (-1,))
        count = self.class_set.num_classes
        if self.undrawn:
            told = np.arange(count, dtype="int32")
            told[list(self.undrawn)] = 0
            y_pred = ops.take(told, ops.cast(y_pred, "int32"))
        self.update_matrix(confusion_matrix(y_true, y_pred, count))

    def update_matrix(self, matrix: Tensor) -> None:
        """Adds a confusion matrix, int64 `(classes, classes)`, counted elsewhere."""
        self.matrix.assign(self.matrix + ops.cast(matrix, "int64"))

    def result(self) -> dict[str, Tensor]:
        """Returns the dict of `scores`, as float64 scalars."""
        return _score_tensors(self.matrix, self.class_set, self.undrawn)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "class_set": self.class_set.get_config(),
            "undrawn": list(self.undrawn),
        }
