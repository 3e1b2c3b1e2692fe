import json
import sys
import types

import numpy as np
import pytest
from absl import app
from PIL import Image

from tests.helpers import faces
from trainers import sensitivity


def test_slices_are_the_pixels_around_the_centre():
    image = np.arange(30 * 40 * 2).reshape(30, 40, 2)
    centers = np.array([[20, 12], [0, 29]])
    odd = sensitivity.slice_patches(image, centers, 5)
    np.testing.assert_array_equal(odd[0], image[10:15, 18:23])
    np.testing.assert_array_equal(odd[1, :3, 2:], image[27:, :3])
    assert np.all(odd[1, 3:] == 0) and np.all(odd[1, :, :2] == 0)
    even = sensitivity.slice_patches(image, centers, 4)
    np.testing.assert_array_equal(even[0], image[10:14, 18:22])


def test_odd_crops_are_the_baselines_and_even_ones_are_not():
    measures, shown = sensitivity.compare_crops(faces(2), [16, 17])
    assert measures[17] == {"difference": 0.0, "labels_differ": 0.0}
    assert measures[16]["difference"] > 1.0
    assert 0.01 < measures[16]["labels_differ"] < 0.5
    for size, (cut, sampled, difference) in shown.items():
        assert cut.shape == sampled.shape == difference.shape == (size, size, 3)
        assert np.any(difference) == (size == 16)


def test_even_crops_lie_half_a_pixel_off_the_slice():
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype("float32")
    centers = np.array([[25, 20]])
    cut = sensitivity.slice_patches(image, centers, 9)[0]
    between = (cut[:-1, :-1] + cut[1:, :-1] + cut[:-1, 1:] + cut[1:, 1:]) / 4.0
    sampled = sensitivity.sample_patches(image, centers, 8)[0]
    np.testing.assert_allclose(sampled, between, atol=1e-3)


@pytest.fixture
def flags(monkeypatch, tmp_path):
    pytest.importorskip("matplotlib", reason="the extra `plots`")
    values = types.SimpleNamespace(
        dataset="faces",
        split="test",
        limit=1,
        data_dir=None,
        manual_dir=None,
        patch_size=[17, 16],
        run_dir=[],
        output=str(tmp_path / "figures"),
    )
    monkeypatch.setattr(sensitivity, "FLAGS", values)
    monkeypatch.setattr(sensitivity, "load_photos", lambda *_: (faces(1), None))
    return values


def test_script_writes_the_figures_and_the_numbers(flags, tmp_path, capsys):
    run = tmp_path / "64"
    run.mkdir()
    line = {"stage": "coarse", "epoch": 1, "loss": 1.0, "val_overall": 0.5}
    (run / "history.jsonl").write_text(json.dumps(line) + "\n")
    for runs, count in (([], 2), ([str(run)], 3)):
        flags.run_dir = runs
        sensitivity.main(["sensitivity"])
        pictures = sorted((tmp_path / "figures").glob("*.png"))
        assert len(pictures) == count
        for picture in pictures:
            with Image.open(picture) as opened:
                assert min(opened.size) > 100
    assert "No figure 6" in capsys.readouterr().out
    record = json.loads((tmp_path / "figures" / "sensitivity.json").read_text())
    assert list(record["patch_sizes"]) == ["16", "17"] and record["photos"] == 1


def test_script_refuses_what_it_cannot_use(flags, tmp_path):
    flags.patch_size = [2]
    with pytest.raises(app.UsageError, match="`patch_size`.*2"):
        sensitivity.main(["sensitivity"])
    flags.patch_size = [17]
    flags.run_dir = [str(tmp_path / "none")]
    with pytest.raises(app.UsageError, match="`run_dir`"):
        sensitivity.main(["sensitivity"])


def test_script_says_what_it_lacks_before_it_works(flags, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setattr(sensitivity, "compare_crops", lambda *_: pytest.fail("worked"))
    with pytest.raises(app.UsageError, match="plots"):
        sensitivity.main(["sensitivity"])
