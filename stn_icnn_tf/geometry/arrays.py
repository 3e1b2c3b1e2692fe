"""One rule for arrays of NumPy and tensors of Keras: which functions to call."""

from typing import Any

import numpy as np


def array_ops(*values: Any) -> Any:
    """Returns what computes with some values: NumPy, or `keras.ops` if one is a tensor.

    Both name what they have in common alike. NumPy needs no TensorFlow.
    """
    if all(isinstance(v, (np.ndarray, np.generic, int, float)) for v in values):
        return np
    from keras import ops

    return ops


def as_float32(value: Any) -> Any:
    """Returns a number, array or tensor as float32."""
    ops = array_ops(value)
    return np.float32(value) if ops is np else ops.cast(value, "float32")
