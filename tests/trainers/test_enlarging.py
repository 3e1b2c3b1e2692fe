import numpy as np
import pytest
import tensorflow as tf

from trainers.training.enlarging import enlarge_phase, label_phase, match_sizes


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_phase_is_that_of_the_whole_enlargement(row, column):
    scores = np.random.default_rng(0).normal(size=(2, 5, 7, 3)).astype("float32")
    whole = tf.image.resize(scores, (10, 14))
    got = enlarge_phase(tf.constant(scores), tf.constant(row), tf.constant(column))
    np.testing.assert_allclose(got, whole[:, row::2, column::2], atol=1e-6)
    labels = np.random.default_rng(0).integers(0, 9, (2, 10, 14)).astype("uint8")
    got = label_phase(tf.constant(labels), tf.constant(row), tf.constant(column))
    np.testing.assert_array_equal(got, labels[:, row::2, column::2])


def test_every_step_has_one_of_the_four_phases_and_the_same_again():
    # Each pixel's score is its place in the enlarged picture, so labels tell it.
    labels = tf.reshape(tf.range(16), (1, 4, 4))
    scores = tf.zeros((1, 2, 2, 1))
    seen = set()
    for step in range(40):
        key = tf.constant([0, step * 1024], tf.int64)
        enlarged, chosen = match_sizes(scores, labels, key)
        assert enlarged.shape == (1, 2, 2, 1) and chosen.shape == (1, 2, 2)
        again = match_sizes(scores, labels, key)[1]
        np.testing.assert_array_equal(chosen, again)
        seen.add(int(chosen[0, 0, 0]))
    assert seen == {0, 1, 4, 5}


def test_scores_of_the_labels_size_stay_as_they_are():
    scores, labels = tf.ones((1, 4, 4, 3)), tf.ones((1, 4, 4), tf.uint8)
    got = match_sizes(scores, labels, tf.constant([0, 0], tf.int64))
    assert got[0] is scores and got[1] is labels
