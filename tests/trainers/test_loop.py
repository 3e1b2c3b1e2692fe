import contextlib
import dataclasses
import functools
import json
import os
import resource
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from stn_icnn_tf.class_sets import EIGHT_PARTS
from stn_icnn_tf.data.augment import AUGMENTATIONS, Augmentation
from tests import helpers
from tests.helpers import ONE_NET, mirrored
from trainers.configs.schedules import SCHEDULES, get_schedule
from trainers.configs.stages import Stage
from trainers.training import loop, steps
from trainers.training.checkpoints import list_checkpoints, load_best
from trainers.training.errors import RunError, writing_to
from trainers.training.history import read_history
from trainers.training.loop import Trainer
from trainers.training.objectives import stage_losses
from trainers.training.steps import network_variables

faces = functools.partial(helpers.faces, class_set=ONE_NET)
small_model = functools.partial(helpers.small_model, class_set=ONE_NET)

ONE = ["CPU:0"]
TWO = ["CPU:0", "CPU:1"]
RATES = {"coarse_rate": 1e-3, "localization_rate": 1e-3, "parts_rate": 1e-3}


def train(folder, stage, devices=ONE, seed=0, show=False, class_set=ONE_NET):
    keras.utils.set_random_seed(0)
    strategy = mirrored(devices)
    with strategy.scope():
        model = small_model(class_set=class_set)
    trainer = Trainer(model, stage, strategy, folder, seed=seed, show=show)
    drawn = faces(8, class_set=class_set), faces(3, seed=1, class_set=class_set)
    trainer.fit(*drawn)
    return model


def coarse_stage(epochs=1, **kwargs):
    return Stage("coarse", epochs, batch_size=4, coarse_rate=1e-3, **kwargs)


def history(folder):
    lines = (folder / "history.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_two_replicas_give_one_replicas_numbers(tmp_path):
    one = train(tmp_path / "one", coarse_stage(), ONE)
    two = train(tmp_path / "two", coarse_stage(), TWO)
    first, second = history(tmp_path / "one")[0], history(tmp_path / "two")[0]
    assert first["loss"] == pytest.approx(second["loss"], rel=1e-4)
    # Batch norm statistics included: they are those of the global batch.
    for a, b in zip(one.coarse.weights, two.coarse.weights, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-2, atol=2e-3)


def test_jitter_does_not_depend_on_the_number_of_replicas(tmp_path):
    stage = Stage("parts", 1, batch_size=4, parts_rate=1e-3, jitter=0.3)
    train(tmp_path / "one", stage, ONE)
    train(tmp_path / "two", stage, TWO)
    first, second = history(tmp_path / "one")[0], history(tmp_path / "two")[0]
    # Other windows would be far off: without jitter the loss is .01 away.
    assert first["loss"] == pytest.approx(second["loss"], rel=1e-4)


def test_resume_equals_the_uninterrupted_run(tmp_path, monkeypatch):
    # The last epoch is the best: what was resumed is what is compared.
    monkeypatch.setattr(Trainer, "judge", lambda self, _: float(self.epoch))
    augmentation = dataclasses.replace(AUGMENTATIONS["helen"], variants=2)
    kwargs = {"augmentation": augmentation}
    whole = train(tmp_path / "whole", coarse_stage(2, **kwargs))
    train(tmp_path / "cut", coarse_stage(1, **kwargs))
    resumed = train(tmp_path / "cut", coarse_stage(2, **kwargs))
    assert history(tmp_path / "whole") == history(tmp_path / "cut")
    for a, b in zip(whole.weights, resumed.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    # And with the newest checkpoint damaged, from the one before it.
    newest = list_checkpoints(tmp_path / "cut" / "coarse")[0]
    os.truncate(f"{newest}.data-00000-of-00001", 1000)
    again = train(tmp_path / "cut", coarse_stage(2, **kwargs))
    assert read_history(tmp_path / "whole") == read_history(tmp_path / "cut")
    for a, b in zip(whole.weights, again.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_joint_stage_trains_all_three_networks(tmp_path):
    keras.utils.set_random_seed(0)
    fresh = small_model(class_set=EIGHT_PARTS)  # Every part net of several.
    before = [w.numpy() for w in fresh.trainable_variables]
    stage = Stage("end_to_end", 1, batch_size=4, **RATES)
    after = train(tmp_path, stage, class_set=EIGHT_PARTS).trainable_variables
    for variable, old in zip(after, before, strict=True):
        assert np.any(variable.numpy() != old), variable.path
    logs = list((tmp_path / "end_to_end" / "logs").iterdir())
    assert logs and logs[0].stat().st_size > 10_000  # Scalars and overlays.


@pytest.mark.parametrize("name", ["localization", "parts", "end_to_end"])
def test_frozen_network_changes_nothing_batch_norm_included(tmp_path, name):
    trained = {"localization": "localization", "parts": "parts", "end_to_end": "parts"}
    stage = Stage(name, 1, batch_size=4, **{f"{trained[name]}_rate": 1e-3})
    keras.utils.set_random_seed(0)
    fresh = small_model()
    model = train(tmp_path, stage)
    for network in ("coarse", "localization", "parts"):
        layers = {"parts": lambda m: list(m.part_nets.values())}.get(
            network, lambda m, n=network: [getattr(m, n)]
        )
        changed = [
            np.any(a.numpy() != b.numpy())
            for new, old in zip(layers(model), layers(fresh), strict=True)
            for a, b in zip(new.weights, old.weights, strict=True)
        ]
        assert any(changed) == (network == trained[name]), network


def test_nan_stops_the_run_and_names_the_step(tmp_path):
    keras.utils.set_random_seed(0)
    strategy = mirrored(ONE)
    with strategy.scope():
        model = small_model()
    network_variables(model, "coarse")[0].assign_add(
        np.full(network_variables(model, "coarse")[0].shape, np.nan)
    )
    trainer = Trainer(model, coarse_stage(), strategy, tmp_path, show=False)
    with pytest.raises(FloatingPointError, match="nan at step 0 of stage coarse"):
        trainer.fit(faces(4), faces(1))
    assert not list_checkpoints(tmp_path / "coarse")


def test_nan_in_one_replica_is_named_by_its_step(tmp_path, monkeypatch):
    def broken(*args):
        losses = stage_losses(*args)
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        bad = tf.cast(replica == 1, tf.float32)
        # 0 / 0 in the second replica, 0 / 1 in the first.
        return {name: loss + 0.0 / (1.0 - bad) for name, loss in losses.items()}

    monkeypatch.setattr(steps, "stage_losses", broken)
    with pytest.raises(FloatingPointError, match="nan.* at step 0 of stage coarse"):
        train(tmp_path, coarse_stage(), TWO)
    assert not list_checkpoints(tmp_path / "coarse")


def test_weights_that_are_not_finite_are_not_saved(tmp_path, monkeypatch):
    def broken(model, *args):
        weight = network_variables(model, "coarse")[0].value
        # Finite, but its gradient is infinity times 0.
        bad = tf.sqrt(0.0 * tf.reduce_sum(weight))
        return {k: loss + bad for k, loss in stage_losses(model, *args).items()}

    monkeypatch.setattr(steps, "stage_losses", broken)
    keras.utils.set_random_seed(0)
    strategy = mirrored(ONE)
    with strategy.scope():
        model = small_model()
    trainer = Trainer(model, coarse_stage(), strategy, tmp_path, show=False)
    # One step: no loss of a next one could tell.
    with pytest.raises(FloatingPointError, match="weight .* not finite at step 0 of"):
        trainer.fit(faces(4), faces(1))
    assert not list_checkpoints(tmp_path / "coarse")
    assert not (tmp_path / "history.jsonl").exists()


def test_xla_is_refused_on_two_devices(tmp_path):
    strategy = mirrored(TWO)
    with strategy.scope():
        model = small_model()
    with pytest.raises(ValueError, match="`jit_compile`.*on 2 devices"):
        Trainer(model, coarse_stage(), strategy, tmp_path, jit_compile=True)


@contextlib.contextmanager
def largest_file(size):
    """No file may grow larger: what a full disk is to those who write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_epochs_before_and_the_run_goes_on(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(Trainer, "judge", lambda self, _: float(self.epoch))
    whole = train(tmp_path / "whole", coarse_stage(2))
    run_dir = tmp_path / "run"
    strategy = mirrored(ONE)
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = small_model()
    trainer = Trainer(model, coarse_stage(2), strategy, run_dir, show=False)
    evaluate, second = Trainer.evaluate, []

    def full(size):
        @contextlib.contextmanager
        def writing(folder):
            # The first epoch is written, the second one not.
            with writing_to(folder):
                if int(trainer.epoch) == 0:
                    yield
                    return
                with largest_file(size):
                    yield

        return writing

    def saved():
        assert [path.name for path in list_checkpoints(run_dir / "coarse")] == [
            "ckpt-1"
        ]
        assert not list(run_dir.rglob(".writing-*"))
        load_best(model, run_dir / "coarse")
        return (run_dir / "coarse" / "best.weights.h5").read_bytes()

    best = None
    # Too small for the history, for TensorBoard's log, for best weights.
    for size in (10, 1000, 300_000):
        monkeypatch.setattr(loop, "writing_to", full(size))
        with pytest.raises(RunError, match="coarse cannot be written to: File too l"):
            trainer.fit(faces(8), faces(3, seed=1))
        assert best in (None, saved())
        best = saved()
    monkeypatch.setattr(loop, "writing_to", writing_to)

    def vanish(self, dataset):
        second.append(shutil.move(run_dir, tmp_path / "elsewhere"))
        return evaluate(self, dataset)

    monkeypatch.setattr(Trainer, "evaluate", vanish)
    with pytest.raises(RunError, match="coarse is gone. .*once it is back"):
        trainer.fit(faces(8), faces(3, seed=1))
    assert second and not run_dir.exists()
    monkeypatch.setattr(Trainer, "evaluate", evaluate)
    shutil.move(tmp_path / "elsewhere", run_dir)

    trainer.fit(faces(8), faces(3, seed=1))
    assert read_history(run_dir) == read_history(tmp_path / "whole")
    for a, b in zip(whole.weights, model.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_another_optimizers_state_and_torn_weights_are_refused(tmp_path):
    strategy = mirrored(ONE)
    with strategy.scope():
        model = small_model()

    def trainer(optimizer):
        stage = coarse_stage(optimizer=optimizer)
        return Trainer(model, stage, strategy, tmp_path, show=False)

    trained = trainer("adam")
    trained.checkpoints.resume(trained._origin(""))
    trained.epoch.assign(1)
    trained.best.assign(0.5)
    trained.checkpoints.save(1)
    with pytest.raises(RunError, match="No checkpoint in .*coarse.*ckpt-1"):
        trainer("muon").fit(faces(4), faces(1))
    for content in (None, b"torn"):
        if content is not None:
            (tmp_path / "coarse" / "best.weights.h5").write_bytes(content)
        with pytest.raises(RunError, match=r"best\.weights\.h5 cannot be read"):
            trainer("adam").fit(faces(4), faces(1))


def test_rates_halve_and_differ_by_network():
    stage = Stage("end_to_end", 10, halve_every=2, **{**RATES, "parts_rate": 4e-3})
    assert stage.rate_at("coarse", 0) == stage.rate_at("coarse", 1) == 1e-3
    assert stage.rate_at("coarse", 2) == 5e-4
    assert stage.rate_at("parts", 5) == 1e-3


def test_too_few_photos_and_uneven_batches_are_named(tmp_path):
    strategy = mirrored(TWO)
    with strategy.scope():
        model = small_model()
    with pytest.raises(ValueError, match="multiple of the 2 replicas"):
        Trainer(model, Stage("coarse", 1, 3, coarse_rate=1.0), strategy, tmp_path)
    trainer = Trainer(model, coarse_stage(), strategy, tmp_path, show=False)
    with pytest.raises(ValueError, match="`training`.*2 photos"):
        trainer.fit(faces(2), faces(1))


def test_variants_are_steps(tmp_path):
    strategy = mirrored(ONE)
    with strategy.scope():
        model = small_model()
    stage = coarse_stage(augmentation=AUGMENTATIONS["helen"])
    trainer = Trainer(model, stage, strategy, tmp_path, show=False)
    trainer.fit(faces(2), faces(1))
    # Fewer photos than a batch of 4 holds, but 10 examples.
    assert trainer.optimizers["coarse"].iterations.numpy() == 2


def test_schedules_and_overrides():
    for name in SCHEDULES:
        stages = get_schedule(name)
        assert isinstance(stages[0].augmentation, Augmentation)
        if name.endswith("_apart"):
            continue
        assert [s.name for s in stages][-1] == "end_to_end"
        # The published joint run froze two of the three: ours does not.
        assert len(stages[-1].trained_networks) == 3
    stages = get_schedule("cpu", ("all.epochs=1", "parts.jitter=0.5"))
    assert [s.epochs for s in stages] == [1, 1, 1, 1]
    assert [s.jitter for s in stages] == [0.1, 0.1, 0.5, 0.0]


@pytest.mark.parametrize(
    "override", ["parts.epochs", "wrong.epochs=1", "parts.wrong=1", "parts.epochs=x"]
)
def test_bad_overrides_are_named(override):
    with pytest.raises(ValueError, match=override.replace(".", r"\.")):
        get_schedule("cpu", (override,))


def test_bad_stages_are_named():
    with pytest.raises(ValueError, match="`name`.*fine"):
        Stage("fine", 1, coarse_rate=1.0)
    with pytest.raises(ValueError, match="all rates are 0"):
        Stage("coarse", 1)
