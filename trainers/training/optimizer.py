"""Adam as one operation a variable, and Muon, which learns faster."""

import math
from typing import Any

import keras
import tensorflow as tf


class FusedAdam(keras.optimizers.Adam):
    """Keras's Adam, whose update is one TensorFlow kernel a variable.

    The same numbers, variables and checkpoints. Keras builds Adam from some 40
    operations a variable; our five networks have 500 variables, so two fifths
    of the joint step's graph were Adam's, and starting it took twice as long.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(tf.cast(self.beta_1, variable.dtype), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, variable.dtype), step),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=tf.cast(self.beta_1, variable.dtype),
            beta2=tf.cast(self.beta_2, variable.dtype),
            epsilon=tf.cast(self.epsilon, variable.dtype),
            grad=tf.cast(gradient, variable.dtype),
        )


# One step of Newton and Schulz takes a singular value x to a x + b x^3 + c x^5; five
# of these coefficients bring all between 1e-3 and 1 to between 0.7 and 1.2.
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalize(matrix: tf.Tensor, steps: int = 5) -> tf.Tensor:
    """Brings the singular values of a matrix near 1, and keeps its singular vectors.

    Args:
        matrix: float `(rows, columns)`.
        steps: steps of the Newton-Schulz iteration.

    Returns:
        float `(rows, columns)`.

    Reference:
        Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks".
    """
    tall = matrix.shape[0] > matrix.shape[1]
    if tall:
        matrix = tf.transpose(matrix)
    matrix /= tf.norm(matrix) + 1e-7
    a, b, c = _NEWTON_SCHULZ
    for _ in range(steps):
        square = tf.matmul(matrix, matrix, transpose_b=True)
        matrix = a * matrix + tf.matmul(b * square + c * (square @ square), matrix)
    return tf.transpose(matrix) if tall else matrix


class Muon(FusedAdam):
    """Orthogonalised momentum for the kernels of convolutions, Adam for the rest.

    A kernel is taken as a matrix from what a filter sees to filters; the update
    moves all its directions alike, so that few strong ones do not hold back the
    rest. It is scaled to the size of Adam's: one learning rate serves both.
    Keras's own `Muon` leaves kernels to Adam.

    Reference:
        Jordan et al. 2024; the scale: Liu et al. 2025, "Muon is scalable for LLM
        training".
    """

    momentum = 0.95

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        if len(variable.shape) != 4:
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        average = self._momentums[index].value
        gradient = tf.cast(gradient, average.dtype)
        average = average.assign(self.momentum * average + gradient)
        # Nesterov's look ahead.
        direction = gradient + self.momentum * average
        rows, columns = math.prod(variable.shape[:-1]), variable.shape[-1]
        update = orthogonalize(tf.reshape(direction, (rows, columns)))
        size = 0.2 * math.sqrt(max(rows, columns))
        rate = tf.cast(learning_rate, variable.dtype)
        update = tf.cast(tf.reshape(update, variable.shape), variable.dtype)
        variable.assign_sub(rate * size * update)


OPTIMIZERS = {"adam": FusedAdam, "muon": Muon}
