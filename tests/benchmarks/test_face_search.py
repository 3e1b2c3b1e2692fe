import json

import numpy as np
import pytest

from tests.helpers import script, shake, small_model


def run(folder, *arguments):
    done = script(
        "benchmarks.face_search",
        f"--model={folder}",
        "--dataset=synthetic_faces/tiny",
        f"--data_dir={folder / 'data'}",
        f"--output={folder / 'search.json'}",
        *arguments,
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((folder / "search.json").read_text())
    return record["forms"], record["cost"], done.stdout


@pytest.mark.slow
def test_script_compares_scores_and_times(tmp_path):
    never = dict.fromkeys(("confidence", "found", "placed", "smallest"), 0.0)
    never |= {"largest": 99.0, "shift": 99.0, "roll": 180.0}
    model = small_model(search_thresholds=never)
    shake(model)
    model.save(tmp_path / "model.keras")
    forms, cost, printed = run(tmp_path)
    assert cost["unsearched"] == 1.0 and np.isnan(cost["ratio_searched"])
    assert forms["plain"]["overall"] == forms["search"]["overall"] > 0
    assert 0 < cost["ratio_unsearched"] < 3
    assert f"{forms['plain']['overall']:.4f}" in printed
    small_model(search_thresholds={"confidence": 1.0}).save(tmp_path / "model.keras")
    forms, cost, _ = run(tmp_path, "--change=upside down", "--limit=2")
    assert forms["search"]["seconds"] > 0
