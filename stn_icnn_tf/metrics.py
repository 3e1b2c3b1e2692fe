"""Confusion matrices, and the scores that the paper's tables are made of."""

from typing import Any

import keras
import numpy as np
from keras import ops

from stn_icnn_tf.class_sets import CLASS_NAMES, MERGED_CLASSES, NUM_CLASSES

Tensor = Any


def confusion_matrix(labels: Tensor, predictions: Tensor) -> Tensor:
    """Counts pixels by label and prediction.

    Args:
        labels: integer, any shape, class ids.
        predictions: integer, same shape, class ids.

    Returns:
        int64 `(9, 9)`: rows are labels, columns are predictions.
    """
    pairs = ops.cast(labels, "int32") * NUM_CLASSES + ops.cast(predictions, "int32")
    counts = ops.bincount(ops.reshape(pairs, (-1,)), minlength=NUM_CLASSES**2)
    return ops.reshape(ops.cast(counts, "int64"), (NUM_CLASSES, NUM_CLASSES))


def _precision_recall_f1(true_positives: int, predicted: int, labelled: int) -> tuple:
    """Each in 0..1; a class that is nowhere and was predicted nowhere scores 1."""
    if predicted + labelled == 0:
        return 1.0, 1.0, 1.0
    precision = true_positives / predicted if predicted else 0.0
    recall = true_positives / labelled if labelled else 0.0
    return precision, recall, 2.0 * true_positives / (predicted + labelled)


def scores(matrix: np.ndarray) -> dict[str, float]:
    """Computes the scores of a confusion matrix summed over a whole data set.

    Args:
        matrix: integer `(9, 9)`, rows labels, columns predictions.

    Returns:
        for each class `NAME`: `NAME_precision`, `NAME_recall`, `NAME_f1`; for
        each column of the paper's tables (merged eyes, brows, mouth) its F1
        under its name; `overall`, the benchmark's, in which a confusion of two
        parts counts as right; `overall_strict`, in which only the same class is
        right; `mean_f1` over the 8 classes. All in 0..1.

    Raises:
        ValueError: if `matrix` is not `(9, 9)`.

    Reference:
        STN-iCNN eq. 23 to 25; Smith et al. 2013 for `overall`.
    """
    matrix = np.asarray(matrix)
    if matrix.shape != (NUM_CLASSES, NUM_CLASSES):
        raise ValueError(
            f"Argument `matrix` must have shape {(NUM_CLASSES, NUM_CLASSES)}. "
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
    for class_id, name in enumerate(CLASS_NAMES):
        precision, recall, f1 = merged((class_id,))
        result[f"{name}_precision"] = precision
        result[f"{name}_recall"] = recall
        result[f"{name}_f1"] = f1
        if class_id:
            class_f1.append(f1)
    for name, classes in MERGED_CLASSES.items():
        result[name] = merged(classes)[2]
    foreground = tuple(range(1, NUM_CLASSES))
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

    Example:

    >>> metric = FaceParsingScores()
    >>> metric.update_state(labels, masks)
    >>> metric.result()["overall"]
    """

    def __init__(self, name: str = "face_parsing_scores", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        # int64: a float32 stops counting at 2**24 pixels, some 70 photos.
        self.matrix = self.add_variable(
            shape=(NUM_CLASSES, NUM_CLASSES),
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
        self.update_matrix(confusion_matrix(y_true, y_pred))

    def update_matrix(self, matrix: Tensor) -> None:
        """Adds a confusion matrix, int64 `(9, 9)`, counted elsewhere."""
        self.matrix.assign(self.matrix + ops.cast(matrix, "int64"))

    def result(self) -> dict[str, float]:
        """Returns the dict of `scores`."""
        return scores(ops.convert_to_numpy(self.matrix))
