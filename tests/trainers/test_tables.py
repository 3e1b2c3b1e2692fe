"""Tables 2 to 4: the reference rows, ours, and files that are none of ours."""

import json
import re
import subprocess
import sys
import types

import numpy as np
import pytest

from stn_icnn_tf.class_sets import HEAD
from stn_icnn_tf.metrics import scores
from trainers import evaluate
from trainers.evaluation.reference_scores import COLUMNS, TABLES
from trainers.evaluation.tables import escape_latex, format_table, score_tables

SCORES = {column: 0.5 + index / 100 for index, column in enumerate(COLUMNS)}


@pytest.fixture
def write(tmp_path):
    def write(name, **changes):
        record = {
            "model": "runs/my_run",
            "dataset": "helen",
            "split": "test",
            "scores": {"stn_icnn": {**SCORES, "mean_f1": 0.1}, "coarse": {}},
        }
        path = tmp_path / name
        path.write_text(json.dumps({**record, **changes}))
        return str(path)

    return write


def line_of(text, method):
    (line,) = [line for line in text.splitlines() if method in line]
    return [cell.strip() for cell in line.strip("| \\").split("|")][1:]


def test_published_rows_have_one_cell_a_column():
    assert COLUMNS[-1] == "overall" and len(COLUMNS) == 8
    assert [table.number for table in TABLES] == [2, 3, 4]
    for table in TABLES:
        for row in table.rows:
            cells = row.cells.split()
            assert len(cells) == 8, row.method
            for cell in cells:
                assert re.fullmatch(r"-|0\.\d{2,3}\??", cell), row.method


def test_ours_stands_in_the_papers_columns_beside_the_papers_rows(write):
    text = score_tables([write("a.json"), write("b.json", cropper="centroid")])
    two, four = text.split("### Table 4")
    assert two.startswith("### Table 2")
    header = next(line for line in two.splitlines() if line.startswith("| method"))
    assert header.strip("| ").replace("|", " ").split() == ["method", *COLUMNS]
    expected = [f"{0.5 + index / 100:.3f}" for index in range(8)]
    for part in (two, four):
        assert line_of(part, "ours: my_run, learned") == expected
        assert line_of(part, "ours: my_run, centroid") == expected
    starred = " ".join(line_of(two, r"| STN-iCNN\*"))
    assert starred == "0.891 0.845 0.956 0.853 0.792 0.834 0.920 0.893"
    zhou = " ".join(line_of(four, "| iCNN, Zhou"))
    assert zhou == "0.778 0.863? 0.920 0.777 0.824? 0.808 0.889 0.845"
    assert "? are unverified" in four
    assert line_of(four, "| DML-CSR")[-1] == "0.938"
    assert "Table 3" not in text and "Smith" not in two


def test_each_data_set_has_its_own_tables(write):
    celeb = write("c.json", dataset="celeb_a_mask_hq/all", split="test[:9]")
    drawn = write("d.json", dataset="synthetic_faces", model="x/demo/model.keras")
    text = score_tables([celeb, drawn])
    assert "Table 3" in text and "Table 2" not in text
    three, other = text.split("### synthetic_faces")
    assert line_of(three, "ours: my_run, learned, test[:9]")[-1] == "0.570"
    assert line_of(three, r"| STN-iCNN\*")[-1] == "0.915"
    assert line_of(other, "ours: demo, learned")[0] == "0.500"
    assert "iCNN" not in other


def test_latex_is_escaped():
    assert escape_latex(r"a_b & 5% #1 $x$ {y} ~ ^ \z") == (
        r"a\_b \& 5\% \#1 \$x\$ \{y\} \textasciitilde{} \textasciicircum{} "
        r"\textbackslash{}z"
    )


def test_latex_table(write):
    text = score_tables([write("a.json", model="runs/50%_{x}")], "latex")
    assert text.count(r"\begin{tabular}{lrrrrrrrr}") == 2 == text.count(r"\end{table}")
    lines = text.splitlines()
    head = r"method & eyes & brows & nose & inner\_mouth & upper\_lip & lower\_lip "
    assert head + r"& mouth & overall \\" in lines
    ours = next(line for line in lines if line.startswith("ours"))
    assert ours.startswith(r"ours: 50\%\_\{x\}, learned & 0.500 & 0.510 & ")
    # Nothing that LaTeX reads as a command or an argument comes unescaped.
    for line in lines:
        if line.endswith(r"\\"):
            assert line.count(" & ") == 8
            assert not re.search(r"(?<!\\)[_%#$]", line)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"scores": {"stn_icnn": {}}}, "eyes"),
        ({"scores": None}, "NoneType"),
        ({"scores": {"stn_icnn": {**SCORES, "nose": "high"}}}, "high"),
        ({"scores": {"stn_icnn": {**SCORES, "nose": 91.2}}}, "nose.*91.2"),
        ({"scores": {"stn_icnn": {**SCORES, "overall": float("nan")}}}, "overall.*nan"),
    ],
)
def test_files_that_evaluate_did_not_write_are_named(write, changes, reason):
    path = write("bad.json", **changes)
    with pytest.raises(ValueError, match=rf"`table`.*bad\.json.*{reason}"):
        score_tables([path])


@pytest.mark.parametrize("content", [b"not json", b"\xff\xfe\x00", b"[1, 2]", None])
def test_files_that_cannot_be_read_are_named(tmp_path, content):
    path = tmp_path / "bad.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"`table`.*bad\.json"):
        score_tables([str(path)])


def test_unknown_format_is_refused(write):
    with pytest.raises(ValueError, match="`format`.*html"):
        score_tables([write("a.json")], "html")


def test_the_command_writes_the_tables(write, tmp_path, monkeypatch):
    output = tmp_path / "tables" / "scores.md"
    namespace = types.SimpleNamespace(
        table=[write("a.json")], format="markdown", output=str(output)
    )
    monkeypatch.setattr(evaluate, "FLAGS", namespace)
    monkeypatch.setattr(evaluate, "refuse_flags", lambda *given: None)
    evaluate.main(["evaluate"])
    assert output.read_text() == score_tables(namespace.table) + "\n"


def test_the_command_needs_no_model_and_names_a_bad_file(write, tmp_path):
    arguments = [f"--table={write('a.json')}", f"--table={tmp_path / 'none.json'}"]
    result = subprocess.run(
        [sys.executable, "-m", "trainers.evaluate", *arguments],
        capture_output=True,
        text=True,
    )
    assert result.returncode != 0
    assert "none.json" in result.stderr + result.stdout
    assert "Traceback" not in result.stderr


def test_what_a_set_does_not_draw_is_not_in_the_table():
    result = scores(np.eye(19, dtype=int), HEAD)
    text = format_table({"stn_icnn": result, "coarse": result}, HEAD)
    assert "ears" in text and "\nskin " in text and "parts_mean_f1" in text
    skin = next(line for line in text.splitlines() if line.startswith("skin "))
    assert skin.split()[1:] == ["1.000"] * 4  # Precision, recall, F1; F1 of coarse.
    result = scores(np.eye(19, dtype=int), HEAD, HEAD.base_classes[1:])
    text = format_table({"stn_icnn": result, "coarse": result}, HEAD)
    assert "ears" not in text and "skin" not in text and "\nlower_lip " in text
