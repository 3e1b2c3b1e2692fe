"""Bulk parsing on Beam's local runner: what is written, and what a kill leaves."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from absl import app
from PIL import Image

pytest.importorskip("apache_beam", reason="needs Beam: pip install -e '.[beam]'")

from stn_icnn_tf.class_sets import EIGHT_PARTS
from stn_icnn_tf.face_parser import FaceParser
from stn_icnn_tf.files import UNFINISHED
from stn_icnn_tf.parsed_face import ParsedFace
from stn_icnn_tf.photos import read_photo
from stn_icnn_tf.pretrained import load_model
from tests.helpers import call_script, decode_picture, photos, shake, small_model
from tests.trainers.bulk.memory_files import MemoryFiles
from trainers import parse_many
from trainers.bulk import pipeline, storage
from trainers.bulk.parsing import ShardParser
from trainers.bulk.plan import Settings, make_plan


class Thresholds:
    """Parses as a model might."""

    class_set = EIGHT_PARTS

    def __call__(self, arrays):
        return [ParsedFace(a, (a[..., 0] > 200).astype("uint8")) for a in arrays]


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(9):
        size = (24, 36) if index % 2 else (30, 20)
        Image.fromarray(photos(*size)).save(folder / f"{index}.png")
    (folder / "4.png").write_bytes(b"no picture")
    return folder


@pytest.fixture
def parsed(monkeypatch):
    """Has thresholds for a model, and keeps which shards are parsed."""
    shards, run_inference = [], ShardParser.run_inference

    def spy(self, batch, model, inference_args=None):
        shards.extend(batch)
        return run_inference(self, batch, model, inference_args)

    monkeypatch.setattr(ShardParser, "load_model", lambda self: Thresholds())
    monkeypatch.setattr(ShardParser, "run_inference", spy)
    return shards


@pytest.fixture
def plan(folder, tmp_path):
    def plan(format="png", output=tmp_path / "out", size=4):
        model = tmp_path / "model.keras"
        model.write_bytes(b"")
        paths = [str(path) for path in sorted(folder.iterdir())]
        return make_plan(paths, model, Settings(format, size), str(output))

    return plan


def contents(folder):
    """Every file but the plan's, by its path."""
    folder = pathlib.Path(folder)
    files = (path for path in folder.rglob("*") if path.is_file())
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    return {name: text for name, text in found.items() if not name.startswith("plan/")}


def test_masks_index_and_dead_letters_are_written(plan, folder, parsed, capfd):
    run = plan()
    counters = pipeline.run(run)
    assert sorted(parsed) == run.shards and run.done() == set(run.shards)
    names = {f"masks/{run.shards[i // 4]}/{i}_mask.png" for i in range(9) if i != 4}
    names |= {f"shards/{shard}.jsonl" for shard in run.shards}
    found = contents(run.output)
    assert set(found) == names | {f"failed/{run.shards[1]}.jsonl"}
    indices = [found[f"shards/{shard}.jsonl"] for shard in run.shards]
    lines = [json.loads(line) for index in indices for line in index.splitlines()]
    assert [line["name"] for line in lines] == list(map(str, sorted(folder.iterdir())))
    for line in lines:
        if line["error"] is None:
            expected = read_photo(line["name"])[..., 0] > 200
            np.testing.assert_array_equal(decode_picture(found[line["mask"]]), expected)
    assert run.failures() == 1
    del counters["mask_bytes"], counters["num_inferences"]
    assert counters == {"photos": 9, "photos_failed": 1, "photos_without_face": 0}
    assert "9/9" in capfd.readouterr().err


@pytest.mark.parametrize("format", ["png", "tfrecord", "parquet"])
def test_a_run_goes_on_and_gives_the_same_bytes(plan, parsed, tmp_path, format):
    pipeline.run(plan(format, tmp_path / "whole"))
    run = plan(format)
    pipeline.run(run)
    assert contents(run.output) == contents(tmp_path / "whole")
    # Of a shard that was being written, masks may be there, and halves.
    second = pathlib.Path(run.shard_file(run.shards[1]))
    second.unlink()
    halves = [second.parent / f"{UNFINISHED}1"]
    if format == "png":
        halves.append(pathlib.Path(run.path("masks", run.shards[1], f"{UNFINISHED}2")))
    for half in halves:
        half.write_bytes(b"half")
    kept = pathlib.Path(run.shard_file(run.shards[0])).stat().st_mtime_ns
    parsed.clear()
    pipeline.run(plan(format))
    assert parsed == [run.shards[1]]
    assert contents(run.output) == contents(tmp_path / "whole")
    assert pathlib.Path(run.shard_file(run.shards[0])).stat().st_mtime_ns == kept
    assert pipeline.run(plan(format)) == {}  # Nothing is left to do.


def test_a_shard_that_cannot_be_written_is_not_done(plan, parsed, monkeypatch):
    write, run = storage.write_whole, plan()

    def full_disk(content, path):
        if path == run.shard_file(run.shards[2]):
            raise OSError("no space left")
        write(content, path)

    monkeypatch.setattr(storage, "write_whole", full_disk)
    with pytest.raises(Exception, match="no space left"):
        pipeline.run(run)
    assert run.shards[2] not in run.done()
    monkeypatch.undo()
    monkeypatch.setattr(ShardParser, "load_model", lambda self: Thresholds())
    pipeline.run(run)
    assert run.done() == set(run.shards)


def test_a_photo_that_can_be_read_at_last_is_no_dead_letter(plan, folder, parsed):
    run = plan()
    pipeline.run(run)
    os.remove(run.shard_file(run.shards[1]))
    Image.fromarray(photos(30, 20)).save(folder / "4.png")
    pipeline.run(run)
    assert run.failures() == 0


def test_photos_and_shards_may_be_remote(folder, parsed, monkeypatch, tmp_path):
    files = {f"memory://b/in/{p.name}": p.read_bytes() for p in folder.iterdir()}
    monkeypatch.setattr(MemoryFiles, "files", dict(files))
    model = small_model()
    model.save(tmp_path / "model.keras")
    script = (parse_many, f"--model={tmp_path}", "--workers=1", "--shard_size=4")
    call_script(*script, "--input=memory://b/in/*.png", "--output=memory://b/out")
    written = {
        name.removeprefix("memory://b/out/"): content
        for name, content in MemoryFiles.files.items()
        if name not in files and "/plan/" not in name
    }
    local = [f"--input={folder}", f"--output={tmp_path / 'out'}"]
    call_script(*script, *local)
    same = contents(tmp_path / "out")
    assert set(written) == set(same) and not any(UNFINISHED in n for n in written)
    masks = {name for name in same if name.startswith("masks/")}
    assert len(masks) == 8 and all(written[name] == same[name] for name in masks)


def test_the_script_refuses_before_its_work(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "run", lambda *_: pytest.fail("the work has begun"))
    good = [f"--input={folder}", f"--output={tmp_path / 'out'}"]
    for flags, message in (
        ([], "Name photos"),
        ([*good, "--model=none"], "`model` must be"),
        ([*good, "--runner=DaskRunner", "--workers=3"], "--workers: goes with"),
        ([*good[:1], f"--output={tmp_path}/a*"], "`output` must have none"),
        ([f"--input={tmp_path}/none.txt", good[1]], "`input` must be"),
        ([good[0], f"--output={folder}/0.png/out"], "`output` must be a path"),
    ):
        with pytest.raises(app.UsageError, match=message):
            call_script(parse_many, *flags)
    with pytest.raises(app.UsageError, match=r"Unknown arguments: \['me.jpg'\]"):
        parse_many.main(["parse_many", "me.jpg"])


# ------------------------------------------------------------------- worker processes


DYING = """
import threading
from trainers.bulk.pipeline import ends_with_a_worker

def die(words):
    raise RuntimeError(words)

with ends_with_a_worker():
    for words in ("another error", "Worker subprocess exited with return code 137"):
        thread = threading.Thread(target=die, args=[words])
        thread.start()
        thread.join()
"""


def test_a_worker_that_dies_ends_the_run():
    # In Beam's words: its own test would be to run short of memory.
    call = [sys.executable, "-c", DYING]
    result = subprocess.run(call, capture_output=True, text=True)
    assert result.returncode == 1
    assert "RuntimeError: another error" in result.stderr
    assert "code 137); was memory short? The same command" in result.stderr


def test_a_worker_ends_without_its_driver(plan, monkeypatch):
    class Ended(BaseException):
        pass

    def end(code):
        assert code == 1
        raise Ended

    monkeypatch.setattr(os, "_exit", end)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    run = plan()
    with pytest.raises(Ended):
        list(ShardParser(run, driver=gone.pid).run_inference(run.shards, Thresholds()))
    parsed = ShardParser(run, driver=os.getpid()).run_inference(
        run.shards, Thresholds()
    )
    assert [shard.name for shard in parsed] == run.shards


def command(folder, model, output):
    arguments = [f"--input={folder}", f"--model={model}", f"--output={output}"]
    arguments += ["--workers=2", "--shard_size=2", "--nofind_faces", "--format=parquet"]
    return [sys.executable, "-m", "trainers.parse_many", *arguments]


@pytest.mark.slow
def test_worker_processes_that_are_killed_and_start_again(folder, tmp_path):
    model = small_model()
    shake(model)
    model.save(tmp_path / "model.keras")
    calls = [command(folder, tmp_path, tmp_path / name) for name in ("whole", "killed")]
    whole = subprocess.run(calls[0], capture_output=True, text=True, timeout=900)
    assert whole.returncode == 0, whole.stderr[-3000:]
    assert "8 of 9 photos" in whole.stdout and "photos_failed: 1" in whole.stdout
    assert "Traceback" not in whole.stderr

    # A process group of its own: its workers are killed with it.
    killed = subprocess.Popen(
        calls[1],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    shards, end = tmp_path / "killed" / "shards", time.monotonic() + 900
    while not list(shards.glob("[!.]*")) and time.monotonic() < end:
        assert killed.poll() is None
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    done = {path: path.stat().st_mtime_ns for path in shards.glob("[!.]*")}
    assert done

    again = subprocess.run(calls[1], capture_output=True, text=True, timeout=900)
    assert again.returncode == 0, again.stderr[-3000:]
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in done.items())

    from pyarrow import parquet

    parser = FaceParser(load_model(tmp_path / "model.keras"), find_faces=False)
    rows = [row for path in sorted(shards.iterdir()) for row in _rows(parquet, path)]
    assert [pathlib.Path(row["name"]).name for row in rows] == [
        f"{index}.png" for index in range(9)
    ]
    for row in rows:
        if row["error"] is None:
            mask = parser(row["name"]).mask
            # Another number of threads may round the last digit otherwise.
            assert np.mean(decode_picture(row["mask"]) != mask) < 0.01


def _rows(parquet, path):
    return parquet.read_table(path).to_pylist()


@pytest.mark.slow
def test_spark_gives_the_same_bytes(folder, tmp_path):
    """Python workers of a Spark in local mode; needs Java, and no cluster."""
    pytest.importorskip("pyspark", reason="docs/scale.md says how it is installed")
    runner = "beam_pyspark_runner.pyspark_runner"
    pytest.importorskip(runner, reason="docs/scale.md says how it is installed")
    model = small_model()
    shake(model)
    model.save(tmp_path / "model.keras")
    ours = command(folder, tmp_path, tmp_path / "local")
    theirs = command(folder, tmp_path, tmp_path / "spark")
    theirs.remove("--workers=2")
    theirs.append(f"--runner={runner}.PySparkRunner")
    options = "--master local[2] --conf spark.default.parallelism=2 pyspark-shell"
    spark = {"PYSPARK_PYTHON": sys.executable, "PYSPARK_SUBMIT_ARGS": options}
    for call in (ours, theirs):
        result = subprocess.run(
            call,
            env={**os.environ, **spark},
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert result.returncode == 0, result.stderr[-3000:]
        assert "8 of 9 photos" in result.stdout
    assert contents(tmp_path / "spark") == contents(tmp_path / "local")
