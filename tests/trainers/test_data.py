"""What --dataset may name: data sets of the project, folders, modules."""

import itertools
import types

import numpy as np
import pytest
from PIL import Image

from stn_icnn_tf.class_sets import EIGHT_PARTS
from stn_icnn_tf.data.preprocess import decode_example
from tests.helpers import faces, mirrored, small_model
from tests.trainers.test_labelled_folder import fill
from tests.trainers.test_preview import FLAGS as PREVIEW_FLAGS
from trainers import preview
from trainers.common import data
from trainers.configs.stages import Stage
from trainers.training.loop import Trainer

MODULE = """
import numpy as np
import tensorflow_datasets as tfds


class Builder(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": IMAGE,
                    "segmentation_mask": MASK,
                    "name": tfds.features.Text(),
                    "age": np.int32,
                }
            )
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for index in range(3):
            yield index, {
                "image": np.full((6, 8, 3), index, "uint8"),
                "segmentation_mask": np.full((6, 8, 1), index, "uint8"),
                "name": f"n{index}",
                "age": 30,
            }
"""
NUMBERS = itertools.count()
PICTURE = "tfds.features.Image(shape=(None, None, {}))"
TENSOR = "tfds.features.Tensor(shape=(6, 8, {}), dtype=np.uint8)"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes modules, each into a package of its own; gives their full names."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name, text):
        # TFDS names a data set by its package, and takes no name twice.
        package = f"own_{name}_{next(NUMBERS)}"
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
        (tmp_path / package / "builder.py").write_text(text)
        return f"{package}.builder"

    return write


@pytest.mark.parametrize("kind", [PICTURE, TENSOR], ids=["pictures", "tensors"])
def test_a_builder_of_ones_own(package, tmp_path, kind):
    text = MODULE.replace("IMAGE", kind.format(3)).replace("MASK", kind.format(1))
    builder = data.load_builder(package("faces", text), str(tmp_path / "data"))
    assert data.find_training_map(builder, EIGHT_PARTS).undrawn == ()
    dataset = data.load_split(builder, "train[:2]")
    assert set(dataset.element_spec) == {"image", "segmentation_mask", "name"}
    examples = list(dataset.map(decode_example))
    assert int(dataset.cardinality()) == len(examples) == 2
    for example in examples:
        assert example["segmentation_mask"].shape == (6, 8, 1)
        value = example["name"].numpy()[-1] - ord("0")
        assert np.all(example["image"] == value)


def test_a_builder_of_other_examples_is_refused(package):
    text = MODULE.replace("IMAGE", PICTURE.format(3)).replace("MASK", PICTURE.format(3))
    with pytest.raises(ValueError, match="`segmentation_mask`, uint8"):
        data.load_builder(package("colours", text))
    text = MODULE.replace('"name"', '"title"')
    text = text.replace("IMAGE", PICTURE.format(3)).replace("MASK", PICTURE.format(1))
    with pytest.raises(ValueError, match="and `name`"):
        data.load_builder(package("titles", text))


def test_a_module_without_a_builder_is_refused(package):
    name = package("empty", "")
    with pytest.raises(ValueError, match=f"`Builder`.*{name}"):
        data.load_builder(name)


def test_what_a_module_lacks_itself_is_no_unknown_module(package):
    with pytest.raises(ModuleNotFoundError, match="no_such_thing"):
        data.load_builder(package("lacking", "import no_such_thing"))


@pytest.mark.parametrize("name", ["mnist", "own.nothing", "json", "./nothing", "a/b"])
def test_unknown_names(name):
    with pytest.raises(ValueError, match=r"`dataset`.*labelled folder.*Received"):
        data.load_builder(name)


def test_a_folder_below_home(tmp_path, monkeypatch):
    fill(tmp_path / "mine", 2)
    monkeypatch.setenv("HOME", str(tmp_path))
    source = data.load_builder("~/mine")
    assert data.find_training_map(source, EIGHT_PARTS).undrawn == ()
    assert source.info.full_name.startswith("mine/")
    assert int(data.load_split(source, "all").cardinality()) == 2


def test_load_photos_of_a_folder_are_decoded(tmp_path):
    fill(tmp_path, 3)
    photos, _ = data.load_photos(str(tmp_path), "all", EIGHT_PARTS, limit=2)
    for got, expected in zip(data.decoded_photos(photos), faces(2, side=80)):
        np.testing.assert_array_equal(got["image"], expected["image"])


def test_preview_of_a_folder(tmp_path, monkeypatch):
    fill(tmp_path / "mine", 2)
    values = {"dataset": str(tmp_path / "mine"), "split": "all", "variants": 1}
    values["output"] = str(tmp_path / "preview.png")
    flags = types.SimpleNamespace(**{**PREVIEW_FLAGS, **values})
    monkeypatch.setattr(preview, "FLAGS", flags)
    preview.main(["preview"])
    with Image.open(tmp_path / "preview.png") as sheet:
        assert sheet.size == (2 * flags.side, 2 * flags.side)


def test_training_on_a_folder(tmp_path):
    fill(tmp_path / "mine" / "train", 4)
    fill(tmp_path / "mine" / "test", 2)
    source = data.load_builder(str(tmp_path / "mine"))
    strategy = mirrored(["CPU:0"])
    with strategy.scope():
        model = small_model()
    stage = Stage("coarse", 1, batch_size=4, coarse_rate=1e-3)
    trainer = Trainer(model, stage, strategy, tmp_path / "run", show=False)
    before = [w.numpy() for w in model.coarse.weights]
    trainer.fit(data.load_split(source, "train"), data.load_split(source, "test"))
    after = [w.numpy() for w in model.coarse.weights]
    assert any(np.any(old != new) for old, new in zip(before, after))


def test_a_folder_lends_its_name_to_files(tmp_path, monkeypatch):
    (tmp_path / "my.faces").mkdir()
    monkeypatch.chdir(tmp_path / "my.faces")
    for name in (".", "../my.faces", str(tmp_path / "my.faces/")):
        assert data.short_name(name) == "my.faces"
    assert data.short_name("celeb_a_mask_hq/all") == "celeb_a_mask_hq_all"
