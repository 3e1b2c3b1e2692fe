"""Several real processes on this host train together, and lose one another."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from absl import app

from stn_icnn_tf.pretrained import load_model
from tests.helpers import SMALL, call_script, faces, model_flags
from tests.trainers.test_labelled_folder import write_pair
from trainers import train
from trainers.training.cluster import Cluster, read_cluster, wait_for_all
from trainers.training.errors import RunError
from trainers.training.history import read_history

# A worker; one that gets an epoch kills itself in the midst of that one.
WORKER = """
import os, signal, sys
from absl import app
from trainers import train
from trainers.training.loop import Trainer

last, batches = int(sys.argv.pop(1)), Trainer.training_batches

def until_killed(self, training, epoch):
    for step, batch in enumerate(batches(self, training, epoch)):
        if (epoch, step) == (last, 1):
            os.kill(os.getpid(), signal.SIGKILL)
        yield batch

Trainer.training_batches = until_killed
# Slow to compile, and the chief's alone.
train.measured_thresholds = lambda model, validation: model.search_thresholds
train.define_flags()
app.run(train.main)
"""
EPOCHS = 2
# Few variables, and few layers to compile in each of the processes.
MODEL = {**SMALL, "localization_filters": (4, 4)}


def fill(folder, count, seed):
    folder.mkdir(parents=True)
    examples = faces(count, side=80, seed=seed).as_numpy_iterator()
    for index, example in enumerate(examples):
        mask = example["segmentation_mask"][..., 0]
        write_pair(folder, f"p{index:02}", example["image"], mask)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """12 photos to train on, two steps an epoch, and 4, no whole batch, to judge by."""
    folder = tmp_path_factory.mktemp("photos") / "own"
    fill(folder / "train", 12, seed=0)
    fill(folder / "validation", 4, seed=1)
    return folder


def arguments(photos, run_dir):
    return [
        f"--dataset={photos}",
        f"--run_dir={run_dir}",
        *model_flags(**MODEL),
        "--set=all.batch_size=6",
        *(f"--set={stage}.epochs=0" for stage in ("coarse", "parts", "end_to_end")),
        f"--set=localization.epochs={EPOCHS}",
        "--seed=3",
    ]


def free_ports(count):
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def start_workers(count, arguments, killed=None):
    """Starts workers, of which one may kill itself in the second epoch."""
    addresses = [f"localhost:{port}" for port in free_ports(count)]
    processes = []
    for index in range(count):
        task = {"type": "worker", "index": index}
        config = {"cluster": {"worker": addresses}, "task": task}
        command = [sys.executable, "-c", WORKER, "1" if index == killed else "-1"]
        processes.append(
            subprocess.Popen(
                [*command, "--strategy=multi_worker", *arguments],
                env={**os.environ, "TF_CONFIG": json.dumps(config)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    return processes


def finish(processes):
    """Waits for workers; gives what they said, and how they ended."""
    try:
        outputs = [process.communicate(timeout=3600)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return outputs, [process.returncode for process in processes]


def run_workers(count, *args, **kwargs):
    return finish(start_workers(count, *args, **kwargs))


@pytest.fixture(scope="module")
def alone(photos, tmp_path_factory):
    """The run of one process."""
    run_dir = tmp_path_factory.mktemp("alone") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TF_CONFIG", raising=False)
        patch.setattr(train, "measured_thresholds", lambda m, _: m.search_thresholds)
        call_script(train, *arguments(photos, run_dir), "--device=CPU:0")
    return run_dir


@pytest.fixture(scope="module")
def two(photos, tmp_path_factory):
    """The run of two workers, and what they said."""
    run_dir = tmp_path_factory.mktemp("two") / "run"
    outputs, codes = run_workers(2, arguments(photos, run_dir))
    assert codes == [0, 0], "\n".join(outputs)
    return run_dir, outputs


@pytest.fixture(scope="module")
def three(photos, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("three") / "run"
    outputs, codes = run_workers(3, arguments(photos, run_dir))
    assert codes == [0, 0, 0], "\n".join(outputs)
    return run_dir, outputs


@pytest.mark.slow
@pytest.mark.parametrize("count", ["two", "three"])
def test_multi_worker_gives_the_numbers_of_one_process(alone, count, request):
    run_dir, outputs = request.getfixturevalue(count)
    # Sums in another order differ in the last digits, which Adam's first steps, of one
    # size whatever the gradient, can make more of.
    for one, other in zip(lines_of(alone), lines_of(run_dir), strict=True):
        for name in ("theta_loss", "val_center_error"):
            assert other[name] == pytest.approx(one[name], rel=1e-3), name
    mine, theirs = (load_model(folder).weights for folder in (run_dir, alone))
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-3)
    # The chief alone tells, and writes.
    assert "Model: " in outputs[0]
    assert not any("Model: " in output for output in outputs[1:])
    assert (run_dir / "history.jsonl").read_text().count("\n") == EPOCHS
    (environment,) = json.loads((run_dir / "config.json").read_text())["environments"]
    assert environment["workers"] == len(outputs)


def lines_of(run_dir):
    return read_history(run_dir)["localization"]


@pytest.mark.slow
@pytest.mark.parametrize("killed", [1, 0])
def test_a_multi_worker_run_that_lost_one_goes_on_bit_equal(
    photos, two, tmp_path, killed
):
    cut = arguments(photos, tmp_path)
    outputs, codes = run_workers(2, cut, killed=killed)
    assert codes[killed] == -signal.SIGKILL, outputs[killed]
    assert codes[1 - killed] == 1, outputs[1 - killed]
    assert "Another worker is gone" in outputs[1 - killed]
    assert "Traceback" not in outputs[1 - killed]
    assert len(lines_of(tmp_path)) == 1
    outputs, codes = run_workers(2, cut)
    assert codes == [0, 0], "\n".join(outputs)
    assert lines_of(tmp_path) == lines_of(two[0])
    one, other = (load_model(folder).weights for folder in (tmp_path, two[0]))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.fixture
def cluster():
    addresses = [f"localhost:{port}" for port in free_ports(3)]
    return [Cluster(tuple(addresses), index) for index in range(3)]


def wait(workers, told, timeout=60.0):
    """Lets workers wait for one another; gives what they raised, or None."""

    def one(worker):
        try:
            wait_for_all(worker, told[worker.index], timeout)
        except RunError as error:
            return str(error)

    with ThreadPoolExecutor() as pool:
        return list(pool.map(one, workers))


ALIKE = [{"--seed": 0}] * 3


def test_multi_worker_waits_until_all_are_there(cluster):
    assert wait(cluster, ALIKE) == [None] * 3


def test_a_multi_worker_run_without_one_ends_in_time_and_names_it(cluster):
    for missing in (1, 2):
        there = [worker for worker in cluster if worker.index != missing]
        started = time.monotonic()
        errors = wait(there, ALIKE, timeout=2.0)
        assert time.monotonic() - started < 30
        name = rf"Worker {missing} \(localhost:\d+\) did not come within 2 seconds"
        for error in errors:
            assert re.match(name, error), error
    for error in wait(cluster[1:], ALIKE, timeout=2.0):
        assert re.match(r"Worker 0 .* the first one, did not come", error)


def test_multi_worker_refuses_one_that_was_started_otherwise(cluster):
    told = [*ALIKE[:2], {"--seed": 7}]
    errors = wait(cluster, told, timeout=5.0)
    for index in (0, 2):
        assert re.match(
            r"Worker 2 .* otherwise:\n  --seed: 0 in .*, 7 in", errors[index]
        )
    assert "did not come" in errors[1]


def test_multi_worker_wait_is_not_confused_by_others_at_its_port(cluster):
    def knock():
        with (
            contextlib.suppress(OSError),
            socket.create_connection(cluster[0].chief) as s,
        ):
            s.sendall(b"GET / HTTP/1.1\r\n\r\n")

    with ThreadPoolExecutor() as pool:
        chief = pool.submit(wait_for_all, cluster[0], ALIKE[0], 60.0)
        time.sleep(0.5)
        knock()
        # One that is killed while it waits, and comes back.
        with socket.create_connection(cluster[0].chief) as gone:
            message = {"worker": 1, "told": ALIKE[1]}
            gone.sendall(json.dumps(message).encode() + b"\n")
        others = [pool.submit(wait_for_all, w, ALIKE[0], 60.0) for w in cluster[1:]]
        for waiting in (chief, *others):
            waiting.result(timeout=90)


def test_tf_config_is_read_and_damage_is_named():
    workers = ["a:1", "b:2"]

    def config(job, index, **cluster):
        return json.dumps({"cluster": cluster, "task": {"type": job, "index": index}})

    assert read_cluster(None) is None and read_cluster("{}") is None
    assert read_cluster(config("worker", 1, worker=workers)) == Cluster(
        ("a:1", "b:2"), 1
    )
    with_chief = config("worker", 1, chief=["c:3"], worker=workers)
    assert read_cluster(with_chief) == Cluster(("c:3", "a:1", "b:2"), 2)
    assert read_cluster(config("chief", 0, chief=["c:3"], worker=workers)).is_chief
    for damaged in (
        "{",
        config("worker", 2, worker=workers),
        config("worker", -1, worker=workers),
        config("worker", 0, worker=["a", "b:2"]),
        config("worker", 0, worker=["a:1", "a:1"]),
        config("worker", 0, worker=workers, ps=["p:1"]),
        json.dumps({"cluster": {"worker": workers}}),
    ):
        with pytest.raises(ValueError, match="TF_CONFIG must be like"):
            read_cluster(damaged)


def test_strategy_and_tf_config_must_go_together(photos, tmp_path, monkeypatch):
    flags = arguments(photos, tmp_path / "run")
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(app.UsageError, match="multi_worker needs .*TF_CONFIG"):
        call_script(train, *flags, "--strategy=multi_worker")
    config = {"cluster": {"worker": ["a:1", "b:2"]}}
    config["task"] = {"type": "worker", "index": 0}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    with pytest.raises(app.UsageError, match="2 workers, and each would train alone"):
        call_script(train, *flags)
    with pytest.raises(app.UsageError, match="--device: not with"):
        call_script(train, *flags, "--strategy=multi_worker", "--device=CPU:0")
    assert not (tmp_path / "run").exists()
