import copy
import functools
import json
import logging
import types

import pytest

from tests.helpers import shake, small_model
from trainers.configs.schedules import get_schedule
from trainers.training.errors import RunError
from trainers.training.run_config import (
    run_environment,
    run_settings,
    settle_config,
)

BUILDER = types.SimpleNamespace(info=types.SimpleNamespace(full_name="faces/1.0.0"))


@pytest.fixture(scope="module")
def settings():
    return run_settings(
        small_model(), get_schedule("helen_paper"), BUILDER, ("train", "validation"), 0
    )


ENVIRONMENT = {"keras": "3.0", "devices": ["CPU:0"]}


def changed(settings, field, value):
    result = copy.deepcopy(settings)
    *path, name = field.split(".")
    place = result
    for key in path:
        place = place[key]
    place[name] = value
    return result


def begin(folder, stage):
    checkpoints = folder / stage / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "ckpt-1.index").touch()


def read(folder):
    return json.loads((folder / "config.json").read_text())


def test_everything_that_a_run_is_made_of_is_there(settings):
    assert list(settings["stages"]) == ["coarse", "localization", "parts", "end_to_end"]
    assert settings["stages"]["parts"]["optimizer"] == "adam"
    assert settings["stages"]["parts"]["augmentation"]["variants"] == 5
    assert settings["stages"]["parts"]["jitter"][0] == {"shift": 0.3, "scale": [1, 1.5]}
    assert settings["model"]["patch_size"] == 17 and "name" not in settings["model"]
    assert settings["precision"] == "float32" and settings["seed"] == 0
    assert settings["dataset"] == "faces/1.0.0" and settings["init_from"] is None
    assert settings["train_split"] == "train"
    environment = run_environment(["CPU:0"], False)
    for package in ("python", "tensorflow", "keras", "numpy", "stn-icnn-tf"):
        assert environment[package]


# Fields that settings have got after the first runs.
NEWER = (
    "stages.coarse.batch_dice",
    "stages.coarse.augmentation.pasted",
    "model.part_net",
)


def test_the_same_settings_are_let_in_again(settings, tmp_path):
    settle_config(tmp_path, settings, ENVIRONMENT)
    begin(tmp_path, "coarse")
    first = (tmp_path / "config.json").read_bytes()
    settle_config(tmp_path, settings, ENVIRONMENT)
    assert (tmp_path / "config.json").read_bytes() == first
    assert read(tmp_path) == {**settings, "environments": [ENVIRONMENT]}


@pytest.mark.parametrize("field", NEWER)
def test_a_run_from_before_a_field_was_there_had_its_default(settings, tmp_path, field):
    old = changed(settings, field, None)
    *path, name = field.split(".")
    del functools.reduce(dict.__getitem__, path, old)[name]
    settle_config(tmp_path, old, ENVIRONMENT)
    begin(tmp_path, "coarse")
    settle_config(tmp_path, settings, ENVIRONMENT)
    assert read(tmp_path)["stages"] == settings["stages"]
    with pytest.raises(RunError, match=rf"{field}: .* before, 0.25 now"):
        settle_config(tmp_path, changed(settings, field, 0.25), ENVIRONMENT)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("stages.coarse.optimizer", "muon", 'coarse.optimizer: "adam" before, "muon"'),
        ("stages.coarse.epochs", 24, "stages.coarse.epochs: 25 before, 24 now"),
        ("stages.coarse.augmentation.noise", 99.0, "coarse.augmentation.noise"),
        ("model.patch_size", 19, "model.patch_size: 17 before, 19 now"),
        ("dataset", "faces/2.0.0", 'dataset: "faces/1.0.0" before, "faces/2.0.0"'),
        ("train_split", "train[:9]", "train_split"),
        ("seed", 1, "seed: 0 before, 1 now"),
        ("precision", "mixed_bfloat16", "precision"),
        ("init_from", {"model": "helen", "weights": "ab"}, "init_from.weights"),
    ],
)
def test_other_settings_are_refused_by_name(settings, tmp_path, field, value, message):
    settle_config(tmp_path, settings, ENVIRONMENT)
    begin(tmp_path, "coarse")
    before = (tmp_path / "config.json").read_bytes()
    with pytest.raises(RunError, match="--run_dir") as refused:
        settle_config(tmp_path, changed(settings, field, value), ENVIRONMENT)
    assert message in str(refused.value) and str(tmp_path) in str(refused.value)
    assert (tmp_path / "config.json").read_bytes() == before


def test_epochs_may_grow_and_stages_not_begun_may_change(settings, tmp_path, caplog):
    settle_config(tmp_path, settings, ENVIRONMENT)
    begin(tmp_path, "coarse")
    new = changed(settings, "stages.coarse.epochs", 30)
    new = changed(new, "stages.parts.optimizer", "muon")
    new = changed(new, "stages.parts.epochs", 2)
    with caplog.at_level(logging.WARNING):
        settle_config(tmp_path, new, ENVIRONMENT)
    assert "stages.coarse.epochs: 25 before, 30 now" in caplog.text
    assert 'stages.parts.optimizer: "adam" before, "muon" now' in caplog.text
    assert read(tmp_path)["stages"] == new["stages"]


def test_packages_and_devices_are_told_and_kept(settings, tmp_path, caplog):
    settle_config(tmp_path, settings, ENVIRONMENT)
    other = {**ENVIRONMENT, "keras": "3.1"}
    with caplog.at_level(logging.WARNING):
        settle_config(tmp_path, settings, other)
    assert 'keras: "3.0" before, "3.1" now' in caplog.text
    assert read(tmp_path)["environments"] == [ENVIRONMENT, other]


def test_the_same_weights_to_start_from_may_lie_elsewhere(tmp_path):
    model = small_model()
    shake(model)

    def started(name, start):
        stages = get_schedule("hybrid")
        return run_settings(model, stages, BUILDER, ("a", "b"), 0, (name, start))

    settle_config(tmp_path, started("runs/helen", model), ENVIRONMENT)
    settle_config(tmp_path, started("/moved/helen", model), ENVIRONMENT)
    with pytest.raises(RunError, match=r"init_from\.weights"):
        settle_config(tmp_path, started("runs/helen", small_model()), ENVIRONMENT)


def test_unknown_settings_are_refused(settings, tmp_path):
    begin(tmp_path, "coarse")
    with pytest.raises(RunError, match=r"no config\.json.*--run_dir"):
        settle_config(tmp_path, settings, ENVIRONMENT)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RunError, match=r"model\.patch_size: null before, 17 now"):
        settle_config(tmp_path, settings, ENVIRONMENT)
    for content in ('{"se', "[]", "\x00"):
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(RunError, match=r"config\.json cannot be read"):
            settle_config(tmp_path, settings, ENVIRONMENT)
