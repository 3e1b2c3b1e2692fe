import numpy as np
import pytest
from PIL import Image

from stn_icnn_tf.visualize import palette_image
from tests.helpers import faces
from trainers.common.labelled_folder import load_labelled_folder


@pytest.fixture
def folder(tmp_path):
    for index, example in enumerate(faces(3, side=80).as_numpy_iterator()):
        Image.fromarray(example["image"]).save(tmp_path / f"p{index}.png")
        mask = example["segmentation_mask"][..., 0]
        # Palette and grey pictures, both of class ids.
        label = palette_image(mask) if index % 2 else Image.fromarray(mask)
        label.save(tmp_path / f"p{index}_mask.png")
    (tmp_path / "notes.txt").write_text("no photo")
    return tmp_path


def test_examples_are_the_pictures_in_order(folder):
    dataset = load_labelled_folder(folder)
    assert int(dataset.cardinality()) == 3
    for got, expected in zip(dataset, faces(3, side=80), strict=True):
        for key in ("image", "segmentation_mask"):
            np.testing.assert_array_equal(got[key], expected[key])
        assert got["name"] == b"p" + expected["name"]


def test_a_range_of_photos(folder):
    names = [e["name"] for e in load_labelled_folder(folder, 1, 2).as_numpy_iterator()]
    assert names == [b"p1"]
    with pytest.raises(ValueError, match=r"`start`.*3\. Received: start=5"):
        load_labelled_folder(folder, 5)


def test_what_is_missing_is_named(folder, tmp_path_factory):
    with pytest.raises(ValueError, match="`folder`.*holds labels"):
        load_labelled_folder(tmp_path_factory.mktemp("empty"))
    (folder / "p1.png").unlink()
    with pytest.raises(ValueError, match="photo p1 "):
        load_labelled_folder(folder)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda mask: mask[1:],
        lambda mask: mask + 9,
        lambda mask: np.stack([mask] * 3, axis=-1),
    ],
    ids=["size", "ids", "colours"],
)
def test_bad_labels_are_named(folder, spoil):
    path = folder / "p2_mask.png"
    with Image.open(path) as picture:
        mask = np.array(picture)
    Image.fromarray(spoil(mask)).save(path)
    with pytest.raises(ValueError, match=r"p2_mask\.png"):
        load_labelled_folder(folder)
