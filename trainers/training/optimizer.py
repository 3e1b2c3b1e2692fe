"""Adam as one operation a variable, and Muon, which learns faster."""

import collections
import math
from collections.abc import Sequence
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
        self.update_together([variable], [gradient], learning_rate)

    def kind(self, variable: Any) -> Any:
        """Returns what variables that are updated together have in common."""
        return variable.dtype

    def update_together(
        self, variables: Sequence[Any], gradients: Sequence[Any], learning_rate: Any
    ) -> None:
        """Updates variables of one kind, on one device."""
        dtype = variables[0].dtype
        step = tf.cast(self.iterations + 1, dtype)
        shared = {
            "beta1_power": tf.pow(tf.cast(self.beta_1, dtype), step),
            "beta2_power": tf.pow(tf.cast(self.beta_2, dtype), step),
            "lr": tf.cast(learning_rate, dtype),
            "beta1": tf.cast(self.beta_1, dtype),
            "beta2": tf.cast(self.beta_2, dtype),
            "epsilon": tf.cast(self.epsilon, dtype),
        }
        for gradient, variable in zip(gradients, variables, strict=True):
            index = self._get_variable_index(variable)
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=self._momentums[index].value.handle,
                v=self._velocities[index].value.handle,
                grad=tf.cast(gradient, dtype),
                **shared,
            )

    def _distributed_tf_update_step(
        self, distribution: Any, grads_and_vars: list, learning_rate: Any
    ) -> None:
        # Keras's calls `update_step` for every variable.
        kinds = collections.defaultdict(list)
        for gradient, variable in grads_and_vars:
            kinds[self.kind(variable)].append((gradient, variable))
        for pairs in kinds.values():
            gradients, variables = zip(*pairs, strict=True)
            distribution.extended.update(
                variables[0],
                lambda _, *arguments: self.update_together(*arguments),
                args=(variables, gradients, learning_rate),
                group=False,
            )


# One step of Newton and Schulz takes a singular value x to a x + b x^3 + c x^5; five
# of these coefficients bring all between 1e-3 and 1 to between 0.7 and 1.2.
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalize(matrices: tf.Tensor, steps: int = 5) -> tf.Tensor:
    """Brings the singular values of matrices near 1, and keeps their singular vectors.

    Args:
        matrices: float `(..., rows, columns)`.
        steps: steps of the Newton-Schulz iteration.

    Returns:
        float `(..., rows, columns)`.

    Reference:
        Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks".
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    if tall:
        matrices = tf.linalg.matrix_transpose(matrices)
    matrices /= tf.norm(matrices, axis=(-2, -1), keepdims=True) + 1e-7
    a, b, c = _NEWTON_SCHULZ
    for _ in range(steps):
        square = tf.matmul(matrices, matrices, transpose_b=True)
        polynomial = b * square + c * (square @ square)
        matrices = a * matrices + tf.matmul(polynomial, matrices)
    return tf.linalg.matrix_transpose(matrices) if tall else matrices


class Muon(FusedAdam):
    """Orthogonalised momentum for the kernels of convolutions, Adam for the rest.

    A kernel is taken as a matrix from what a filter sees to filters; the update
    moves all its directions alike, so that few strong ones do not hold back the
    rest. It is scaled to the size of Adam's: one learning rate serves both.
    Keras's own `Muon` leaves kernels to Adam.

    Kernels of one shape are orthogonalised together: one by one they were a quarter
    of the operations of a step, which take long to trace and to optimize.

    Reference:
        Jordan et al. 2024; the scale: Liu et al. 2025, "Muon is scalable for LLM
        training".
    """

    momentum = 0.95

    def kind(self, variable: Any) -> Any:
        return tuple(variable.shape) if _is_kernel(variable) else super().kind(variable)

    def update_together(
        self, variables: Sequence[Any], gradients: Sequence[Any], learning_rate: Any
    ) -> None:
        if not _is_kernel(variables[0]):
            super().update_together(variables, gradients, learning_rate)
            return
        directions = []
        for gradient, variable in zip(gradients, variables, strict=True):
            average = self._momentums[self._get_variable_index(variable)].value
            gradient = tf.cast(gradient, average.dtype)
            average = average.assign(self.momentum * average + gradient)
            # Nesterov's look ahead.
            directions.append(gradient + self.momentum * average)
        shape = variables[0].shape
        rows, columns = math.prod(shape[:-1]), shape[-1]
        matrices = tf.reshape(tf.stack(directions), (-1, rows, columns))
        size = 0.2 * math.sqrt(max(rows, columns))
        rate = tf.cast(learning_rate, matrices.dtype)
        updates = tf.reshape(rate * size * orthogonalize(matrices), (-1, *shape))
        for variable, update in zip(variables, tf.unstack(updates), strict=True):
            variable.assign_sub(tf.cast(update, variable.dtype))


def _is_kernel(variable: Any) -> bool:
    return len(variable.shape) == 4


OPTIMIZERS = {"adam": FusedAdam, "muon": Muon}
