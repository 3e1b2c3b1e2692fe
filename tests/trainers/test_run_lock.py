import errno
import json
import os
import socket
import subprocess
import sys

import pytest

from trainers.training import run_lock
from trainers.training.errors import RunError
from trainers.training.run_lock import locked

HOLD = """
import pathlib, sys, time
from trainers.training.run_lock import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def write_holder(folder, host, process):
    (folder / "lock").write_text(json.dumps({"host": host, "process": process}))


def test_a_second_trainer_is_kept_out_until_the_first_ends(tmp_path):
    with (
        locked(tmp_path),
        pytest.raises(RunError, match=f"Process {os.getpid()} on this host.*run_dir"),
        locked(tmp_path),
    ):
        pass
    assert (tmp_path / "lock").read_text() == ""
    with locked(tmp_path):
        pass


def test_an_error_lets_go(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path):
        raise KeyError
    with locked(tmp_path):
        pass


def test_a_killed_trainer_leaves_nothing_to_clear_away(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(RunError, match=f"Process {first.pid}"), locked(tmp_path):
            pass
        first.kill()
    assert json.loads((tmp_path / "lock").read_text())["process"] == first.pid
    with locked(tmp_path):
        assert json.loads((tmp_path / "lock").read_text())["process"] == os.getpid()


def test_another_hosts_lock_is_refused_with_the_way_out(tmp_path):
    write_holder(tmp_path, "elsewhere", 12)
    with (
        pytest.raises(RunError, match=r"Process 12 on host elsewhere.*delete .*lock"),
        locked(tmp_path),
    ):
        pass
    # It stays the other's.
    assert "elsewhere" in (tmp_path / "lock").read_text()
    (tmp_path / "lock").unlink()
    with locked(tmp_path):
        pass


def test_a_torn_lock_file_is_no_lock(tmp_path):
    (tmp_path / "lock").write_text('{"host": "else')
    with locked(tmp_path):
        pass


def test_without_locks_of_the_file_system_the_process_is_looked_up(
    tmp_path, monkeypatch
):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(run_lock.fcntl, "flock", no_locks)
    write_holder(tmp_path, socket.gethostname(), os.getppid())
    with pytest.raises(RunError, match=f"Process {os.getppid()}"), locked(tmp_path):
        pass
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    write_holder(tmp_path, socket.gethostname(), dead.pid)
    with locked(tmp_path):
        pass
