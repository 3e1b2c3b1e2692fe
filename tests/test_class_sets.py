"""Class sets: what they refuse, how they are saved, and that nothing is wired in."""

import dataclasses
import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet, Part, as_class_set
from stn_icnn_tf.data.augment import mirror_mask
from stn_icnn_tf.data.batches import evaluation_batches
from stn_icnn_tf.geometry.affine import invert_theta, make_theta
from stn_icnn_tf.geometry.paste_back import paste_back
from stn_icnn_tf.inference.base_layer import best_within, enlarged_labels
from stn_icnn_tf.inference.fixed_size import FixedSizeModel, paste_back_whole
from stn_icnn_tf.inference.fused import FusedModel
from stn_icnn_tf.inference.rectangles import paste_back_by_face, paste_probabilities
from stn_icnn_tf.losses import part_targets
from stn_icnn_tf.metrics import FaceParsingScores, confusion_matrix, scores
from stn_icnn_tf.models.pipeline import Pipeline
from stn_icnn_tf.models.stn_icnn import StnIcnn
from stn_icnn_tf.pretrained import load_model
from tests.helpers import SMALL, faces, framing_of, photos, shake
from tfds_builders.celeb_a_mask_hq.layout import CLASS_MAP
from trainers.configs.overrides import read_class_set
from trainers.configs.stages import Stage
from trainers.training.objectives import stage_counts, stage_losses

# Ids in another order than the parts', a part whose classes lie apart, and a base layer
# of background, skin and hair.
HEAD = ClassSet(
    names=("background", "hair", "right_eye", "upper_lip", "skin", "left_eye", "mouth"),
    palette=tuple((20 * k, 255 - 20 * k, 7 * k) for k in range(7)),
    parts=(
        Part("mouth", net="mouth", classes=(6, 3)),
        Part("left_eye", net="eye", classes=(5,)),
        Part("right_eye", net="eye", classes=(2,), flipped=True),
    ),
    mirror_pairs=((5, 2),),
    columns=(("eyes", (2, 5)),),
)
SEED = 6  # With it every class is seen in all three models.
MEAN = ((0.3, 0.0, 0.3), (0.2, -0.3, -0.2), (0.2, 0.3, -0.2))


def head_model(**kwargs):
    keras.utils.set_random_seed(SEED)
    model = StnIcnn(HEAD, mean_crop=MEAN, **{**SMALL, **kwargs})
    shake(model)
    return model


@pytest.fixture(scope="module")
def model():
    return head_model()


# === The set itself ===


def test_what_follows_from_the_parts():
    assert EIGHT_PARTS.base_classes == (0,)
    assert HEAD.base_classes == (0, 1, 4)
    assert HEAD.mirrored_classes == (0, 1, 5, 3, 4, 2, 6)
    assert EIGHT_PARTS.mirrored_classes == (0, 2, 1, 4, 3, 5, 6, 7, 8)
    assert HEAD.id_of("skin") == 4
    with pytest.raises(ValueError, match="`name`.*beard"):
        HEAD.id_of("beard")


def test_whole_head_keeps_the_ids_of_the_parts():
    head = as_class_set("head")
    assert head.names[:9] == EIGHT_PARTS.names and head.parts == EIGHT_PARTS.parts
    assert head.num_classes == 19 and head.base_classes == (0, *range(9, 19))
    left, right = head.id_of("left_ear"), head.id_of("right_ear")
    assert head.mirrored_classes[left] == right
    assert {head.id_of(name) for name in CLASS_MAP.values()} == set(range(1, 19))


def test_config_is_json_and_comes_back(tmp_path):
    text = json.dumps(HEAD.get_config())
    assert ClassSet.from_config(json.loads(text)) == HEAD
    assert as_class_set("eight_parts") is EIGHT_PARTS
    file = tmp_path / "head.json"
    file.write_text(text)
    assert read_class_set(str(file)) == HEAD
    file.write_text("{}")
    for wrong in (str(file), str(tmp_path / "none.json"), "nine_parts"):
        with pytest.raises(ValueError, match="`class_set` must"):
            read_class_set(wrong)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ("skin", *HEAD.names[1:])}, "`names` must start with background"),
        ({"names": (*HEAD.names[:-1], "hair")}, "`names`.*once"),
        ({"palette": HEAD.palette[1:]}, "`palette`.*6 colours of 7"),
        (
            {"parts": (Part("nose", "nose", (7,)),)},
            "`parts` must hold class ids 1 to 6",
        ),
        ({"parts": (*HEAD.parts, Part("eyes", "two", (2,)))}, "`parts`.*each once"),
        ({"parts": (Part("a", "x", (1,)), Part("b", "x", (2, 3)))}, "as many classes"),
        ({"mirror_pairs": ((0, 1),)}, "`mirror_pairs`"),
        ({"columns": (("none", ()),)}, "`columns`.*none"),
    ],
)
def test_contradictions_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(HEAD, **changes)


def test_a_model_wants_a_window_for_each_part():
    with pytest.raises(ValueError, match="`mean_crop`.*left_eye"):
        StnIcnn(HEAD)


# === What takes one ===


def test_parts_are_cut_out_of_any_order_of_ids():
    labels = np.random.default_rng(0).integers(0, 7, (2, 3, 5, 5))
    planes = labels[..., None] == np.array(HEAD.part_classes)
    targets = part_targets(planes.astype("float32"), HEAD)
    for index, part in enumerate(HEAD.parts):
        for channel, class_id in enumerate(part.classes):
            np.testing.assert_array_equal(
                targets[index][..., 1 + channel], labels[:, index] == class_id
            )
        others = ~np.isin(labels[:, index], part.classes)
        np.testing.assert_array_equal(targets[index][..., 0], others)


def test_mirrored_labels_and_scores_follow_the_set():
    mask = np.arange(7, dtype="uint8").reshape(1, 7, 1)
    assert mirror_mask(mask, HEAD).numpy().ravel().tolist() == [0, 1, 5, 3, 4, 2, 6]
    matrix = np.asarray(confusion_matrix([1, 2, 5, 5], [1, 5, 5, 0], 7))
    result = scores(matrix, HEAD)
    assert result["hair_f1"] == 1.0 and result["left_eye_recall"] == 0.5
    assert result["eyes"] == pytest.approx(2 * 2 / 5)
    with pytest.raises(ValueError, match=r"\(9, 9\)"):
        scores(matrix)
    metric = FaceParsingScores(HEAD)
    again = FaceParsingScores.from_config(metric.get_config())
    again.update_state(np.array([1, 2, 5, 5]), np.array([1, 5, 5, 0]))
    assert float(again.result()["eyes"]) == pytest.approx(0.8)


# === The paste rule ===

# The base layer has a pixel for each of the photo's.
PASTES = (
    paste_back,
    functools.partial(paste_back_by_face, frame=tf.eye(2, 3)[None, None]),
    paste_back_whole,
)


def pasted_by_definition(parts, base):
    """Every score of one pixel, by its formula."""
    values = np.zeros(7)
    rest = 1.0
    for part, probabilities in zip(HEAD.parts, parts, strict=True):
        values[list(part.classes)] = probabilities
        rest *= 1.0 - sum(probabilities)
    values[list(HEAD.base_classes)] = rest * np.asarray(base)
    return values


@pytest.mark.parametrize(
    ("parts", "base", "expected"),
    [
        # No part says anything: the base layer alone.
        (((0.0, 0.0), (0.0,), (0.0,)), (0.2, 0.5, 0.3), 1),
        # A part is sure.
        (((0.1, 0.8), (0.0,), (0.0,)), (0.1, 0.1, 0.8), 3),
        # Two parts leave too little to any base class.
        (((0.0, 0.0), (0.45,), (0.4,)), (0.0, 0.1, 0.9), 5),
        # One part leaves enough to skin.
        (((0.0, 0.0), (0.45,), (0.0,)), (0.0, 0.1, 0.9), 4),
    ],
)
def test_what_the_parts_leave_goes_to_the_base_layer(parts, base, expected):
    theta = make_theta(np.full((1, 3, 2), 1.0), np.zeros((1, 3, 2)))
    patches = [
        tf.broadcast_to(tf.constant(p, tf.float32), (1, 5, 5, len(p))) for p in parts
    ]
    layer = tf.broadcast_to(tf.constant(base, tf.float32), (1, 9, 9, 3))
    values = pasted_by_definition(parts, base)
    assert values.argmax() == expected
    for paste in PASTES:
        mask = np.array(paste(patches, theta, (9, 9), HEAD, layer))
        assert mask.dtype == np.uint8 and mask[0, 4, 4] == expected
    all_of_them = paste_probabilities(
        patches, theta, (9, 9), HEAD, layer, tf.eye(2, 3)[None, None]
    )
    np.testing.assert_allclose(all_of_them[0, 4, 4], values / values.sum(), rtol=1e-5)


def test_outside_the_windows_the_base_layer_stands_alone():
    theta = make_theta(np.full((1, 3, 2), 0.2), np.zeros((1, 3, 2)))
    patches = [tf.ones((1, 5, 5, len(p.classes))) / 3 for p in HEAD.parts]
    layer = tf.one_hot(np.random.default_rng(0).integers(0, 3, (1, 20, 31)), 3)
    expected = np.array(HEAD.base_classes)[np.argmax(layer, -1)]
    for paste in PASTES:
        mask = np.array(paste(patches, theta, (20, 31), HEAD, layer))
        np.testing.assert_array_equal(mask[:, :5], expected[:, :5])
        np.testing.assert_array_equal(mask[..., :8], expected[..., :8])


# === The model ===


@pytest.mark.parametrize(
    "arguments",
    [
        {"framing": "letterbox"},
        {"framing": "stretch"},
        {"coarse_net": "residual", "coarse_filters": (6, 8)},
    ],
)
def test_every_form_of_a_model_gives_the_same_mask(arguments):
    model = head_model(**arguments)
    photo = photos(2, 70, 51)
    mask = np.array(model(photo)["mask"])
    assert set(np.unique(mask)) > set(HEAD.base_classes)
    fused = FusedModel(model)
    np.testing.assert_array_equal(fused(photo)["mask"], mask)
    fixed = FixedSizeModel(model).function((70, 51))(photo[:1])["mask"]
    assert (fixed.numpy() == mask[:1]).mean() > 0.999
    parsed = fused.parse_parts(photo)
    probabilities = fused.paste_probabilities(parsed, (70, 51)).numpy()
    np.testing.assert_allclose(probabilities.sum(-1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(-1), mask)


def test_enlarged_scores_are_a_resize_of_the_square():
    model = head_model()
    coarse = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
    frame = model.photo_frame((70, 51))
    expected = tf.image.resize(coarse, (70, 70))[:, :, 9:60]
    for parser in (model, FusedModel(model)):
        enlarged = parser.enlarge_scores(tf.constant(coarse), frame, (70, 51))
        np.testing.assert_allclose(enlarged, expected, atol=1e-4)
    one = FixedSizeModel(model).enlarge_scores(tf.constant(coarse[:1]), frame, (70, 51))
    np.testing.assert_allclose(one, expected[:1], atol=1e-4)


def test_labels_are_enlarged_as_the_probabilities_are():
    coarse = tf.nn.softmax(np.random.default_rng(0).normal(size=(8, 8, 5)))
    coarse = tf.cast(coarse, tf.float32)
    for scale, shift in ((1.1, 0.0), (0.4, -0.3)):
        frame = tf.constant([[[[scale, 0, shift], [0, scale, -shift]]]], tf.float32)
        enlarged = Pipeline.enlarge_scores(None, coarse[None], frame, (50, 37))
        ids = (0, 9, 3, 200, 17)
        found = enlarged_labels(coarse, invert_theta(frame)[0, 0], (50, 37), ids)
        best = np.array(ids)[tf.argmax(enlarged[0], -1)]
        np.testing.assert_array_equal(found.labels, best)
        # Elsewhere the best is the best of the coarse pixels, enlarged.
        best = tf.reduce_max(coarse, axis=-1, keepdims=True)
        best = Pipeline.enlarge_scores(None, best[None], frame, (50, 37))[0, :, :, 0]
        expected = tf.reduce_max(enlarged[0], axis=-1)
        assert np.abs(best - expected).max() > 0.01
        inside = best_within(found, best[5:30, 3:37], 3, 5)
        np.testing.assert_allclose(inside, expected[5:30, 3:37], atol=1e-6)


def test_the_model_saves_its_set(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path)
    assert loaded.class_set == HEAD
    photo = photos(1, 40, 52)
    np.testing.assert_array_equal(loaded(photo)["mask"], model(photo)["mask"])


def head_batch(model):
    """Two drawn faces, whose ids go up to 8."""

    def known(example):
        mask = tf.minimum(example["segmentation_mask"], 6)
        return {**example, "segmentation_mask": mask}

    return next(iter(evaluation_batches(faces(2).map(known), framing_of(model), 2)))


@pytest.mark.parametrize("name", ["coarse", "parts", "end_to_end"])
def test_every_stage_trains_and_counts_it(model, name):
    batch = head_batch(model)
    rates = {"coarse": {"coarse_rate": 1e-3}, "parts": {"parts_rate": 1e-3}}
    stage = Stage(name, 1, **rates.get(name, {"coarse_rate": 1e-3, "parts_rate": 1e-3}))
    losses = stage_losses(model, stage, batch, tf.constant([0, 0], tf.int64))
    assert np.isfinite(losses["loss"]).all()
    matrix = stage_counts(model, stage, batch)["matrix"]
    assert matrix.shape == (7, 7) and int(tf.reduce_sum(matrix)) > 0


@pytest.mark.parametrize("name", ["coarse", "end_to_end"])
def test_a_set_that_draws_less_is_counted_by_what_it_draws(model, name):
    """Of two photos, the one of a set that draws neither hair (1) nor skin (4)."""
    batch = head_batch(model)
    for key in ("mask", "coarse_mask"):
        ids = tf.constant([0, 0, 2, 3, 0, 5, 6], tf.uint8)
        batch[key] = tf.gather(ids, tf.cast(batch[key], tf.int32))
    stage = Stage(name, 1, coarse_rate=1e-3, parts_rate=1e-3)
    whole = stage_counts(model, stage, batch)
    hidden = tf.constant([[1.0, 1, 0, 0, 1, 0, 0], [1.0, 0, 0, 0, 0, 0, 0]])
    counts = stage_counts(model, stage, {**batch, "background": hidden})
    assert counts["drawn"].numpy().tolist() == [0, 1, 2, 2, 1, 2, 2]
    first = {k: v[:1] for k, v in batch.items()} | {"background": hidden[:1]}
    alone = stage_counts(model, stage, first)["matrix"].numpy()
    assert not alone[:, [1, 4]].any() and alone.sum() > 0
    assert whole["matrix"].numpy()[:, [1, 4]].any()
    # What was called hair or skin there is called background now.
    moved = counts["matrix"] - whole["matrix"]
    assert tf.reduce_all(tf.reduce_sum(moved, axis=1) == 0)
    assert tf.reduce_all(moved[:, 0] >= 0) and tf.reduce_any(moved[:, 0] > 0)


def test_the_coarse_loss_takes_labels_of_twice_the_size(model):
    batch = head_batch(model)
    mask = batch["coarse_mask"]
    fine = tf.repeat(tf.repeat(mask, 2, axis=1), 2, axis=2)
    stage = Stage("coarse", 1, coarse_rate=1e-3)
    keys = [tf.constant([0, 1024 * step], tf.int64) for step in range(30)]

    def loss(mask, key):
        losses = stage_losses(model, stage, {**batch, "coarse_mask": mask}, key)
        return losses["loss"].numpy()

    values = [loss(fine, key) for key in keys]
    assert len(np.unique([v[0] for v in values])) == 4  # As many phases.
    np.testing.assert_array_equal(values[0], loss(fine, keys[0]))
    np.testing.assert_allclose(values[0], loss(mask, keys[0]), rtol=0.2)
    counts = stage_counts(model, stage, {**batch, "coarse_mask": fine})
    scores = model.coarse_scores(batch["coarse_image"])
    guess = tf.argmax(tf.image.resize(scores, fine.shape[1:3]), axis=-1)
    expected = confusion_matrix(fine, guess, 7)
    np.testing.assert_array_equal(counts["matrix"], expected)
