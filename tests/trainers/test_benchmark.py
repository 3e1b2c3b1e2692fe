import numpy as np
import pytest

from stn_icnn_tf.models.stn_icnn import StnIcnn
from tests.helpers import small_model
from trainers import benchmark
from trainers.common import charts
from trainers.common.timing import Timing, time_in_turn


def test_functions_are_timed_in_turn_and_warm_up_does_not_count():
    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in "ab"}
    timings = time_in_turn(functions, runs=3, warm_up=1)
    assert calls == ["a", "b"] * 4
    assert all(len(timing.seconds) == 3 for timing in timings.values())
    with pytest.raises(ValueError, match="runs=1"):
        time_in_turn(functions, runs=1)


def test_median_and_quartiles():
    timing = Timing((5.0, 1.0, 2.0, 3.0, 4.0))
    assert timing.median == 3.0 and timing.spread == (2.0, 4.0)


def test_multiply_adds_of_the_published_model():
    """1.3 G for the coarse net, 2.8 G for six patches, 0.2 G for the localizer."""
    model = StnIcnn()
    coarse = benchmark.icnn_multiply_adds(model.coarse, 128)
    assert coarse == pytest.approx(1.3e9, rel=0.04)
    total = benchmark.multiply_adds(model)
    assert total == pytest.approx(4.31e9, rel=0.01)


def test_ratios_are_to_the_keras_model_and_to_the_ceiling():
    model = small_model()
    timings = {
        "keras": Timing((0.4, 0.4)),
        "bfloat16": Timing((0.1, 0.1)),
        "ceiling float32": Timing((2.0, 2.0)),
        "ceiling bfloat16": Timing((1.0, 1.0)),
    }
    rows = benchmark.summarize(model, 2, timings)
    assert rows["keras"]["ms"] == pytest.approx(200)
    assert rows["bfloat16"]["of_keras"] == pytest.approx(0.25)
    share = benchmark.multiply_adds(model) / 4096**3
    assert rows["ceiling float32"]["ms"] == pytest.approx(2000 * share)
    assert rows["keras"]["of_ceiling"] == pytest.approx(0.2 / (2 * share))
    assert rows["bfloat16"]["of_ceiling"] == pytest.approx(0.05 / share)
    assert "of_keras" in benchmark.format_rows(rows)


def test_every_form_is_timed(monkeypatch):
    monkeypatch.setattr(benchmark, "CEILING_SIDE", 64)
    timings = benchmark.time_forms(small_model(), 1, 48, runs=2)
    assert set(timings) == {
        "keras",
        "float32",
        "bfloat16",
        "ceiling float32",
        "ceiling bfloat16",
    }
    assert all(np.isfinite(timing.median) for timing in timings.values())


def test_bar_chart_draws_a_bar_a_row():
    pytest.importorskip("matplotlib")
    rows = {"keras": {"ms": 3.0, "low": 2.5, "high": 4.0}, "float32": {"ms": 1.0}}
    figure = charts.bar_chart({"batch 1": rows}, "ms a face")
    assert [bar.get_width() for bar in figure.axes[0].patches] == [3.0, 1.0]


def test_twelve_pictures_for_the_sheet():
    pytest.importorskip("skimage.data", reason="extra `demo`")
    from benchmarks import overlays

    faces = overlays.twelve_faces()
    assert len(faces) == 12
    assert all(face.dtype == np.uint8 and face.shape[2] == 3 for face in faces)
    assert min(max(overlays.enlarge(face).shape) for face in faces) >= 256
