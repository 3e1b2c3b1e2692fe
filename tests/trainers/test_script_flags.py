"""What scripts refuse, and that they refuse it before their work."""

import types

import pytest
from absl import app

from benchmarks import training
from tests.helpers import call_script
from trainers import (
    benchmark,
    curves,
    demo,
    evaluate,
    export,
    missing_parts,
    preview,
    release,
    robustness,
    sensitivity,
    train,
)
from trainers.training.history import append_epoch


def work(*_, **__):
    raise AssertionError("the work has begun")


@pytest.fixture
def nowhere(tmp_path):
    """A path that cannot be: it lies in a file."""
    (tmp_path / "file").write_text("")
    return tmp_path / "file" / "output"


SCRIPTS = {
    benchmark: ["--model=m"],
    evaluate: ["--model=m"],
    export: ["--model=m"],
    missing_parts: ["--model=m"],
    preview: [],
    release: ["--model=m"],
    robustness: ["--model=m"],
    sensitivity: [],
    demo: [],
    train: [],
    training: [],
}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_an_output_that_cannot_be_written_is_named_before_the_work(
    script, nowhere, monkeypatch
):
    names = ("load_builder", "load_photos", "time_forms", "export_saved_model", "run")
    for name in names:
        if hasattr(script, name):
            monkeypatch.setattr(script, name, work)
    if hasattr(script, "load_model"):
        # Of several models the work is to read them all.
        model = work if script is release else (lambda *_: None)
        monkeypatch.setattr(script, "load_model", model)
    flag = {evaluate: "json", train: "run_dir"}.get(script, "output")
    suffix = ".keras" if script is release else ""
    arguments = [*SCRIPTS[script], f"--{flag}={nowhere}{suffix}"]
    with pytest.raises(app.UsageError, match=f"`{flag}` must be a path.*output"):
        call_script(script, *arguments)


def test_curves_and_tables_name_their_output_too(tmp_path, nowhere, monkeypatch):
    pytest.importorskip("matplotlib", reason="the extra `plots`")
    append_epoch(tmp_path, {"stage": "coarse", "epoch": 1, "loss": 1.0})
    with pytest.raises(app.UsageError, match="`output` must be a path"):
        call_script(curves, f"--run_dir={tmp_path}", f"--output={nowhere}")
    monkeypatch.setattr(evaluate, "score_tables", lambda *_: "table")
    with pytest.raises(app.UsageError, match="`output` must be a path"):
        call_script(evaluate, "--table=a.json", f"--output={nowhere}")


def test_scores_go_into_a_folder_that_is_made(tmp_path, monkeypatch):
    model = types.SimpleNamespace(class_set=None)
    monkeypatch.setattr(evaluate, "load_model", lambda *_: model)
    monkeypatch.setattr(evaluate, "load_builder", work)
    with pytest.raises(AssertionError, match="begun"):
        call_script(evaluate, "--model=m", f"--json={tmp_path / 'new' / 'scores.json'}")
    assert (tmp_path / "new").is_dir()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format=litert", "--version=3"], "--version: not with --format=litert"),
        (["--format=onnx", "--next_version"], "--next_version: not with"),
        (["--format=onnx", "--find_faces"], "--find_faces: not with"),
        (["--format=onnx", "--calibration=a"], "--calibration: not with"),
        (["--size=64x64"], "--size: not with --format=saved_model"),
        (["--calibration=a", "--size=1x1"], "--size and --calibration: not with"),
        (["--next_version", "--version=1"], "--version: not with --next_version"),
        (["--format=litert", "--calibration=a"], "only with --precision=int8"),
        (["--format=litert", "--precision=bfloat16"], "`precision`.*float16.*litert"),
        (["--precision=int8"], "`precision`.*bfloat16.*saved_model"),
        (["--format=onnx", "--precision=float16"], "`precision`.*onnx"),
    ],
)
def test_flags_of_another_export_format_are_refused(arguments, message, monkeypatch):
    monkeypatch.setattr(export, "load_model", work)
    with pytest.raises(app.UsageError, match=message):
        call_script(export, "--model=m", "--output=o", *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--table=a.json", "--json=s.json"], "--json: not with --table"),
        (["--table=a.json", "--form=float32"], "--form: not with --table"),
        (["--table=a.json", "--find_faces"], "--find_faces: not with --table"),
        (["--model=m", "--output=o"], "--output: only with --table"),
        (["--model=m", "--find_faces", "--cropper=centroid"], "only with --cropper"),
    ],
)
def test_flags_of_scores_and_of_tables_do_not_mix(arguments, message, monkeypatch):
    for name in ("load_model", "score_tables"):
        monkeypatch.setattr(evaluate, name, work)
    with pytest.raises(app.UsageError, match=message):
        call_script(evaluate, *arguments)
