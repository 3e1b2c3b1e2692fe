import keras
import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf.class_sets import EIGHT_PARTS, HEAD, ClassSet, Part
from stn_icnn_tf.metrics import (
    FaceParsingScores,
    confusion_matrix,
    merge_undrawn_ids,
    scores,
)
from tests.helpers import faces, mirrored


def test_confusion_matrix_by_hand():
    labels = np.array([[0, 1, 1], [5, 8, 0]])
    masks = np.array([[0, 1, 2], [5, 0, 3]])
    expected = np.zeros((9, 9), int)
    for label, mask in [(0, 0), (1, 1), (1, 2), (5, 5), (8, 0), (0, 3)]:
        expected[label, mask] += 1
    np.testing.assert_array_equal(confusion_matrix(labels, masks), expected)


def test_scores_by_hand():
    matrix = np.zeros((9, 9), int)
    matrix[0, 0], matrix[0, 5], matrix[5, 0], matrix[5, 5] = 100, 10, 20, 70
    result = scores(matrix)
    assert result["nose_precision"] == pytest.approx(70 / 80)
    assert result["nose_recall"] == pytest.approx(70 / 90)
    assert result["nose_f1"] == pytest.approx(140 / 170)
    assert result["overall"] == pytest.approx(140 / 170)


def test_merged_columns_forgive_only_what_they_merge():
    matrix = np.zeros((9, 9), int)
    matrix[3, 4] = 10  # The eyes change places.
    matrix[6, 7] = 10  # Upper lip called inner mouth.
    result = scores(matrix)
    assert result["eyes"] == result["mouth"] == 1.0
    assert result["left_eye_f1"] == result["upper_lip"] == 0.0


def test_eye_called_nose_separates_overall_from_strict():
    matrix = np.zeros((9, 9), int)
    matrix[3, 3], matrix[3, 5], matrix[5, 5] = 50, 50, 100
    result = scores(matrix)
    assert result["overall"] == 1.0
    assert result["overall_strict"] == pytest.approx(2 * 150 / 400)
    # Left eye 2*50/150, nose 2*100/250; the six classes that are nowhere are 1.
    assert result["mean_f1"] == pytest.approx((2 / 3 + 0.8 + 6) / 8)


def test_batch_size_and_order_do_not_matter():
    rng = np.random.default_rng(0)
    labels, masks = rng.integers(0, EIGHT_PARTS.num_classes, (2, 12, 16, 16))
    whole = FaceParsingScores()
    whole.update_state(labels, masks)
    pieces = FaceParsingScores()
    order = rng.permutation(12)
    for start, stop in ((0, 1), (1, 6), (6, 12)):
        chosen = order[start:stop]
        pieces.update_state(labels[chosen], masks[chosen])
    assert whole.result() == pieces.result()


def test_counts_are_exact_beyond_float32():
    metric = FaceParsingScores()
    matrix = np.zeros((9, 9), "int64")
    matrix[0, 0] = 2**40
    metric.update_matrix(matrix)
    matrix[0, 0] = 1
    metric.update_matrix(matrix)
    assert int(metric.matrix.numpy()[0, 0]) == 2**40 + 1


def test_two_replicas_count_as_one():
    strategy = mirrored(["CPU:0", "CPU:1"])
    rng = np.random.default_rng(0)
    labels, masks = rng.integers(0, EIGHT_PARTS.num_classes, (2, 4, 8, 8))
    with strategy.scope():
        metric = FaceParsingScores()
    dataset = tf.data.Dataset.from_tensor_slices((labels, masks)).batch(4)

    @tf.function
    def step(labels, masks):
        strategy.run(metric.update_state, args=(labels, masks))

    for batch in strategy.experimental_distribute_dataset(dataset):
        step(*batch)
    alone = FaceParsingScores()
    alone.update_state(labels, masks)
    assert metric.result() == alone.result()


def test_reset_state_and_bad_arguments():
    metric = FaceParsingScores()
    metric.update_state(np.ones((1, 2, 2), int), np.ones((1, 2, 2), int))
    metric.reset_state()
    assert not metric.matrix.numpy().any()
    with pytest.raises(ValueError, match="`sample_weight`"):
        metric.update_state(np.ones((1,)), np.ones((1,)), sample_weight=1.0)
    with pytest.raises(ValueError, match="`matrix`"):
        scores(np.zeros((3, 3)))


def scores_one_by_one(matrix):
    """The formulas again, in Python's whole numbers."""

    def f1(classes, right=None):
        if right is None:
            right = sum(matrix[i][j] for i in classes for j in classes)
        predicted = sum(row[j] for row in matrix for j in classes)
        labelled = sum(sum(matrix[i]) for i in classes)
        total = predicted + labelled
        return 2 * right / total if total else 1.0

    foreground = range(1, 9)
    return {
        "eyes": f1((3, 4)),
        "mouth": f1((6, 7, 8)),
        "overall": f1(foreground),
        "overall_strict": f1(foreground, sum(matrix[i][i] for i in foreground)),
        "mean_f1": np.mean([f1((i,)) for i in foreground]),
    }


def test_scores_of_large_counts_are_those_of_whole_numbers():
    matrix = np.random.default_rng(0).integers(0, 2**45, (9, 9))
    matrix[7], matrix[:, 7] = 0, 0
    result = scores(matrix)
    assert all(isinstance(score, float) for score in result.values())
    for name, score in scores_one_by_one(matrix.tolist()).items():
        assert result[name] == pytest.approx(score, rel=1e-15)


@pytest.mark.parametrize("jit_compile", ["auto", True, False])
def test_metric_works_in_the_loop_of_keras(jit_compile):
    examples = list(faces(4, side=80).as_numpy_iterator())
    images = np.stack([e["image"][:64, :64] for e in examples]) / 255.0
    labels = np.stack([e["segmentation_mask"][:64, :64] for e in examples])
    model = keras.Sequential([keras.layers.Conv2D(9, 3, padding="same")])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=[FaceParsingScores()], jit_compile=jit_compile)
    history = model.fit(images, labels, 2, epochs=2, verbose=0).history
    assert len(history["overall"]) == 2
    logs = model.evaluate(images, labels, 2, verbose=0, return_dict=True)
    alone = FaceParsingScores()
    alone.update_state(labels[..., 0], np.argmax(model.predict(images, verbose=0), -1))
    for name, score in alone.result().items():
        assert logs[name] == pytest.approx(float(score), abs=1e-6), name
    assert 0 < logs["overall"] < 1


# === What a data set can tell ===


def test_predictions_become_what_the_labels_of_their_set_call_them():
    background = np.array([[1, 0, 1, 0], [1, 0, 0, 0]], "float32")
    guess = np.array([[[0, 1], [2, 3]], [[2, 2], [1, 0]]])
    expected = [[[0, 1], [0, 3]], [[2, 2], [1, 0]]]
    np.testing.assert_array_equal(merge_undrawn_ids(guess, background), expected)


def test_overall_is_that_of_the_parts_and_the_mean_that_of_all_classes():
    skin, hair = HEAD.id_of("skin"), HEAD.id_of("hair")
    matrix = np.zeros((19, 19), int)
    matrix[5, 5], matrix[5, skin], matrix[skin, skin] = 60, 20, 100
    matrix[skin, 5], matrix[hair, skin], matrix[hair, hair] = 10, 5, 45
    matrix[3, 5] = 8  # An eye called nose: right in `overall`.
    result = scores(matrix, HEAD)
    nose, skin_f1, hair_f1 = 120 / 158, 200 / 235, 90 / 95
    assert result["nose_f1"] == pytest.approx(nose)
    assert result["overall"] == pytest.approx(2 * 68 / (88 + 78))
    assert result["overall_strict"] == pytest.approx(2 * 60 / (88 + 78))
    # The left eye has 0, classes that are nowhere 1.
    assert result["parts_mean_f1"] == pytest.approx((nose + 6) / 8)
    assert result["mean_f1"] == pytest.approx((nose + skin_f1 + hair_f1 + 14) / 18)
    assert "parts_mean_f1" not in scores(np.eye(9, dtype=int))


def test_what_is_not_drawn_has_no_score():
    undrawn = HEAD.base_classes[1:]
    parts = np.random.default_rng(0).integers(1, 99, (9, 9))
    matrix = np.zeros((19, 19), int)
    matrix[:9, :9] = parts
    result = scores(matrix, HEAD, undrawn)
    alone = scores(parts)
    assert result.pop("parts_mean_f1") == alone["mean_f1"]
    assert result == alone


def test_a_column_of_all_that_is_drawn_has_its_score():
    result = scores(np.eye(9, dtype=int), undrawn=(1, 2, 5, 6, 7, 8))
    assert result["eyes"] == 1.0
    assert "brows" not in result and "mouth" not in result


def test_one_class_of_no_part_and_one_pixel_are_enough():
    one_base = ClassSet(
        names=("background", "nose", "skin"),
        palette=((0, 0, 0), (9, 9, 9), (99, 99, 99)),
        parts=(Part("nose", "nose", (1,)),),
    )
    matrix = np.diag([5, 1, 0])
    matrix[0, 2] = 1
    result = scores(matrix, one_base)
    assert result["nose_precision"] == result["nose_recall"] == 1.0
    assert result["parts_mean_f1"] == 1.0 and result["mean_f1"] == 0.5


@pytest.mark.parametrize("jit_compile", [True, False])
def test_metric_counts_what_is_not_drawn_as_background(jit_compile):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 9, (2, 8, 8))
    probabilities = rng.random((2, 8, 8, 19)).astype("float32")
    undrawn = HEAD.base_classes[1:]
    metric = FaceParsingScores(HEAD, undrawn=undrawn)
    metric = FaceParsingScores.from_config(metric.get_config())

    # No AutoGraph: it reads the module's file, and so would miss a mutant of it.
    @tf.function(jit_compile=jit_compile, autograph=False)
    def update(labels, scores):
        metric.update_state(labels, scores)
        return metric.result()

    result = update(tf.constant(labels), tf.constant(probabilities))
    guess = probabilities.argmax(-1)
    told = np.where(np.isin(guess, undrawn), 0, guess)
    expected = scores(np.array(confusion_matrix(labels, told, 19)), HEAD, undrawn)
    assert {name: float(score) for name, score in result.items()} == expected
    counted = confusion_matrix(labels, told, 19)
    np.testing.assert_array_equal(metric.matrix, counted)
    assert "skin_f1" not in expected and "ears" not in expected
