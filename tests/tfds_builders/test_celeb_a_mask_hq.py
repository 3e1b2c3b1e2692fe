"""The `celeb_a_mask_hq` data set: examples, configs, Beam."""

import pathlib
import shutil
import sys
import tempfile
from typing import ClassVar

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tests.helpers import zip_folder
from tests.tfds_builders.celeb_data import SPLITS, write_celeb
from tfds_builders import beam, celeb_a_mask_hq
from tfds_builders.celeb_a_mask_hq import layout, splits
from trainers.common.data import load_builder


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_celeb(tmp_path_factory.mktemp("downloads") / "celebamask_hq")


@pytest.fixture(scope="module")
def data_dir(root, tmp_path_factory):
    """Where the data set is built from the folder, by the default runner."""
    data_dir = str(tmp_path_factory.mktemp("data"))
    load_builder("celeb_a_mask_hq", data_dir, manual_dir=str(root.parent))
    return data_dir


def build(manual_dir, data_dir, config="parts", **options):
    builder = celeb_a_mask_hq.Builder(data_dir=data_dir, config=config)
    download_config = tfds.download.DownloadConfig(manual_dir=manual_dir, **options)
    builder.download_and_prepare(download_config=download_config)
    return builder


def examples_of(builder):
    skip = {"image": tfds.decode.SkipDecoding()}
    return {
        split: list(tfds.as_numpy(builder.as_dataset(split=split, decoders=skip)))
        for split in builder.info.splits
    }


class CelebAMaskHqTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = celeb_a_mask_hq.Builder
    SPLITS: ClassVar = {split: len(ids) for split, ids in SPLITS.items()}

    @classmethod
    def setUpClass(cls):
        cls.EXAMPLE_DIR = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.EXAMPLE_DIR)
        write_celeb(pathlib.Path(cls.EXAMPLE_DIR) / "celebamask_hq")
        super().setUpClass()


def assert_same_examples(received, expected):
    for split in SPLITS:
        for one, other in zip(received[split], expected[split], strict=True):
            assert one["name"] == other["name"]
            assert one["image"] == other["image"]
            one, other = one["segmentation_mask"], other["segmentation_mask"]
            np.testing.assert_array_equal(one, other)


def test_photos_are_the_bytes_of_their_files_in_list_order(root, data_dir):
    examples = examples_of(load_builder("celeb_a_mask_hq", data_dir))
    assert examples.keys() == SPLITS.keys()
    for split, ids in SPLITS.items():
        assert [int(example["name"]) for example in examples[split]] == ids
        for photo_id, example in zip(ids, examples[split]):
            assert example["image"] == layout.photo_path(root, photo_id).read_bytes()


def test_the_zip_gives_the_examples_of_the_folder(root, data_dir, tmp_path):
    zip_folder(root, tmp_path / layout.ARCHIVE_NAME, "CelebAMask-HQ/")
    received = examples_of(build(tmp_path, tmp_path / "data"))
    assert_same_examples(received, examples_of(build(None, data_dir)))


def test_config_all_has_the_19_public_classes(root, tmp_path):
    names = build(root.parent, tmp_path, "all").info.metadata["class_names"]
    # From the files that were written, as a user would.
    builder = load_builder("celeb_a_mask_hq/all", str(tmp_path))
    assert builder.info.metadata["class_names"] == names
    assert len(names) == 19
    assert names[:6] == ["background", "skin", "nose", "eye_g", "l_eye", "r_eye"]
    assert names[-2:] == ["neck", "cloth"]
    (example,) = examples_of(builder)["test"]
    mask = example["segmentation_mask"][..., 0]
    assert [names[mask[y, x]] for y, x in ((31, 0), (27, 9), (15, 24), (0, 0))] == [
        "cloth",
        "skin",
        "nose",  # Over skin.
        "background",
    ]
    assert names[mask[11, 30]] == "l_eye"  # Over glasses and skin.
    assert names[mask[11, 24]] == "eye_g"
    assert names[mask[6, 30]] == "hair"  # Over a brow ...
    assert names[mask[7, 30]] == "l_brow"  # ... that goes on below it.


def threads():
    """Two workers that talk with the runner as those on other machines do."""
    flags = ["--direct_running_mode=multi_threading", "--direct_num_workers=2"]
    options = beam.import_beam("").options.pipeline_options.PipelineOptions(flags)
    return {"beam_runner": "FnApiRunner", "beam_options": options}


def test_another_runner_gives_the_same_examples(root, data_dir, tmp_path):
    received = examples_of(build(root.parent, tmp_path, **threads()))
    assert_same_examples(received, examples_of(build(None, data_dir)))


@pytest.mark.parametrize(
    ("name", "options"), [("7.jpg", dict), ("00007_nose.png", threads)]
)
def test_a_file_cut_short_is_named_by_the_worker(root, tmp_path, name, options):
    shutil.copytree(root, tmp_path / root.name)
    (path,) = (tmp_path / root.name).rglob(name)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=rf"{name} cannot be decoded"):
        build(tmp_path, tmp_path / "data", **options())


def test_bad_files_are_named_before_anything_is_generated(tmp_path):
    root = write_celeb(tmp_path / "celebamask_hq")
    layout.photo_path(root, 7).unlink()
    layout.mask_path(root, 3, "nose").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="bad files: 2") as error:
        build(tmp_path, tmp_path / "data")
    assert "while running" not in str(error.value)  # Beam's words.


def test_without_beam_the_error_names_the_extra(root, data_dir, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(ImportError, match=r"celeb_a_mask_hq .* extra `beam`"):
        build(root.parent, tmp_path)
    # What is built needs no Beam.
    assert len(examples_of(build(None, data_dir))["train"]) == 3


def test_the_callers_runner_is_kept():
    given = tfds.download.DownloadConfig(beam_runner="DirectRunner")
    assert beam.with_default_runner(given, "celeb_a_mask_hq") is given
    filled = beam.with_default_runner(tfds.download.DownloadConfig(), "celeb_a_mask_hq")
    assert filled.beam_runner == beam.LOCAL_RUNNER


def test_errors_other_than_value_errors_stay_as_they_are():
    with pytest.raises(RuntimeError, match="KeyError: 'x'"), beam.plain_errors():
        raise RuntimeError("Traceback\nKeyError: 'x'\n")


def test_splits_of_before_the_lists_came_are_told(tmp_path, caplog):
    root = write_celeb(tmp_path / "downloads" / "celebamask_hq")
    (root / "splits").rename(tmp_path / "splits")
    arguments = ("celeb_a_mask_hq", str(tmp_path / "data"), str(root.parent))
    builder = load_builder(*arguments)
    assert builder.info.metadata["splits_by"] == splits.BY_HASH
    caplog.clear()
    load_builder(*arguments)
    assert not caplog.text
    (tmp_path / "splits").rename(root / "splits")
    load_builder(*arguments)
    assert "was built by a hash of the id: " in caplog.text
    assert "asks for the lists in splits now: train 3, validation 2, test 1." in (
        caplog.text
    )
    assert f"delete {builder.data_path}" in caplog.text
    caplog.clear()
    # A build that does not say how it was split is judged by its sizes.
    (builder.data_path / "metadata.json").unlink(missing_ok=True)
    old = load_builder(*arguments)
    assert "splits_by" not in (old.info.metadata or {})
    assert "was built by another rule: " in caplog.text
    caplog.clear()
    shutil.rmtree(builder.data_path)
    load_builder(*arguments)
    load_builder(*arguments[:2])
    assert not caplog.text


def test_a_folder_that_is_not_there_is_named(tmp_path):
    for folder in (tmp_path / "nowhere", None):
        with pytest.raises(ValueError, match="Manual directory .* does not exist"):
            load_builder(
                "celeb_a_mask_hq", str(tmp_path / "data"), folder and str(folder)
            )
