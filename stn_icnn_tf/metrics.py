"""Confusion matrices, and the scores that the paper's tables are made of."""

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
    counts = ops.bincount(ops.reshape(pairs, (-1,)), minlength=num_classes**2)
    return ops.reshape(ops.cast(counts, "int64"), (num_classes, num_classes))


def _precision_recall_f1(true_positives: int, predicted: int, labelled: int) -> tuple:
    """Each in 0..1; a class that is nowhere and was predicted nowhere scores 1."""
    if predicted + labelled == 0:
        return 1.0, 1.0, 1.0
    precision = true_positives / predicted if predicted else 0.0
    recall = true_positives / labelled if labelled else 0.0
    return precision, recall, 2.0 * true_positives / (predicted + labelled)


def scores(matrix: np.ndarray, class_set: ClassSet = EIGHT_PARTS) -> dict[str, float]:
    """Computes the scores of a confusion matrix summed over a whole data set.

    Args:
        matrix: integer `(classes, classes)`, rows labels, columns predictions.
        class_set: names the classes, and the columns of merged ones.

    Returns:
        for each class `NAME`: `NAME_precision`, `NAME_recall`, `NAME_f1`; for
        each column of the class set (merged eyes, brows, mouth) its F1
        under its name; `overall`, the benchmark's, in which a confusion of two
        parts counts as right; `overall_strict`, in which only the same class is
        right; `mean_f1` over all classes but background. All in 0..1.

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
    matrix = matrix.astype("int64")

    def merged(classes: tuple[int, ...]) -> tuple:
        block = matrix[np.ix_(classes, classes)].sum()
        return _precision_recall_f1(
            int(block), int(matrix[:, classes].sum()), int(matrix[classes, :].sum())
        )

    result = {}
    class_f1 = []
    for class_id, name in enumerate(class_set.names):
        precision, recall, f1 = merged((class_id,))
        result[f"{name}_precision"] = precision
        result[f"{name}_recall"] = recall
        result[f"{name}_f1"] = f1
        if class_id:
            class_f1.append(f1)
    for name, classes in class_set.columns:
        result[name] = merged(classes)[2]
    foreground = tuple(range(1, class_set.num_classes))
    result["overall"] = merged(foreground)[2]
    right = int(np.trace(matrix[1:, 1:]))
    result["overall_strict"] = _precision_recall_f1(
        right, int(matrix[:, 1:].sum()), int(matrix[1:].sum())
    )[2]
    result["mean_f1"] = float(np.mean(class_f1))
    return result


@keras.saving.register_keras_serializable(package="stn_icnn_tf")
class FaceParsingScores(keras.metrics.Metric):
    """A streaming confusion matrix with the scores of the paper's tables.

    Counts are whole numbers summed over everything seen, and divided once, in
    `result`: so batch size, batch order and the number of replicas do not
    matter.

    Args:
        class_set: the classes: a `ClassSet`, its config, or a name in `CLASS_SETS`.
        name: of the metric.

    Example:

    >>> metric = FaceParsingScores()
    >>> metric.update_state(labels, masks)
    >>> metric.result()["overall"]
    """

    def __init__(
        self,
        class_set: ClassSet | dict | str = EIGHT_PARTS,
        name: str = "face_parsing_scores",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.class_set = as_class_set(class_set)
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
        """Counts one batch of integer masks of equal shape.

        Args:
            y_true: integer, any shape, labels.
            y_pred: integer, same shape, predicted class ids.
            sample_weight: not supported.

        Raises:
            ValueError: if `sample_weight` is given.
        """
        if sample_weight is not None:
            raise ValueError(
                "Argument `sample_weight` must be None: pixels are counted, not "
                f"weighed. Received: sample_weight={sample_weight}"
            )
        count = self.class_set.num_classes
        self.update_matrix(confusion_matrix(y_true, y_pred, count))

    def update_matrix(self, matrix: Tensor) -> None:
        """Adds a confusion matrix, int64 `(classes, classes)`, counted elsewhere."""
        self.matrix.assign(self.matrix + ops.cast(matrix, "int64"))

    def result(self) -> dict[str, float]:
        """Returns the dict of `scores`."""
        return scores(ops.convert_to_numpy(self.matrix), self.class_set)

    def get_config(self) -> dict:
        return {**super().get_config(), "class_set": self.class_set.get_config()}
