"""LiteRT files against the Keras model, and what they are made of."""

import itertools
import json
import sys

import numpy as np
import pytest
from PIL import Image

from stn_icnn_tf.class_sets import EIGHT_PARTS, HEAD
from stn_icnn_tf.export import litert
from stn_icnn_tf.export.litert import LITERT_PRECISIONS, export_litert, litert_parser
from stn_icnn_tf.inference.fixed_size import FixedSizeModel
from tests.helpers import faces, photos, shake, small_model
from trainers.common.calibration import calibration_photos, fit_photo
from trainers.common.flags import parse_size
from trainers.common.label_map import LabelMap

RNG = np.random.default_rng(0)
SIZE = (64, 72)


def needs_extra():
    reason = "needs the extra: pip install -e '.[litert]'"
    pytest.importorskip("ai_edge_litert", reason=reason)
    pytest.importorskip("ai_edge_quantizer", reason=reason)


@pytest.fixture(scope="module")
def model():
    model = small_model(part_filters=(8, 8))
    shake(model)
    return model


@pytest.fixture(scope="module")
def files(model, tmp_path_factory):
    """Exports the model in every precision, converting it once: that is slow."""
    needs_extra()
    folder = tmp_path_factory.mktemp("litert")
    calibration = [photos(*SIZE), *itertools.islice(calibration_photos(None, SIZE), 5)]
    with pytest.MonkeyPatch.context() as patch:
        content = litert._convert(FixedSizeModel(model).function(SIZE))
        patch.setattr(litert, "_convert", lambda function: content)
        return _export_all(model, folder, calibration)


def _export_all(model, folder, calibration):
    return {
        precision: export_litert(
            model,
            folder / f"{precision}.tflite",
            SIZE,
            precision,
            calibration if precision == "int8" else None,
        )
        for precision in LITERT_PRECISIONS
    }


@pytest.mark.parametrize(
    ("precision", "least"),
    [("float32", 0.999), ("float16", 0.99), ("int8", 0.9), ("int8_dynamic", 0.9)],
)
def test_a_file_gives_the_models_mask(model, files, precision, least):
    photo = photos(1, *SIZE)
    expected = np.array(model(photo)["mask"])
    mask = litert_parser(files[precision])(photo)
    assert mask.dtype == np.uint8 and mask.shape == (1, *SIZE)
    assert len(np.unique(expected)) > 4  # Weights that label something.
    assert np.mean(mask == expected) >= least


@pytest.mark.parametrize(
    ("framing", "size"), [("stretch", (50, 80)), ("letterbox", (64, 64))]
)
def test_other_framings_and_sizes(tmp_path, framing, size):
    needs_extra()
    model = small_model(framing=framing, window="fixed")
    shake(model)
    photo = photos(1, *size)
    file = export_litert(model, tmp_path / "face.tflite", size)
    expected = np.array(model(photo)["mask"])
    assert np.mean(litert_parser(file)(photo) == expected) >= 0.999


def test_a_photo_of_another_size_is_refused_with_both(files):
    parse = litert_parser(files["float32"])
    with pytest.raises(ValueError, match=r"\(1, 64, 72, 3\).*\(1, 80, 80, 3\)"):
        parse(photos(1, 80, 80))
    with pytest.raises(ValueError, match="uint8.*float32"):
        parse(photos(1, *SIZE).astype("float32"))


def test_calibration_leaves_out_a_broken_photo_and_names_it(tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="`calibration` must hold photos that can"):
        list(calibration_photos(str(tmp_path), SIZE))
    Image.fromarray(photos(*SIZE)).save(tmp_path / "b.png")
    capsys.readouterr()
    (photo,) = calibration_photos(str(tmp_path), SIZE)
    np.testing.assert_array_equal(photo, photos(*SIZE))
    assert "a.png: left out" in capsys.readouterr().err


def test_names_shapes_and_operations(files):
    from ai_edge_litert.interpreter import Interpreter

    for file in files.values():
        interpreter = Interpreter(str(file))
        signature = {"serving_default": {"inputs": ["image"], "outputs": ["mask"]}}
        assert interpreter.get_signature_list() == signature
        runner = interpreter.get_signature_runner()
        image = runner.get_input_details()["image"]
        mask = runner.get_output_details()["mask"]
        assert image["dtype"] == mask["dtype"] == np.uint8
        assert tuple(image["shape"]) == (1, *SIZE, 3)
        assert tuple(mask["shape"]) == (1, *SIZE)
        operations = {op["op_name"] for op in interpreter._get_ops_details()}
        assert "CONV_2D" in operations
        foreign = {"CUSTOM", "WHILE", "IF"}
        assert not operations & foreign
        assert not any(name.startswith("Flex") for name in operations)


def test_only_the_weights_of_convs_are_lowered(files):
    from ai_edge_litert.interpreter import Interpreter

    lowered = {"float16": np.float16, "int8": np.int8, "int8_dynamic": np.int8}
    for precision, dtype in lowered.items():
        interpreter = Interpreter(
            str(files[precision]), experimental_preserve_all_tensors=True
        )
        tensors = interpreter.get_tensor_details()
        weights = [t for t in tensors if t["dtype"] == dtype and len(t["shape"]) == 4]
        assert weights
        by_index = {tensor["index"]: tensor for tensor in tensors}
        for op in interpreter._get_ops_details():
            if op["op_name"] == "BATCH_MATMUL":
                for index in op["inputs"]:
                    assert by_index[index]["dtype"] == np.float32


def test_lowered_files_are_smaller(files):
    sizes = {precision: file.stat().st_size for precision, file in files.items()}
    assert sizes["int8"] < sizes["float16"] < sizes["float32"]
    assert sizes["int8_dynamic"] < sizes["float16"]


# === What is refused ===


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"output": "face"}, "output"),
        ({"precision": "float64"}, "float64"),
        ({"precision": "int8"}, "calibration"),
        ({"calibration": [photos(8, 8)]}, r"\(64, 72, 3\)"),
        ({"size": (64, 4)}, "size"),
    ],
)
def test_bad_arguments_are_refused(model, tmp_path, arguments, message):
    arguments = {"output": "face.tflite", "size": SIZE, **arguments}
    arguments["output"] = tmp_path / arguments["output"]
    with pytest.raises(ValueError, match=message):
        export_litert(model, **arguments)
    assert not any(tmp_path.iterdir())


def test_a_missing_extra_is_named(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_quantizer", None)
    monkeypatch.setattr(litert, "_convert", lambda function: pytest.fail("too late"))
    with pytest.raises(ImportError, match=r"\.\[litert\]"):
        export_litert(model, tmp_path / "face.tflite", SIZE, "float16")


@pytest.mark.parametrize("text", ["512", "axb", "4x", "-4x4"])
def test_bad_sizes_are_refused(text):
    with pytest.raises(ValueError, match="HEIGHTxWIDTH"):
        parse_size(text)
    assert parse_size("480x640") == (480, 640)


# === Calibration and the scripts ===


def test_photos_are_fitted_without_distortion():
    photo = np.full((20, 40, 3), 200, "uint8")
    fitted = fit_photo(photo, (60, 60))
    assert fitted.shape == (60, 60, 3) and fitted.dtype == np.uint8
    assert (fitted[15:45] == 200).all()
    assert not fitted[:15].any() and not fitted[45:].any()
    label = RNG.integers(0, 9, (20, 40, 1), "uint8")
    small = fit_photo(label, (10, 20), nearest=True)
    assert set(np.unique(small)) <= set(np.unique(label))


def test_calibration_photos_are_those_of_a_folder_or_drawn(tmp_path):
    for index in range(3):
        Image.fromarray(photos(30, 40)).save(tmp_path / f"{index}.png")
    given = list(calibration_photos(str(tmp_path), (16, 16)))
    assert [photo.shape for photo in given] == [(16, 16, 3)] * 3
    drawn = next(calibration_photos(None, (64, 80)))
    assert drawn.shape == (64, 80, 3) and drawn.dtype == np.uint8
    with pytest.raises(ValueError, match="calibration"):
        next(calibration_photos(str(tmp_path / "none"), (16, 16)))


def test_forms_are_scored_against_labels_and_each_other():
    from benchmarks.exports import format_rows, score_forms

    dataset = faces(2, side=80)
    labels = [
        fit_photo(example["segmentation_mask"].numpy(), SIZE, nearest=True)[..., 0]
        for example in dataset
    ]

    def parser(change):
        answers = iter(labels)
        return lambda photo: change(next(answers))[None]

    def forget_nose(label):
        return np.where(label == 5, 0, label)

    rows = score_forms(
        {"keras": parser(np.copy), "other": parser(forget_nose)},
        dataset,
        SIZE,
        LabelMap.of(range(9), EIGHT_PARTS),
    )
    assert rows["keras"] == {"overall": 1, "mean_f1": 1, "equal": 1, "equal_parts": 1}
    nose = sum((label == 5).sum() for label in labels)
    parts = sum((label > 0).sum() for label in labels)
    assert rows["other"]["mean_f1"] == pytest.approx(7 / 8)
    assert rows["other"]["equal"] == pytest.approx(1 - nose / (2 * SIZE[0] * SIZE[1]))
    assert rows["other"]["equal_parts"] == pytest.approx(1 - nose / parts)
    for row in rows.values():
        row.update(megabytes=1.0, ms={1: 20.0})
    table = format_rows(rows, [1, 2])
    hair = HEAD.id_of("hair")
    parsers = {"head": parser(lambda label: np.where(label == 0, hair, label))}
    (row,) = score_forms(parsers, dataset, SIZE, LabelMap.of(range(9), HEAD)).values()
    assert row == {"overall": 1, "mean_f1": 1, "equal": 1, "equal_parts": 1}
    assert "0.8750 (-0.1250)" in table and "| 20 |  |" in table


@pytest.mark.slow
def test_scripts_export_and_compare(model, tmp_path):
    from tests.helpers import script

    needs_extra()
    model.save(tmp_path / "model.keras")
    exported = script(
        "trainers.export",
        f"--model={tmp_path}",
        f"--output={tmp_path / 'face.tflite'}",
        "--format=litert",
        "--size=64x64",
        "--precision=int8",
    )
    assert exported.returncode == 0, exported.stderr
    photo = photos(1, 64, 64)
    mask = litert_parser(tmp_path / "face.tflite")(photo)
    assert np.mean(mask == np.array(model(photo)["mask"])) > 0.8
    compared = script(
        "benchmarks.exports",
        f"--model={tmp_path}",
        f"--output={tmp_path / 'out'}",
        "--dataset=synthetic_faces/tiny",
        f"--data_dir={tmp_path / 'data'}",
        "--size=64x64",
        "--form=litert_float32",
        "--runs=2",
    )
    assert compared.returncode == 0, compared.stderr
    record = json.loads((tmp_path / "out" / "exports.json").read_text())
    assert record["photos"] == 4
    assert list(record["forms"]) == ["keras", "litert_float32"]
    assert record["forms"]["litert_float32"]["equal"] >= 0.999
    assert set(record["forms"]["litert_float32"]["ms"]) == {"1", "2"}
    assert "| litert_float32 |" in compared.stdout
