import logging
import os

import numpy as np
import pytest
import tensorflow as tf

from tests.helpers import shake, small_model
from trainers.training.checkpoints import (
    StageCheckpoints,
    list_checkpoints,
    load_earlier_stages,
    save_best,
    stage_built_on,
    weights_digest,
)
from trainers.training.errors import RunError

ORIGIN = {"weights": "", "epochs": None}


class Stage:
    """A stage whose only state is a number."""

    def __init__(self, folder, origin=None, name="value"):
        folder.mkdir(parents=True, exist_ok=True)
        self.value = tf.Variable(0.0)
        self.checkpoints = StageCheckpoints(folder, **{name: self.value})
        self.checkpoints.resume(origin or ORIGIN)

    def save(self, *numbers):
        for number in numbers:
            self.value.assign(10.0 * number)
            self.checkpoints.save(number)
        return self


@pytest.fixture
def folder(tmp_path):
    Stage(tmp_path / "coarse").save(1, 2, 3)
    return tmp_path / "coarse"


def data_of(checkpoint):
    return checkpoint.with_name(f"{checkpoint.name}.data-00000-of-00001")


def test_the_last_two_are_kept_and_the_newest_is_resumed(folder):
    assert [path.name for path in list_checkpoints(folder)] == ["ckpt-3", "ckpt-2"]
    assert len(list((folder / "checkpoints").iterdir())) == 4
    assert float(Stage(folder).value) == 30.0
    # By number, not by name.
    Stage(folder).save(9, 10)
    assert float(Stage(folder).value) == 100.0


def garble_state_file(newest):
    (newest.parent / "checkpoint").write_text("garbage")


def cut_in_half(newest):
    os.truncate(data_of(newest), data_of(newest).stat().st_size // 2)


def flip_bytes(newest):
    content = bytearray(data_of(newest).read_bytes())
    content[:] = bytes(255 - byte for byte in content)
    data_of(newest).write_bytes(content)


def remove_data(newest):
    data_of(newest).unlink()


def remove_index(newest):
    newest.with_name(f"{newest.name}.index").unlink()


def empty_index(newest):
    os.truncate(newest.with_name(f"{newest.name}.index"), 0)


DAMAGES = [cut_in_half, flip_bytes, remove_data, remove_index, empty_index]


def test_tensorflows_state_file_is_not_asked(folder):
    garble_state_file(list_checkpoints(folder)[0])
    assert float(Stage(folder).value) == 30.0


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_named_and_the_one_before_used(folder, damage, caplog):
    damage(list_checkpoints(folder)[0])
    with caplog.at_level(logging.WARNING):
        stage = Stage(folder)
    assert float(stage.value) == 20.0
    assert "ckpt-3 cannot be read" in caplog.text and "from" in caplog.text
    # The damaged one is written anew.
    stage.save(3)
    assert float(Stage(folder).value) == 30.0


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_readable_checkpoint_is_an_error(folder, damage):
    for path in list_checkpoints(folder):
        damage(path)
    with pytest.raises(
        RunError, match=r"No checkpoint in .*ckpt-3: .*ckpt-2: .*delete"
    ):
        Stage(folder)


def test_a_save_that_was_killed_leaves_the_others(folder, monkeypatch):
    def kill(*_):
        raise KeyboardInterrupt

    stage = Stage(folder)
    monkeypatch.setattr(tf.train.Checkpoint, "write", kill)
    with pytest.raises(KeyboardInterrupt):
        stage.save(4)
    monkeypatch.undo()
    assert float(Stage(folder).value) == 30.0


def test_variables_of_another_name_are_not_half_restored(folder):
    with pytest.raises(RunError, match="No checkpoint"):
        Stage(folder, name="other")


@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        ({"weights": "abc", "epochs": None}, "weights that it starts from"),
        ({"weights": "", "epochs": 7}, "falls over 7 epochs"),
    ],
)
def test_another_origin_starts_the_stage_again(folder, origin, reason, caplog):
    with caplog.at_level(logging.WARNING):
        stage = Stage(folder, origin)
    assert float(stage.value) == 0.0
    assert "Stage coarse starts again" in caplog.text and reason in caplog.text
    aside = folder.with_name("coarse.replaced-1")
    assert len(list_checkpoints(aside)) == 2 and not list_checkpoints(folder)
    stage.save(1)
    assert float(Stage(folder, origin).value) == 10.0
    # What was put aside stays what it was.
    Stage(folder)
    assert float(Stage(aside).value) == 30.0
    assert folder.with_name("coarse.replaced-2").is_dir()


def test_earlier_and_later_stages_are_found_by_their_weights(tmp_path):
    model, fresh = small_model(), small_model()
    assert load_earlier_stages(model, tmp_path, "coarse") == ""
    shake(model)
    digest = weights_digest(model)
    assert digest == weights_digest(model) != weights_digest(fresh)
    (tmp_path / "coarse").mkdir()
    save_best(model, tmp_path / "coarse")
    assert os.listdir(tmp_path / "coarse") == ["best.weights.h5"]
    assert load_earlier_stages(fresh, tmp_path, "parts") == digest
    for a, b in zip(model.weights, fresh.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert stage_built_on(model, tmp_path, "coarse") is None
    Stage(tmp_path / "parts", {"weights": digest, "epochs": 3}).save(1)
    assert stage_built_on(model, tmp_path, "coarse") == "parts"
    assert stage_built_on(model, tmp_path, "parts") is None
    assert stage_built_on(small_model(), tmp_path, "coarse") is None
