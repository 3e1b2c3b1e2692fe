import dataclasses

import numpy as np
import pytest

from stn_icnn_tf.class_sets import EIGHT_PARTS
from stn_icnn_tf.data.augment import AUGMENTATIONS
from stn_icnn_tf.pretrained import load_model
from tests.helpers import model_flags, script, shake, small_model
from trainers import train
from trainers.configs.overrides import model_arguments
from trainers.configs.schedules import PART_JITTER, SCHEDULES, get_schedule
from trainers.configs.stages import NETWORKS, STAGE_NAMES, Jitter, Stage
from trainers.training.checks import refuse_jitter
from trainers.training.objectives import jitter_theta


def test_named_schedules():
    assert set(SCHEDULES) == {
        "cpu",
        "celebamask_hq_cpu",
        "helen_cpu",
        "helen_cpu_apart",
        "head_cpu",
        "demo",
        "helen_paper",
        "celebamask_hq_paper",
        "hybrid",
    }
    labellings = {
        "cpu": "ours",
        "celebamask_hq_cpu": "mild",
        "helen_cpu": "mild_blurred",
    }
    for name, labelling in labellings.items():
        stages = get_schedule(name)
        assert [s.name for s in stages] == list(STAGE_NAMES)
        augmentations = [s.augmentation for s in stages]
        names = ("wide", "wide", labelling, labelling)
        assert augmentations == [AUGMENTATIONS[n] for n in names]
        assert len(stages[-1].trained_networks) == 3
        small = 8 if name == "cpu" else 4
        assert [s.batch_size for s in stages] == [8, 8, small, small]
        assert stages[-1].jitter == (0.0 if name == "cpu" else 0.1)
    for name in ("helen_paper", "celebamask_hq_paper"):
        stages = get_schedule(name)
        assert [s.name for s in stages] == list(STAGE_NAMES)
        assert {s.epochs for s in stages} == {25}
        assert stages[0].coarse_rate == 2.3e-3 and stages[1].localization_rate == 1.7e-3
        assert stages[2].jitter == PART_JITTER
    assert {s.batch_size for s in get_schedule("helen_paper")} == {32}
    assert {s.batch_size for s in get_schedule("celebamask_hq_paper")} == {64}
    (fine_tuning,) = get_schedule("hybrid")
    assert fine_tuning.augmentation == AUGMENTATIONS["celebamask_hq"]


def test_networks_apart_are_trained_as_much_as_joined():
    joint = get_schedule("helen_cpu")[-1]
    stages = get_schedule("helen_cpu_apart")
    assert [s.trained_networks for s in stages] == [(name,) for name in NETWORKS]
    for stage, network in zip(stages, NETWORKS, strict=True):
        assert stage.rate(network) == joint.rate(network) > 0
        for field in ("epochs", "batch_size", "decay", "optimizer", "augmentation"):
            assert getattr(stage, field) == getattr(joint, field)


def test_overrides_by_name_and_number():
    overrides = ("coarse.augmentation=helen_alone", "parts.jitter=0.5")
    stages = get_schedule("helen_paper", overrides)
    assert stages[0].augmentation == AUGMENTATIONS["helen_alone"]
    assert stages[1].augmentation == AUGMENTATIONS["helen"]
    assert stages[2].jitter == 0.5
    with pytest.raises(ValueError, match="one of.*helen_alone.*=none"):
        get_schedule("cpu", ("all.augmentation=none",))
    assert get_schedule("head_cpu", ("coarse.batch_dice=true",))[0].batch_dice
    with pytest.raises(ValueError, match="true or false.*=yes"):
        get_schedule("head_cpu", ("coarse.batch_dice=yes",))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("patch=3", "FIELD one of.*patch_size.*patch=3"),
        ("patch_size=", "FIELD=VALUE"),
        ("patch_size=big", "whole number.*big"),
        ("part_filters=4;4", "whole numbers with commas.*4;4"),
    ],
)
def test_bad_overrides_of_the_model_are_named(override, message):
    with pytest.raises(ValueError, match=message):
        model_arguments((override,))


def test_jitter_has_its_own_range_for_each_part():
    theta = np.zeros((3000, 6, 2, 3), "float32")
    theta[..., 0, 0] = theta[..., 1, 1] = 0.25
    moved = jitter_theta(theta, PART_JITTER, (0, 1)).numpy()
    # A window is half as wide as its scale is large; what it shows grows as it shrinks.
    content = 0.25 / moved[..., 0, 0]
    shift = np.abs(moved[..., 2]) / (2 * 0.25)
    np.testing.assert_allclose(content.min(axis=0), [1.0] * 4 + [0.8] * 2, atol=0.01)
    np.testing.assert_allclose(content.max(axis=0), [1.5] * 4 + [1.0] * 2, atol=0.01)
    largest = shift.max(axis=(0, 2))
    np.testing.assert_allclose(largest, [0.3] * 4 + [0.1] * 2, atol=0.01)
    alike = jitter_theta(theta, 0.2, (0, 1)).numpy()
    largest = np.abs(np.log(alike[..., 0, 0] / 0.25)).max(axis=0)
    np.testing.assert_allclose(largest, 0.2, atol=0.01)


def test_bad_jitter_is_named():
    stage = Stage("parts", 1, parts_rate=1.0, jitter=PART_JITTER[:2])
    with pytest.raises(ValueError, match="`jitter`.*right_eye.*parts"):
        refuse_jitter(stage, EIGHT_PARTS)
    refuse_jitter(dataclasses.replace(stage, jitter=PART_JITTER), EIGHT_PARTS)
    for arguments in ((-0.1, (1.0, 1.0)), (0.1, (0.0, 1.0)), (0.1, (2.0, 1.0))):
        with pytest.raises(ValueError, match="`shift` and `scale`"):
            Jitter(*arguments)


def test_stage_that_a_schedule_lacks_is_named():
    with pytest.raises(ValueError, match="`stage`.*end_to_end.*stage=coarse"):
        train.choose_stages(get_schedule("hybrid"), "coarse")
    assert [s.name for s in train.choose_stages(get_schedule("cpu"), "coarse")] == [
        "coarse"
    ]


def test_weights_are_copied_between_patch_sizes_and_else_refused():
    start, model = small_model(), small_model(patch_size=21)
    shake(start)
    train.copy_weights(start, model)
    for theirs, mine in zip(start.weights, model.weights, strict=True):
        np.testing.assert_array_equal(theirs.numpy(), mine.numpy())
    with pytest.raises(ValueError, match="`init_from`.*coarse_filters=.*4, 4"):
        train.copy_weights(start, small_model(coarse_filters=(4, 8)))


def test_other_part_nets_start_from_the_seed():
    start, model = small_model(), small_model(part_net="residual", patch_size=16)
    shake(start)
    fresh = [w.numpy() for net in model.part_nets.values() for w in net.weights]
    train.copy_weights(start, model)
    np.testing.assert_array_equal(
        start.coarse.logits.kernel, model.coarse.logits.kernel
    )
    kept = [w.numpy() for net in model.part_nets.values() for w in net.weights]
    for before, after in zip(fresh, kept, strict=True):
        np.testing.assert_array_equal(before, after)
    # The coarse net is of the same kind: it is not left to the seed.
    wider = {"part_net": "residual", "patch_size": 16, "coarse_filters": (4, 8)}
    with pytest.raises(ValueError, match="`init_from`.*coarse_filters=.*4, 4"):
        train.copy_weights(start, small_model(**wider))


def test_model_of_other_classes_starts_from_what_both_have():
    start, model = small_model(), small_model(class_set="head", coarse_filters=(8, 8))
    shake(start)
    fresh = [weight.numpy() for weight in model.coarse.weights]
    train.copy_weights(start, model)
    for theirs, mine in zip(start.part_nets.values(), model.part_nets.values()):
        np.testing.assert_array_equal(theirs.logits.kernel, mine.logits.kernel)
    np.testing.assert_array_equal(
        start.localization.dense.kernel, model.localization.dense.kernel
    )
    for before, mine in zip(fresh, model.coarse.weights, strict=True):
        np.testing.assert_array_equal(before, mine.numpy())


def test_hybrid_run_starts_from_another_runs_model(tmp_path):
    start = small_model()
    shake(start)
    (tmp_path / "helen").mkdir()
    start.save(tmp_path / "helen" / "model.keras")
    result = script(
        "trainers.train",
        "--dataset=synthetic_faces/tiny",
        f"--data_dir={tmp_path / 'data'}",
        f"--run_dir={tmp_path / 'run'}",
        f"--init_from={tmp_path / 'helen'}",
        "--schedule=hybrid",
        "--set=all.epochs=0",
        *model_flags(patch_size=21),
    )
    assert result.returncode == 0, result.stderr
    assert "patch_size=17 for 21" in result.stderr
    model = load_model(tmp_path / "run")
    assert model.patch_size == 21
    for theirs, mine in zip(start.weights, model.weights, strict=True):
        np.testing.assert_array_equal(theirs.numpy(), mine.numpy())
