"""Every script through its command line, on one small run."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from stn_icnn_tf.class_sets import EIGHT_PARTS
from stn_icnn_tf.export.saved_model import export_saved_model
from stn_icnn_tf.models.pipeline import Pipeline
from stn_icnn_tf.models.search_thresholds import SearchThresholds
from stn_icnn_tf.pretrained import load_model
from tests.helpers import model_flags, photos, script, shake, small_model
from trainers import evaluate
from trainers.common.photos import output_stems


@pytest.fixture(scope="module")
def model():
    model = small_model()
    shake(model)
    return model


@pytest.fixture(scope="module")
def run_folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    model.save(folder / "model.keras")
    return folder


@pytest.mark.parametrize("batch", [1, 3])
def test_saved_model_and_keras_file_give_the_models_masks(
    model, run_folder, tmp_path, batch
):
    folder = export_saved_model(model, tmp_path / "served")
    assert (folder / "saved_model.pb").is_file() and folder.name == "1"
    assert [p.name for p in folder.parent.iterdir()] == ["1"]
    served = tf.saved_model.load(str(folder)).signatures["serving_default"]
    photo = photos(batch, 70, 51)
    expected = np.array(model(photo)["mask"])
    outputs = served(images=tf.constant(photo))
    assert outputs["mask"].dtype == tf.uint8
    np.testing.assert_array_equal(outputs["mask"], expected)
    loaded = load_model(run_folder)
    np.testing.assert_array_equal(loaded(photo)["mask"], expected)
    assert len(np.unique(expected)) > 2


def test_export_script_writes_the_next_version(run_folder, tmp_path):
    (tmp_path / "out" / "3").mkdir(parents=True)
    result = script(
        "trainers.export",
        f"--model={run_folder}",
        f"--output={tmp_path / 'out'}",
        "--next_version",
    )
    assert result.returncode == 0, result.stderr
    written = tmp_path / "out" / "4" / "saved_model.pb"
    assert written.is_file()
    assert (result.stdout, result.stderr) == (f"Written: {written}\n", "")


def test_predict_script_goes_on_past_a_bad_file_and_exits_1(run_folder, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    picture = Image.fromarray(photos(40, 60))
    exif = Image.Exif()
    exif[0x0112] = 6  # Turned by 90 degrees: 40 x 60 becomes 60 x 40.
    picture.save(folder / "turned.jpg", exif=exif)
    picture.save(folder / "z_last.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    output = tmp_path / "masks"
    result = script(
        "trainers.predict",
        f"--model={run_folder}",
        folder / "z_last.png",
        f"--input={folder / 'turned.jpg'}",
        f"--input={folder / 'broken.jpg'}",
        f"--output={output}",
    )
    assert result.returncode == 1
    assert "broken.jpg" in result.stderr
    names = sorted(p.name for p in output.iterdir())
    assert names == [
        "turned_mask.png",
        "turned_overlay.png",
        "z_last_mask.png",
        "z_last_overlay.png",
    ]
    with Image.open(output / "turned_mask.png") as mask:
        assert mask.mode == "P" and mask.size == (40, 60)
        assert np.max(np.asarray(mask)) <= 8
        assert tuple(mask.getpalette()[3:6]) == EIGHT_PARTS.palette[1]
    with Image.open(output / "turned_overlay.png") as overlay:
        assert overlay.mode == "RGB" and overlay.size == (40, 60)


def test_photos_of_one_stem_do_not_overwrite_each_other(tmp_path):
    paths = [tmp_path / "a.jpg", tmp_path / "a.png", tmp_path / "b.png"]
    assert output_stems(paths) == ["a.jpg", "a.png", "b"]


def test_train_all_stages_then_evaluate(tmp_path):
    data = ("--dataset=synthetic_faces/tiny", f"--data_dir={tmp_path / 'data'}")
    run = tmp_path / "run"
    trained = script(
        "trainers.train",
        *data,
        f"--run_dir={run}",
        "--schedule=demo",
        "--set=all.epochs=1",
        *model_flags(),
    )
    assert trained.returncode == 0, trained.stderr
    # Bars, and nothing of the libraries.
    lines = re.split(r"[\r\n]+", trained.stderr)
    assert all("photos" in line or "examples" in line for line in lines if line)
    assert "photos/s" in trained.stderr
    lines = (run / "history.jsonl").read_text().splitlines()
    stages = [json.loads(line)["stage"] for line in lines]
    assert stages == ["coarse", "localization", "parts", "end_to_end"]
    # The search for the face was measured on the validation photos.
    assert load_model(run).search_thresholds != SearchThresholds()
    result = script("trainers.evaluate", f"--model={run}", *data)
    assert result.returncode == 0, result.stderr
    for column in ("eyes", "brows", "inner_mouth", "overall_strict", "coarse"):
        assert column in result.stdout
    scores = json.loads((run / "scores_synthetic_faces_tiny_test.json").read_text())
    assert 0 <= scores["scores"]["stn_icnn"]["overall"] <= 1


def test_evaluating_labels_against_themselves_scores_one():
    example = {
        "image": tf.zeros((40, 30, 3), tf.uint8),
        "segmentation_mask": tf.constant(
            np.random.default_rng(0).integers(0, 9, (40, 30, 1), "uint8")
        ),
    }

    class Oracle(Pipeline):
        framing, coarse_size, class_set = "stretch", 8, EIGHT_PARTS

        def enlarge_scores(self, scores, frame, size):
            return scores

        def parse(self, photo, cropper):
            mask = example["segmentation_mask"][None, ..., 0]
            return {"mask": mask, "coarse_scores": tf.one_hot(mask, 9)}

    results = evaluate.evaluate(Oracle(), tf.data.Dataset.from_tensors(example))
    for values in results.values():
        assert values["overall"] == values["overall_strict"] == values["mean_f1"] == 1
    assert "1.000" in evaluate.format_table(results)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trainers.export", "--model=nowhere", "--output=x"], "nowhere"),
        (["trainers.predict", "--model=m", "--input=none", "--output=x"], "none"),
        (["trainers.predict"], "Name a photo"),
        (["trainers.train", "--run_dir=x", "--dataset=mnist"], "mnist"),
        (["trainers.train", "--run_dir=x", "--set=a=b"], "STAGE.FIELD"),
    ],
)
def test_bad_flags_are_usage_errors(arguments, message, tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True
    )
    assert result.returncode != 0
    assert message in result.stderr + result.stdout
    assert "Traceback" not in result.stderr
