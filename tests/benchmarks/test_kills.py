"""Kills of a training of one stage, and whether the script would notice."""

import json
import shutil

import h5py
import numpy as np
import pytest

from benchmarks.kills import KINDS, Event, draw_moments, kill_runs
from benchmarks.run_differences import differences
from tests.helpers import shake, small_model
from trainers.training.checkpoints import StageCheckpoints, list_checkpoints, save_best
from trainers.training.history import append_epoch

EVENTS = [Event(f"{kind} coarse {n}", 0.1) for n in (1, 2) for kind in KINDS]


def test_moments_come_in_order_from_the_seed_and_of_all_kinds():
    def draw(seed):
        return draw_moments(EVENTS, 2 * len(KINDS), np.random.default_rng(seed))

    assert draw(0) == draw(0) != draw(1)
    places = [EVENTS.index(event) for event, _ in draw(0)]
    assert places == sorted(places)
    kinds = [event.kind for event, _ in draw(0)]
    assert {kind: kinds.count(kind) for kind in kinds} == dict.fromkeys(KINDS, 2)
    assert all(0 <= part < 1 for _, part in draw(0))


@pytest.mark.slow
def test_a_killed_training_leaves_what_the_whole_one_leaves(tmp_path, capsys):
    short = ("--stage=coarse", "--eager")
    assert kill_runs(tmp_path, kills=3, kills_a_run=3, seed=0, arguments=short) == []
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("kill ") for line in lines) >= 3
    assert lines[-1].startswith("3 kills") and lines[-1].endswith(" 0 differences")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run folder, of weights at random."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    (folder / "coarse").mkdir(parents=True)
    model = small_model()
    shake(model)
    checkpoints = StageCheckpoints(folder / "coarse", weights=list(model.weights))
    checkpoints.resume({"weights": "", "epochs": 1})
    checkpoints.save(1)
    save_best(model, folder / "coarse")
    append_epoch(folder, {"stage": "coarse", "epoch": 1, "loss": 0.5})
    model.save(folder / "model.keras")
    return folder


def change_history(folder):
    append_epoch(folder, {"stage": "coarse", "epoch": 2, "loss": 0.25})


def change_checkpoint(folder):
    (checkpoint,) = list_checkpoints(folder / "coarse")
    data = checkpoint.with_name(f"{checkpoint.name}.data-00000-of-00001")
    model = small_model()
    data.unlink()
    other = StageCheckpoints(folder / "coarse", weights=list(model.weights))
    other._origin.assign(json.dumps({"weights": "", "epochs": 1}))
    other.save(1)


def change_best(folder):
    with h5py.File(folder / "coarse" / "best.weights.h5", "a") as file:
        arrays = []
        file.visititems(
            lambda _, item: arrays.append(item) if hasattr(item, "dtype") else None
        )
        arrays[0][...] = arrays[0][...] + 1


def change_model(folder):
    small_model().save(folder / "model.keras")


def leave_something(folder):
    (folder / "coarse" / ".writing-x").mkdir()


def add_file(folder):
    (folder / "coarse" / "more").touch()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (None, []),
        (change_history, ["another history"]),
        (change_checkpoint, ["checkpoints/ckpt-1: "]),
        (change_best, ["best.weights.h5: 1 of "]),
        (change_model, ["model.keras: "]),
        (leave_something, [".writing-x was left"]),
        (add_file, ["other files: ['coarse/more']"]),
    ],
)
def test_what_differs_is_noticed(whole, tmp_path, change, found):
    other = shutil.copytree(whole, tmp_path / "other")
    if change is not None:
        change(other)
    received = differences(whole, other)
    assert len(received) == len(found)
    for text, part in zip(received, found):
        assert part in text
