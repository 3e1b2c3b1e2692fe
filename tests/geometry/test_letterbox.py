import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from stn_icnn_tf.geometry.letterbox import letterbox


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        # side, top, left, bottom, right.
        ((61, 41), (61, 0, 10, 0, 10)),
        ((41, 61), (61, 10, 0, 10, 0)),
        ((7, 4), (7, 0, 1, 0, 2)),  # The odd column goes to the end.
        ((4, 7), (7, 1, 0, 2, 0)),
        ((5, 5), (5, 0, 0, 0, 0)),
    ],
)
def test_letterbox_by_hand_in_integers_and_tensors(size, expected):
    around = letterbox(*size)
    assert around == expected
    assert all(type(value) is int for value in around)
    tensors = letterbox(*(ops.convert_to_tensor(side, "int32") for side in size))
    np.testing.assert_array_equal([int(value) for value in tensors], expected)
    # One may be known, the other not, and that only where the graph runs.
    mixed = tf.function(lambda width: letterbox(size[0], width), autograph=False)
    np.testing.assert_array_equal(mixed(tf.constant(size[1])), expected)
