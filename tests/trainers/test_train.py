"""`trainers.train` in this process: a run folder through all that befalls it."""

import functools
import json
import logging
import shutil
import types

import numpy as np
import pytest
import tensorflow as tf
from absl import app

from stn_icnn_tf.class_sets import CLASS_SETS
from stn_icnn_tf.pretrained import load_model
from tests import helpers
from tests.helpers import ONE_NET, ONE_NET_HEAD, call_script, model_flags
from trainers import train
from trainers.training import presence
from trainers.training.history import read_history
from trainers.training.loop import Trainer
from trainers.training.presence import find_presence
from trainers.training.run_lock import locked

faces = functools.partial(helpers.faces, class_set=ONE_NET)

INFO = types.SimpleNamespace(full_name="faces/1.0.0", metadata=None, splits={})


def draw_data(monkeypatch):
    """Has `trainers.train` find drawn faces, and names for the class sets of tests."""
    monkeypatch.setitem(CLASS_SETS, "one_net", ONE_NET)
    monkeypatch.setitem(CLASS_SETS, "one_net_head", ONE_NET_HEAD)
    sizes = {"train": 8, "validation": 2}
    monkeypatch.setattr(
        train, "load_builder", lambda *_: types.SimpleNamespace(info=INFO)
    )
    monkeypatch.setattr(train, "load_split", lambda _, split: faces(sizes[split]))
    # Each epoch is better than the one before it.
    monkeypatch.setattr(Trainer, "judge", lambda self, _: float(self.epoch) + 1.0)


def run(folder, *arguments, coarse=1, localization=1):
    call_script(
        train,
        f"--run_dir={folder}",
        *model_flags(),
        "--class_set=one_net",
        "--set=all.decay=halving",
        f"--set=coarse.epochs={coarse}",
        f"--set=localization.epochs={localization}",
        "--set=parts.epochs=0",
        "--set=end_to_end.epochs=0",
        "--device=CPU:0",
        *arguments,
    )


@pytest.fixture(autouse=True)
def drawn_data(monkeypatch):
    draw_data(monkeypatch)


@pytest.fixture(scope="module")
def two_stages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    with pytest.MonkeyPatch.context() as patch:
        draw_data(patch)
        run(folder)
    return folder


@pytest.fixture
def finished(two_stages, tmp_path):
    """A run of two stages, an epoch each."""
    return shutil.copytree(two_stages, tmp_path / "run")


def snapshot(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_finished_run_repeated_changes_nothing(finished, capsys):
    before = snapshot(finished)
    run(finished, "--stage=coarse")
    # The model of a later stage is not that of an earlier one.
    assert "as before: stage localization" in capsys.readouterr().out
    assert snapshot(finished) == before
    run(finished)
    after = snapshot(finished)
    for path in before:
        if path.name != "model.keras":
            assert after[path] == before[path], path
    assert set(after) == set(before)


def test_more_epochs_give_the_run_that_had_them_at_once(finished, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        run(finished, coarse=2)
    assert "stages.coarse.epochs: 1 before, 2 now" in caplog.text
    assert "Stage localization starts again" in caplog.text
    assert "Stage coarse starts again" not in caplog.text
    assert (finished / "localization.replaced-1" / "best.weights.h5").is_file()
    at_once = tmp_path / "at_once"
    run(at_once, coarse=2)
    one, other = (load_model(folder) for folder in (finished, at_once))
    for a, b in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert read_history(finished) == read_history(at_once)
    assert json.loads((finished / "config.json").read_text()) == json.loads(
        (at_once / "config.json").read_text()
    )


def test_other_settings_are_refused_and_nothing_is_touched(finished):
    before = snapshot(finished)
    for argument, message in (
        (
            "--set=coarse.optimizer=adam",
            r'coarse\.optimizer: "muon" before, "adam" now',
        ),
        ("--seed=3", "seed: 0 before, 3 now"),
        ("--precision=mixed_bfloat16", "precision"),
    ):
        with pytest.raises(SystemExit, match=message):
            run(finished, argument)
    with pytest.raises(SystemExit, match=r"localization\.epochs: 1 before, 0 now"):
        run(finished, localization=0)
    assert snapshot(finished) == before


def test_a_second_trainer_and_a_damaged_run_are_refused(finished):
    with locked(finished), pytest.raises(SystemExit, match="on this host trains in"):
        run(finished)
    (finished / "coarse" / "best.weights.h5").write_bytes(b"torn")
    with pytest.raises(SystemExit, match=r"best\.weights\.h5 cannot be read"):
        run(finished)


def test_the_config_is_printed_and_nothing_is_made(tmp_path, capsys):
    run(tmp_path / "run", "--print_config", "--seed=4")
    config = json.loads(capsys.readouterr().out)
    assert config["seed"] == 4 and config["dataset"] == "faces/1.0.0"
    assert config["stages"]["coarse"]["epochs"] == 1
    assert config["model"]["coarse_filters"] == [4, 4]
    (environment,) = config["environments"]
    assert environment["devices"] and not environment["deterministic"]
    assert not (tmp_path / "run").exists()
    assert train.check_run_dir({"run_dir": None, "print_config": True})
    assert not train.check_run_dir({"run_dir": None, "print_config": False})


def test_determinism_is_asked_of_tensorflow_before_anything_runs(
    tmp_path, monkeypatch, capsys
):
    asked = []
    monkeypatch.setattr(
        tf.config.experimental, "enable_op_determinism", lambda: asked.append(True)
    )
    load = train.load_builder
    monkeypatch.setattr(
        train, "load_builder", lambda *args: load(*args) if asked else None
    )
    run(tmp_path / "run", "--deterministic", "--print_config")
    assert asked == [True]
    (environment,) = json.loads(capsys.readouterr().out)["environments"]
    assert environment["deterministic"] is True


@pytest.mark.parametrize("error", [FloatingPointError("nan"), KeyboardInterrupt()])
def test_what_stops_a_run_is_said_without_a_traceback(tmp_path, monkeypatch, error):
    def stop(*_):
        raise error

    monkeypatch.setattr(train, "run_stages", stop)
    with pytest.raises(SystemExit, match="nan|same command goes on"):
        run(tmp_path / "run")


def test_what_cannot_be_trained_is_refused_before_anything_is(tmp_path):
    for argument, message in (
        ("--device=GPU:7", "`device`.*GPU:7"),
        (["--jit_compile", "--device=CPU:1"], "`jit_compile` must be False.*on 2 dev"),
        ("--set=localization.batch_size=9", "`training` must hold.*batch of 9"),
        (f"--run_dir={__file__}", "`run_dir` must be a path"),
    ):
        arguments = [argument] if isinstance(argument, str) else argument
        with pytest.raises(app.UsageError, match=message):
            run(tmp_path / "run", *arguments)
    assert not (tmp_path / "run").exists()


def test_a_model_to_start_from_is_part_of_the_run(tmp_path):
    helpers.small_model(class_set=ONE_NET).save(tmp_path / "start.keras")
    arguments = {"coarse": 0, "localization": 0}
    run(tmp_path / "run", f"--init_from={tmp_path / 'start.keras'}", **arguments)
    shutil.move(tmp_path / "start.keras", tmp_path / "moved.keras")
    run(tmp_path / "run", f"--init_from={tmp_path / 'moved.keras'}", **arguments)
    with pytest.raises(SystemExit, match=r"init_from\.weights: .* before, null now"):
        run(tmp_path / "run", **arguments)


# === Several data sets, and rare classes ===


def test_a_mix_is_a_setting_of_the_run(tmp_path, capsys):
    arguments = {"coarse": 1, "localization": 0}
    mixed = ["--mix=celeb_a_mask_hq=0.5"]
    run(tmp_path / "run", *mixed, **arguments)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["mix"] == {"faces/1.0.0": 0.5}
    for other in ([], ["--mix=celeb_a_mask_hq=0.25"]):
        with pytest.raises(SystemExit, match=r"mix\.faces/1\.0\.0: 0\.5 before"):
            run(tmp_path / "run", *other, **arguments)
    before = snapshot(tmp_path / "run")
    run(tmp_path / "run", *mixed, **arguments)
    assert snapshot(tmp_path / "run").keys() == before.keys()


@pytest.mark.parametrize(
    "mix", [["helen"], ["helen=1.5"], ["=0.1"], ["helen=.1", "helen=.2"], ["a=0.0"]]
)
def test_a_mix_that_cannot_be_is_refused(tmp_path, mix):
    with pytest.raises(app.UsageError, match="`mix` must|`shares` must"):
        run(tmp_path / "run", *[f"--mix={text}" for text in mix])


def test_rare_classes_are_looked_for_once_and_repeated(tmp_path, monkeypatch):
    looked = []

    def find(dataset, num_classes):
        looked.append(num_classes)
        return find_presence(dataset, num_classes, show=False)

    monkeypatch.setattr(presence, "find_presence", find)
    threshold = "--set=coarse.repeat_threshold=0.5"
    head = "--class_set=one_net_head"
    for _ in range(2):
        run(tmp_path / "run", threshold, head, localization=0)
    assert looked == [9]
    with np.load(tmp_path / "run" / "class_presence.npz") as arrays:
        (table,) = arrays.values()
    assert table.shape == (8, 9)
    for row, example in zip(table, faces(8), strict=True):
        ids, counts = np.unique(example["segmentation_mask"], return_counts=True)
        enough = counts >= 40 / 512**2 * counts.sum()
        assert set(np.flatnonzero(row)) == set(ids[enough])
