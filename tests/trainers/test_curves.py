import json
import sys
import types

import pytest
from absl import app
from PIL import Image

from trainers import curves
from trainers.training.history import read_history


def write_history(folder, lines):
    folder.mkdir(parents=True)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "history.jsonl").write_text(text)
    return str(folder)


def epochs(stage, losses, **values):
    return [
        {
            "stage": stage,
            "epoch": n,
            "loss": loss,
            **{k: v[n - 1] for k, v in values.items()},
        }
        for n, loss in enumerate(losses, start=1)
    ]


@pytest.fixture
def runs(tmp_path):
    long = [
        *epochs("coarse", [3.0, 2.0, 1.0], val_overall=[0.1, 0.2, 0.3]),
        *epochs("localization", [0.5], val_center_error=[9.0]),
        *epochs("end_to_end", [0.4], val_overall=[0.8], val_center_error=[5.0]),
    ]
    short = epochs("coarse", [4.0, 3.0], val_overall=[0.05, 0.15])
    return [
        write_history(tmp_path / "128", long),
        write_history(tmp_path / "64", short),
    ]


def test_runs_are_lines_and_stages_are_columns(runs):
    pytest.importorskip("matplotlib", reason="the extra `plots`")
    figure = curves.draw_curves({n: read_history(r) for n, r in zip("ab", runs)})
    panels = figure.axes
    assert [panel.get_title() for panel in panels[:3]] == [
        "coarse",
        "localization",
        "end_to_end",
    ]
    long, short = panels[0].lines
    assert list(long.get_ydata()) == [3.0, 2.0, 1.0]
    assert list(short.get_xdata()) == [1, 2] and list(short.get_ydata()) == [4.0, 3.0]
    assert list(panels[3].lines[0].get_ydata()) == [0.1, 0.2, 0.3]
    # Without F1, how far the centres are off; with both, F1.
    assert list(panels[4].lines[0].get_ydata()) == [9.0]
    assert list(panels[5].lines[0].get_ydata()) == [0.8]
    assert len(panels[4].lines[1].get_ydata()) == 0
    # A run has one colour in all panels.
    assert len({panel.lines[0].get_color() for panel in panels}) == 1
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]


def script(monkeypatch, run_dirs, output):
    flags = types.SimpleNamespace(run_dir=run_dirs, output=str(output))
    monkeypatch.setattr(curves, "FLAGS", flags)
    curves.main(["curves"])


def test_script_writes_the_file(runs, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="the extra `plots`")
    output = tmp_path / "new" / "curves.png"
    script(monkeypatch, runs, output)
    with Image.open(output) as image:
        assert image.size == (3 * 480, 720)
        assert len(image.convert("RGB").getcolors(1 << 20)) > 10
    with pytest.raises(app.UsageError, match=r"`output`.*a\.xyz"):
        script(monkeypatch, runs, tmp_path / "a.xyz")


def test_missing_matplotlib_names_the_extra(runs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"stn-icnn-tf\[plots\]"):
        curves.draw_curves({"a": read_history(runs[0])})
    with pytest.raises(app.UsageError, match="plots"):
        script(monkeypatch, runs, tmp_path / "a.png")


def test_runs_of_one_folder_name_are_told_apart():
    assert curves.run_names(["a/x", "b/y"]) == ["x", "y"]
    assert curves.run_names(["a/x", "b/x"]) == ["a/x", "b/x"]
