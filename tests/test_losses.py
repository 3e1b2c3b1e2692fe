import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf.losses import (
    binary_cross_entropy,
    cross_entropy,
    dice_loss,
    merge_undrawn,
    part_loss,
    part_targets,
    smooth_l1,
    theta_loss,
)


def test_cross_entropy_by_hand():
    logits = np.log(np.array([[[[0.5, 0.25, 0.25]]]], "float32"))
    target = np.array([[[[0.0, 1.0, 0.0]]]], "float32")
    np.testing.assert_allclose(cross_entropy(target, logits), [np.log(4)], rtol=1e-6)


def test_binary_cross_entropy_by_hand_and_at_the_extremes():
    logits = np.array([[[[0.0, 2.0]]]], "float32")
    target = np.array([[[[1.0, 0.0]]]], "float32")
    expected = (np.log(2) + np.log(1 + np.exp(2))) / 2
    np.testing.assert_allclose(
        binary_cross_entropy(target, logits), [expected], rtol=1e-6
    )
    huge = binary_cross_entropy(target, np.array([[[[1e4, -1e4]]]], "float32"))
    np.testing.assert_allclose(huge, [0.0], atol=1e-6)


def test_smooth_l1_breaks_at_one():
    values = smooth_l1(tf.constant([-3.0, -1.0, 0.5, 1.5, 2.0]))
    np.testing.assert_allclose(values, [2.5, 0.5, 0.125, 1.0, 1.5])


def test_theta_loss_leaves_absent_parts_out():
    target = np.random.default_rng(0).normal(size=(3, 3, 2, 3)).astype("float32")
    theta = target.copy()
    # Of part 1 the numbers (s, t_x, t_y) are off by these; the others do not count.
    theta[:, 1] -= [[0.5, 7.0, 0.25], [7.0, 7.0, 1.0]]
    present = np.array([[1, 0, 1], [1, 1, 1], [0, 1, 0]], bool)
    loss = np.array(theta_loss(target, theta, present))
    expected = (0.5 * 0.5**2 + 0.5 * 0.25**2 + 0.5) / 3
    np.testing.assert_allclose(loss, [0.0, expected / 3, expected], rtol=1e-5)
    assert not np.any(theta_loss(target, theta, np.zeros((3, 3), bool)))


def test_part_targets_give_each_part_its_classes_and_the_rest_to_background():
    foreground = np.zeros((1, 6, 1, 1, 8), "float32")
    foreground[0, :, 0, 0, 6] = 0.75  # Inner mouth, in every patch.
    foreground[0, :, 0, 0, 7] = 0.25  # Lower lip.
    targets = part_targets(foreground)
    np.testing.assert_allclose(targets[0], [[[[1.0, 0.0]]]])
    np.testing.assert_allclose(targets[5], [[[[0.0, 0.0, 0.75, 0.25]]]])


def test_part_loss_is_the_average_over_the_parts():
    shapes = [2, 2, 2, 2, 2, 4]
    targets = [np.eye(n, dtype="float32")[0].reshape(1, 1, 1, n) for n in shapes]
    scores = [np.zeros((1, 1, 1, n), "float32") for n in shapes]
    expected = (5 * np.log(2) + np.log(4)) / 6
    np.testing.assert_allclose(part_loss(targets, scores), [expected], rtol=1e-6)
    np.testing.assert_allclose(
        part_loss(targets, scores, "binary"), [np.log(2)], rtol=1e-6
    )
    with pytest.raises(ValueError, match="`kind`.*hinge"):
        part_loss(targets, scores, "hinge")


def test_part_loss_adds_the_dice_loss_by_its_weight():
    # One part is there, with the soft F1 2 * (1/2) / (1/2 + 1) = 2/3; five are not.
    targets = [
        np.eye(2, dtype="float32")[int(n == 0)].reshape(1, 1, 1, 2) for n in range(6)
    ]
    scores = [np.zeros((1, 1, 1, 2), "float32")] * 6
    added = part_loss(targets, scores, dice_weight=3.0) - part_loss(targets, scores)
    np.testing.assert_allclose(added, [3.0 * (1 / 3) / 6], atol=1e-3)


def test_dice_loss_is_one_minus_soft_f1_of_the_classes_that_are_there():
    target = np.zeros((1, 2, 2, 3), "float32")
    target[0, 0, :, 1] = target[0, 1, :, 0] = 1.0
    certain = np.where(target > 0, 50.0, -50.0).astype("float32")
    np.testing.assert_allclose(dice_loss(target, certain), [0.0], atol=1e-3)
    # Every class has 1/3 everywhere: F1 = 2 * (2/3) / (4/3 + 2); class 2 is absent.
    even = np.zeros_like(target)
    np.testing.assert_allclose(dice_loss(target, even), [0.6], atol=1e-3)
    nothing = np.zeros_like(target)
    nothing[..., 0] = 1.0
    assert not np.any(dice_loss(nothing, even))
    # A pixel of each: the mean of the two, 1 - 2/3 / (4/3 + 1) both.
    both = np.zeros_like(target)
    both[..., 0] = 1.0
    both[0, 0, 0], both[0, 0, 1] = [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
    np.testing.assert_allclose(dice_loss(both, even), [5 / 7], atol=1e-3)
    # Over the whole batch: class 1 has 2 + 1 pixels, class 2 one, and each photo 4/3
    # of either: 1 - 2 * 1 / (8/3 + 3) and 1 - 2/3 / (8/3 + 1); the same for each photo.
    batch, logits = np.concatenate([target, both]), np.concatenate([even, even])
    whole = dice_loss(batch, logits, whole_batch=True)
    np.testing.assert_allclose(whole, [(11 / 17 + 9 / 11) / 2] * 2, atol=1e-3)
    # What keeps the division from 0 / 0 makes no loss negative.
    assert dice_loss(both, np.where(both > 0, 50.0, -50.0).astype("float32")) >= 0.0


# === Labels of a data set that does not draw every class ===


def head_loss(labels, logits, background):
    """Minus the log of the sum of the probabilities of the allowed classes."""
    values = np.exp(logits.astype("float64"))
    values /= values.sum(-1, keepdims=True)
    allowed = np.eye(logits.shape[-1])[labels]
    allowed[labels == 0] = np.broadcast_to(background[:, None, None], allowed.shape)[
        labels == 0
    ]
    return -np.log((values * allowed).sum(-1)).mean((1, 2))


@pytest.mark.parametrize("scale", [1.0, 60.0])
def test_background_may_be_any_class_that_is_not_drawn(scale):
    rng = np.random.default_rng(0)
    logits = (scale * rng.normal(size=(2, 3, 4, 5))).astype("float32")
    labels = rng.integers(0, 3, (2, 3, 4))
    background = np.array([[1, 0, 0, 1, 1], [1, 0, 0, 0, 0]], "float32")
    merged = merge_undrawn(logits, background)
    target = np.eye(5, dtype="float32")[labels]
    loss = np.array(cross_entropy(target, merged))
    np.testing.assert_allclose(loss, head_loss(labels, logits, background), rtol=1e-4)
    # Where everything is drawn, nothing changes, to the last digit.
    np.testing.assert_array_equal(merged[1], logits[1])
    assert loss[1] == np.array(cross_entropy(target, logits))[1]


def test_the_first_class_alone_may_be_what_is_not_drawn():
    hidden = np.array([[1.0, 1.0, 0.0]], "float32")
    merged = merge_undrawn(np.zeros((1, 1, 1, 3), "float32"), hidden)
    np.testing.assert_allclose(np.array(merged).ravel()[[0, 2]], [np.log(2), 0.0])


def test_hidden_classes_share_the_gradient_of_background_and_drawn_ones_do_not():
    logits = tf.Variable([[[[0.0, 0.0, 1.0, 2.0]]]])
    background = tf.constant([[1.0, 0.0, 1.0, 1.0]])
    with tf.GradientTape() as tape:
        merged = merge_undrawn(logits, background)
        loss = cross_entropy(tf.one_hot([[[0]]], 4), merged)
    gradient = tape.gradient(loss, logits).numpy().ravel()
    p = np.exp([0.0, 0.0, 1.0, 2.0]) / np.exp([0.0, 0.0, 1.0, 2.0]).sum()
    # d/dz of -log(1 - p_1): hidden classes rise by their shares of the rest.
    expected = p - np.array([p[0], 0, p[2], p[3]]) / (1 - p[1])
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)


def test_dice_counts_the_drawn_classes_alone():
    # Of the second class, which is not drawn, the net is sure everywhere.
    logits = np.zeros((1, 2, 2, 3), "float32")
    logits[..., 2] = 50.0
    target = np.zeros_like(logits)
    target[0, 0, :, 1] = target[0, 1, :, 0] = 1.0
    hidden = np.array([[1.0, 0.0, 1.0]], "float32")
    drawn = np.array([[1.0, 0.0, 0.0]], "float32")
    np.testing.assert_allclose(
        dice_loss(target, merge_undrawn(logits, hidden)), [1.0], atol=1e-3
    )
    # It costs nothing where background is right, all where class 1 is.
    right = np.where(target[..., 1:2] > 0, [0.0, 50.0, 0.0], [0.0, 0.0, 50.0])
    right = right.astype("float32")
    np.testing.assert_allclose(
        dice_loss(target, merge_undrawn(right, hidden)), [0.0], atol=1e-3
    )
    np.testing.assert_array_equal(
        dice_loss(target, merge_undrawn(right, drawn)), dice_loss(target, right)
    )
    # Background called class 1 counts against it, as ever.
    wrong = np.where(np.ones_like(target) > 0, [0.0, 50.0, 0.0], 0.0).astype("float32")
    np.testing.assert_allclose(
        dice_loss(target, merge_undrawn(wrong, hidden)), [1 / 3], atol=1e-3
    )
