import sys

import pytest
from PIL import Image

from benchmarks import whole_way
from tests.helpers import small_model


def test_a_process_is_measured_and_must_not_fail():
    used = whole_way.run_process(["-c", "bytearray(10**8); sum(range(10**6))"])
    assert used["processor_seconds"] > 0 and 0 < used["seconds"] < 600
    if sys.platform == "linux":
        assert 100 < used["peak_mb"] < 400
    with pytest.raises(RuntimeError, match="failed"):
        whole_way.run_process(["-c", "raise SystemExit(3)"])


def test_the_ratio_is_of_the_same_photos(tmp_path):
    for index in range(2):
        Image.new("RGB", (60, 50), (index, 90, 90)).save(tmp_path / f"{index}.jpg")
    model = tmp_path / "small.keras"
    small_model().save(model)
    photos = sorted(tmp_path.glob("*.jpg"))
    rates = whole_way.measure_rates(photos, str(model), "tensorflow", rounds=1)
    assert rates["ratio"] == pytest.approx(rates["whole"] / rates["bare"])
    start = {"seconds": 1.0, "processor_seconds": 2.0, "peak_mb": 300.0}
    row = {"start": dict.fromkeys(("parser", "face_parse", "large"), start)}
    table = whole_way.format_rows({"tensorflow": {**row, "rates": rates}})
    assert "| tensorflow | 1.0 (2.0), 300 |" in table
