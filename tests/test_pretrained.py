import os
import pathlib
import types

import keras
import numpy as np
import pytest
from absl import app

import stn_icnn_tf
from stn_icnn_tf.class_sets import EIGHT_PARTS
from stn_icnn_tf.models.search_thresholds import SearchThresholds
from stn_icnn_tf.models.stn_icnn import StnIcnn
from stn_icnn_tf.pretrained import (
    differing_arguments,
    load_model,
    save_compact,
)
from stn_icnn_tf.shipped import shipped_models
from tests.helpers import faces, shake, small_model
from trainers import release

WEIGHTS = pathlib.Path(stn_icnn_tf.__file__).parent / "weights"


def test_compact_file_is_small_and_gives_nearly_the_same_mask(tmp_path):
    model = small_model(coarse_filters=(8, 16), part_filters=(8, 16))
    shake(model)
    save_compact(model, tmp_path / "compact.keras")
    model.save(tmp_path / "plain.keras")
    sizes = [(tmp_path / f"{n}.keras").stat().st_size for n in ("compact", "plain")]
    assert sizes[0] < 0.5 * sizes[1]
    assert sorted(os.listdir(tmp_path)) == ["compact.keras", "plain.keras"]
    loaded = load_model(tmp_path / "compact.keras")
    assert isinstance(keras.saving.load_model(tmp_path / "compact.keras"), type(model))
    assert {w.dtype for w in loaded.weights} == {w.dtype for w in model.weights}
    for ours, stored in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_allclose(stored, ours, rtol=1 / 30, atol=1e-5)
        if len(ours.shape) < 2:
            np.testing.assert_array_equal(stored, ours)
    for example in faces(2):
        photo = example["image"].numpy()[None]
        masks = [np.asarray(m(photo)["mask"]) for m in (model, loaded)]
        assert len(np.unique(masks[0])) > 2
        assert np.mean(masks[0] == masks[1]) > 0.95


def test_what_cannot_be_stored_is_named(tmp_path):
    model = small_model()
    with pytest.raises(ValueError, match=r"\.keras\. Received: .*weights\.h5"):
        save_compact(model, tmp_path / "weights.h5")
    kernel = model.coarse.logits.kernel
    kernel.assign(kernel + 1e6)
    with pytest.raises(ValueError, match="float16's range.*vars/0 with 1000000"):
        save_compact(model, tmp_path / "large.keras")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", shipped_models())
def test_shipped_model_is_small_has_its_card_and_parses(name):
    assert (WEIGHTS / f"{name}.keras").stat().st_size < 12e6
    assert f"`{name}`" in (WEIGHTS / f"{name}.md").read_text(encoding="utf-8")
    data = pytest.importorskip("skimage.data", reason="extra `demo`")
    photo = data.astronaut()[:220, 110:330]
    mask = np.asarray(load_model(name)(photo[None])["mask"][0])
    assert set(np.unique(mask)) >= set(range(9))
    # Where the face has its parts: left eye, right eye, nose, upper lip.
    middles = {c: np.argwhere(mask == c).mean(axis=0) for c in (3, 4, 5, 6)}
    places = {3: (101, 94), 4: (103, 135), 5: (120, 114), 6: (134, 113)}
    for class_id, place in places.items():
        assert np.hypot(*(middles[class_id] - place)) < 12


@pytest.mark.parametrize("name", shipped_models())
def test_the_terms_name_a_shipped_model_and_its_card(name):
    terms = (WEIGHTS / "LICENSE").read_text(encoding="utf-8")
    assert f"{name}.keras" in terms and f"{name}.md" in terms


@pytest.mark.parametrize("name", shipped_models())
def test_preset_of_a_shipped_model_is_trained_unless_told_otherwise(name):
    shipped = load_model(name)
    trained = StnIcnn.from_preset(name)
    assert not differing_arguments(shipped, trained)
    for ours, theirs in zip(trained.weights, shipped.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    fresh = StnIcnn.from_preset(name, load_weights=False)
    assert not differing_arguments(shipped, fresh)
    kernels = [np.asarray(model.coarse.logits.kernel) for model in (shipped, fresh)]
    assert np.abs(kernels[0] - kernels[1]).max() > 0.01


def test_preset_without_weights_says_so():
    assert StnIcnn.from_preset("default").framing == "letterbox"
    with pytest.raises(ValueError, match="`load_weights` must be False.*paper has no"):
        StnIcnn.from_preset("paper", load_weights=True)
    with pytest.raises(ValueError, match="`load_weights`.*'part_filters'"):
        StnIcnn.from_preset("helen", part_filters=(8, 16, 24, 32))
    mixed = StnIcnn.from_preset("helen", dtype="mixed_bfloat16")
    assert mixed.dtype_policy.name == "mixed_bfloat16"


def test_release_script_writes_the_compact_file(tmp_path, capsys, monkeypatch):
    model = small_model()
    shake(model)
    model.save(tmp_path / "model.keras")
    target = tmp_path / "new" / "tiny.keras"
    given = types.SimpleNamespace(
        model=[str(tmp_path)], output=str(target), dataset=None
    )
    monkeypatch.setattr(release, "FLAGS", given)
    release.main(["release"])
    assert f"Model: {target}" in capsys.readouterr().out
    assert target.stat().st_size < (tmp_path / "model.keras").stat().st_size
    given.output = "tiny.h5"
    with pytest.raises(app.UsageError, match=r"\.keras\. Received: output=tiny.h5"):
        release.main(["release"])


def test_release_script_measures_the_search_on_photos_if_told(tmp_path, monkeypatch):
    small_model().save(tmp_path / "model.keras")
    asked = []

    def load_photos(*arguments):
        asked.append(arguments)
        return faces(3), None

    monkeypatch.setattr(release, "load_photos", load_photos)
    given = types.SimpleNamespace(
        model=[str(tmp_path)],
        output=str(tmp_path / "out.keras"),
        dataset="helen",
        split="validation",
        data_dir=None,
        manual_dir=None,
    )
    monkeypatch.setattr(release, "FLAGS", given)
    release.main(["release"])
    assert asked == [("helen", "validation", EIGHT_PARTS, None, None)]
    # The untrained localizer sees the mean face: upright, in the middle.
    thresholds = load_model(given.output).search_thresholds
    assert thresholds.roll == pytest.approx(5.0, abs=0.1)
    assert thresholds.smallest == pytest.approx(1 / 1.1, abs=0.05)


@pytest.mark.parametrize("name", shipped_models())
def test_shipped_models_know_their_photos(name):
    thresholds = load_model(name).search_thresholds
    assert thresholds != SearchThresholds()
    assert 0.85 < thresholds.confidence < 0.95


def test_release_script_averages_models_that_are_alike(tmp_path, monkeypatch):
    models = [
        small_model(search_thresholds={"confidence": confidence})
        for confidence in (0.9, 0.8)
    ]
    shake(models[1])
    for index, model in enumerate(models):
        model.save(tmp_path / f"{index}.keras")
    paths = [str(tmp_path / f"{index}.keras") for index in range(2)]
    given = types.SimpleNamespace(
        model=paths, output=str(tmp_path / "mean.keras"), dataset=None
    )
    monkeypatch.setattr(release, "FLAGS", given)
    release.main(["release"])
    mean = load_model(given.output)
    assert mean.search_thresholds.confidence == pytest.approx(0.85)
    for one, other, both in zip(models[0].weights, models[1].weights, mean.weights):
        expected = (one.numpy() + other.numpy()) / 2
        np.testing.assert_allclose(both, expected, rtol=1 / 30, atol=1e-5)
    small_model(patch_size=21).save(paths[1])
    with pytest.raises(app.UsageError, match="`model`.*patch_size=17 and 21"):
        release.main(["release"])


def test_damaged_files_are_named(tmp_path):
    path = tmp_path / "model.keras"
    small_model().save(path)
    content = path.read_bytes()
    for damaged in (b"no zip", content[: len(content) // 2], b""):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"`model`.*{path.name}.*torn"):
            load_model(path)
