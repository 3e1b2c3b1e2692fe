"""Run folders in remote storage, in whose place stands fsspec's memory."""

import numpy as np
import pytest

from stn_icnn_tf.pretrained import load_model
from tests.trainers.test_train import draw_data, run
from trainers.training.errors import RunError
from trainers.training.history import read_history
from trainers.training.remote_run import remote_run
from trainers.training.run_folder import open_run


@pytest.fixture
def remote(bucket):
    folder = bucket / "run"
    folder.mkdir(parents=True)
    return folder


def content(folder):
    return {
        path.path.removeprefix(f"{folder.path}/"): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "holder"
    }


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_what_changes_is_uploaded_and_comes_back(remote):
    with remote_run(remote) as first:
        write(first.local, "coarse/a", "1")
        write(first.local, "history", "one")
        first.upload()
        assert content(remote) == {"coarse/a": b"1", "history": b"one"}
        (first.local / "coarse").rename(first.local / "coarse.replaced-1")
        write(first.local, "coarse/b", "2")
        write(first.local, "history", "one two")
    expected = {"coarse.replaced-1/a": b"1", "coarse/b": b"2", "history": b"one two"}
    assert content(remote) == expected
    with open_run(remote) as (local, after_epoch):
        assert (local / "coarse" / "b").read_text() == "2"
        after_epoch()
    assert content(remote) == expected
    assert not local.exists()


def test_a_checkpoints_index_comes_last_and_goes_first(remote, monkeypatch):
    done = []
    kind = type(remote)
    write_bytes, unlink = kind.write_bytes, kind.unlink

    def written(path, data):
        done.append(path.name)
        return write_bytes(path, data)

    def gone(path, **kwargs):
        done.append(f"-{path.name}")
        return unlink(path, **kwargs)

    monkeypatch.setattr(kind, "write_bytes", written)
    monkeypatch.setattr(kind, "unlink", gone)
    with remote_run(remote) as opened:
        for name in ("ckpt-1.index", "ckpt-1.data-00000-of-00001", "history"):
            write(opened.local, name, "1")
        opened.upload()
        assert done == ["ckpt-1.data-00000-of-00001", "history", "ckpt-1.index"]
        done.clear()
        for path in opened.local.glob("ckpt-1*"):
            path.unlink()
    assert done == ["-ckpt-1.index", "-ckpt-1.data-00000-of-00001"]


def test_who_starts_last_holds_the_folder(remote):
    with (
        pytest.raises(RunError, match="memory://bucket/run is trained in by another"),
        remote_run(remote) as first,
        remote_run(remote) as second,
    ):
        write(second.local, "history", "second")
        second.upload()
        write(first.local, "history", "first")
        first.upload()
    assert content(remote) == {"history": b"second"}


def test_errors_name_the_remote_folder(remote):
    with (
        pytest.raises(RunError, match="^delete memory://bucket/run/coarse$"),
        remote_run(remote) as opened,
    ):
        raise RunError(f"delete {opened.local}/coarse")


@pytest.mark.slow
def test_a_remote_run_goes_on_like_a_local_one(remote, tmp_path, monkeypatch, capsys):
    draw_data(monkeypatch)
    run(tmp_path / "run", coarse=2, localization=0)
    run(remote, coarse=1, localization=0)
    assert f"Model: {remote}/model.keras" in capsys.readouterr().out
    run(remote, coarse=2, localization=0)
    names = {path.rpartition("/")[2] for path in content(remote)}
    assert {"config.json", "history.jsonl", "best.weights.h5", "model.keras"} <= names
    assert "ckpt-2.index" in names and not [n for n in names if "writing" in n]
    with open_run(remote) as (local, _):
        assert read_history(local) == read_history(tmp_path / "run")
    one, other = (load_model(folder).weights for folder in (remote, tmp_path / "run"))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
