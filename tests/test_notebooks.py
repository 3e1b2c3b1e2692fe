"""Every notebook is run whole, in a kernel of its own, on a small model."""

import json
import pathlib

import pytest

from stn_icnn_tf.class_sets import HEAD
from stn_icnn_tf.pretrained import load_model
from stn_icnn_tf.shipped import shipped_models
from tests.helpers import shake, small_model

FOLDER = pathlib.Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def source(cell):
    return "".join(cell["source"])


def parameters(notebook):
    """Returns the one cell that a reader, and a test, sets."""
    (cell,) = (
        c for c in notebook["cells"] if "parameters" in c["metadata"].get("tags", ())
    )
    return cell


def run(notebook, folder, monkeypatch, check="", **overrides):
    """Runs a notebook in a folder, then `check` in its kernel; returns its outputs.

    Overrides go into a cell after that of the parameters.
    """
    pytest.importorskip("ipykernel", reason="the extra `notebooks`")
    nbclient = pytest.importorskip("nbclient", reason="the extra `notebooks`")
    nbformat = pytest.importorskip("nbformat", reason="the extra `notebooks`")
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    # Of a file, a cell's source is a list of lines; a kernel takes text.
    notebook = nbformat.reads(json.dumps(notebook), as_version=4)
    if overrides:
        cell = parameters(notebook)
        names = {line.split(" = ")[0] for line in source(cell).splitlines()}
        assert set(overrides) <= names
        lines = [f"{name} = {value!r}" for name, value in overrides.items()]
        notebook.cells.insert(
            notebook.cells.index(cell) + 1, nbformat.v4.new_code_cell("\n".join(lines))
        )
    notebook.cells.append(nbformat.v4.new_code_cell(check))
    client = nbclient.NotebookClient(
        notebook,
        timeout=900,
        kernel_name="python3",
        resources={"metadata": {"path": folder}},
    )
    client.execute()
    return [o for cell in notebook.cells for o in cell.get("outputs", ())]


def pictures(outputs):
    return sum("image/png" in output.get("data", {}) for output in outputs)


def printed(outputs):
    return "".join(o["text"] for o in outputs if o.get("name") == "stdout")


@pytest.fixture
def head_file(tmp_path):
    """A model of the whole head, as the default one is."""
    return save_small_model(tmp_path, class_set=HEAD)


def save_small_model(folder, **kwargs):
    model = small_model(**kwargs)
    shake(model)
    model.save(folder / "small.keras")
    return "small.keras"


def test_both_notebooks_are_there():
    assert [path.name for path in NOTEBOOKS] == ["fine_tune.ipynb", "parse.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_kept_without_outputs_and_forgives_no_error(path):
    for cell in read(path)["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None, cell["id"]
        assert "raises-exception" not in cell["metadata"].get("tags", ())


@pytest.mark.skipif(not shipped_models(), reason="no model is shipped")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_names_a_shipped_model(path):
    names = {}
    exec(source(parameters(read(path))), names)
    assert names["MODEL"] in shipped_models()


def test_runner_of_notebooks_fails_with_a_cell(tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="the extra `notebooks`")
    notebook = {**read(NOTEBOOKS[0]), "cells": []}
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="1 / 0"):
        run(notebook, tmp_path, monkeypatch, check="1 / 0")


CHECK_PARSE = """
from stn_icnn_tf.photos import read_photo

assert mask.shape == photo.shape[:2] == (240, 240) and len(np.unique(mask)) > 2
assert np.array_equal(pasted[0], outputs["mask"][0])
assert np.array_equal(read_photo(OUTPUT), np.array(face.palette)[mask])
assert len(face.palette) == 19 and mask.max() > 8
np.testing.assert_allclose(framed.to_photo(windows)[0], theta, atol=1e-6)
np.testing.assert_allclose(corners.transpose(0, 2, 1).reshape(-1, 4), boxes, atol=1e-3)
assert patches.shape == (1, 6, 17, 17, 3)
"""


def test_parse_notebook(head_file, tmp_path, monkeypatch):
    pytest.importorskip("skimage", reason="the extra `demo`")
    pytest.importorskip("matplotlib", reason="the extra `plots`")
    notebook = read(FOLDER / "parse.ipynb")
    outputs = run(notebook, tmp_path, monkeypatch, CHECK_PARSE, MODEL=head_file)
    assert pictures(outputs) == 6  # The parsed face itself is one.
    assert "right_brow" in printed(outputs) and "lower_lip" in printed(outputs)
    assert "100.00% of the pixels" in outputs[-1]["data"]["text/plain"]


CHECK_FINE_TUNE = """
assert [int(d.cardinality()) for d in (training, validation, test)] == [10, 5, 10]
assert epochs == [1, 2] and all(line["loss"] > 0 for line in history)
assert 0 <= before["mean_f1"] <= 1 and 0 <= after["mean_f1"] <= 1
"""


@pytest.mark.slow
def test_fine_tune_notebook(head_file, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="the extra `plots`")
    outputs = run(
        read(FOLDER / "fine_tune.ipynb"),
        tmp_path,
        monkeypatch,
        CHECK_FINE_TUNE,
        MODEL=head_file,
        EPOCHS=2,
        SIDES=(64, 96),
    )
    assert pictures(outputs) == 3
    assert "mean F1 on test:" in outputs[-1]["data"]["text/plain"]
    tuned = load_model(tmp_path / "fine_tuned")
    given = load_model(tmp_path / head_file)
    for name in ("coarse", "localization", "part_nets"):
        pairs = zip(
            weights(getattr(tuned, name)), weights(getattr(given, name)), strict=True
        )
        assert all((new != old).any() for new, old in pairs), name


def weights(networks):
    """Returns the kernels of a network, or of several."""
    networks = networks.values() if isinstance(networks, dict) else [networks]
    variables = [v for net in networks for v in net.trainable_variables]
    return [v.numpy() for v in variables if v.name == "kernel"]
