"""Folders of one's own photos and labels: layouts, splits, EXIF, what is refused."""

import shutil

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from stn_icnn_tf.data.batches import training_batches
from stn_icnn_tf.data.preprocess import decode_example
from stn_icnn_tf.visualize import palette_image
from tests.helpers import faces, framing_of, small_model
from trainers.common.labelled_folder import LabelledFolder

ORIENTATION = ExifTags.Base.Orientation


def write_pair(folder, name, image, mask):
    """Writes a photo and its label, side by side."""
    Image.fromarray(image).save(folder / f"{name}.png")
    Image.fromarray(mask).save(folder / f"{name}_mask.png")


def fill(folder, count, side=80):
    folder.mkdir(parents=True, exist_ok=True)
    for index, example in enumerate(faces(count, side=side).as_numpy_iterator()):
        mask = example["segmentation_mask"][..., 0]
        write_pair(folder, f"p{index:02}", example["image"], mask)


def read(folder, split="all"):
    dataset = LabelledFolder(folder).load(split).map(decode_example)
    return list(dataset.as_numpy_iterator())


def names(folder, split="all"):
    return [
        e["name"].decode()
        for e in LabelledFolder(folder).load(split).as_numpy_iterator()
    ]


@pytest.fixture
def folder(tmp_path):
    """Three photos with labels of every kind, and what is neither."""
    for index, example in enumerate(faces(3, side=80).as_numpy_iterator()):
        mask = example["segmentation_mask"][..., 0]
        write_pair(tmp_path, f"p{index}", example["image"], mask)
    palette_image(mask).save(tmp_path / "p2_mask.png")
    (tmp_path / "notes.txt").write_text("no photo")
    Image.new("RGB", (8, 8)).save(tmp_path / "unlabelled.jpg")
    return tmp_path


def check_examples(folder):
    for got, expected in zip(read(folder), faces(3, side=80), strict=True):
        for key in ("image", "segmentation_mask"):
            np.testing.assert_array_equal(got[key], expected[key])
        assert got["name"] == b"p" + expected["name"]


def test_examples_are_the_pictures_in_order(folder):
    assert int(LabelledFolder(folder).load("all").cardinality()) == 3
    check_examples(folder)


def test_labels_in_a_folder_beside_that_of_the_photos(folder):
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    for label in folder.glob("*_mask.png"):
        label.rename(folder / "labels" / label.name.replace("_mask", ""))
    for photo in folder.glob("p?.png"):
        photo.rename(folder / "images" / photo.name)
    check_examples(folder)


def test_capital_suffixes_and_apple_double_files(folder):
    (folder / "p1.png").rename(folder / "p1.PNG")
    (folder / "p1_mask.png").rename(folder / "p1_MASK.PNG")
    for name in ("._p1.PNG", "._p1_MASK.PNG", "._p9_mask.png"):
        (folder / name).write_bytes(b"\0\5\x16\7")
    check_examples(folder)


def test_capitals_of_cameras(tmp_path):
    example = faces_image()
    Image.fromarray(example).save(tmp_path / "IMG_1.JPG", quality=95)
    label = Image.new("L", example.shape[1::-1], 3)
    label.save(tmp_path / "IMG_1_mask.PNG")
    assert names(tmp_path) == ["IMG_1"]


def test_a_photo_that_cannot_be_trained_on_is_named(folder):
    Image.fromarray(np.full((9, 9), 7e4, "float32")).save(folder / "x.tif")
    Image.new("L", (9, 9)).save(folder / "x_mask.png")
    (folder / "y.tif").write_bytes((folder / "x.tif").read_bytes()[:60])
    Image.new("L", (9, 9)).save(folder / "y_mask.png")
    with pytest.raises(ValueError, match=r"photos: 2\n.*x\.tif.*\n.*y\.tif"):
        LabelledFolder(folder).load("all")


def test_two_photos_of_one_name(folder):
    Image.new("RGB", (8, 8)).save(folder / "p1.bmp")
    with pytest.raises(ValueError, match=r"p1_mask\.png.*p1\.bmp.*p1\.png"):
        LabelledFolder(folder)
    # As `trainers.predict` names the masks of such photos.
    (folder / "p1_mask.png").rename(folder / "p1.png_mask.png")
    check_examples(folder)


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("all[:1]", ["p0"]),
        ("all[1:2]", ["p1"]),
        ("all[-1:]", ["p2"]),
        ("all[34%:]", ["p1", "p2"]),
    ],
)
def test_slices(folder, split, expected):
    assert names(folder, split) == expected


@pytest.mark.parametrize("split", ["all[3:]", "all[1]", "nowhere", "all+all", "all["])
def test_no_such_split(folder, split):
    with pytest.raises(ValueError, match=r"`split`.*Received: split="):
        LabelledFolder(folder).load(split)


def test_folders_are_splits(tmp_path):
    fill(tmp_path / "train", 2)
    fill(tmp_path / "test", 1)
    (tmp_path / "validation").mkdir()
    assert LabelledFolder(tmp_path).splits == {"train": 2, "test": 1, "all": 3}
    assert names(tmp_path, "train") == ["p00", "p01"]
    with pytest.raises(ValueError, match="'train', 'test', 'all'"):
        LabelledFolder(tmp_path).load("validation")
    shutil.copy(tmp_path / "test" / "p00.png", tmp_path / "loose.png")
    shutil.copy(tmp_path / "test" / "p00_mask.png", tmp_path / "loose_mask.png")
    with pytest.raises(ValueError, match=r"loose_mask\.png beside"):
        LabelledFolder(tmp_path)


def test_without_folders_a_name_decides_the_split(tmp_path):
    blank = Image.new("L", (8, 8))
    for index in range(100):
        blank.save(tmp_path / f"{index}.png")
        blank.save(tmp_path / f"{index}_mask.png")
    splits = LabelledFolder(tmp_path).splits
    assert splits == {"train": 80, "validation": 11, "test": 9, "all": 100}
    test = set(names(tmp_path, "test"))
    for path in tmp_path.glob("5*.png"):
        path.unlink()
    # Those that are left stay where they were.
    assert set(names(tmp_path, "test")) == {n for n in test if n[0] != "5"}


def test_the_full_name_tells_other_files(folder, tmp_path_factory):
    moved = tmp_path_factory.mktemp("other") / folder.name
    shutil.copytree(folder, moved)
    name = LabelledFolder(folder).info.full_name
    assert LabelledFolder(moved).info.full_name == name
    assert name.startswith(f"{folder.name}/")
    Image.new("L", (80, 80)).save(moved / "p1_mask.png")
    assert LabelledFolder(moved).info.full_name != name


def test_what_is_missing_is_named(folder, tmp_path_factory):
    with pytest.raises(ValueError, match="`folder`.*must hold labels"):
        LabelledFolder(tmp_path_factory.mktemp("empty"))
    (folder / "p1.png").unlink()
    with pytest.raises(ValueError, match=r"p1_mask\.png.*one photo p1"):
        LabelledFolder(folder)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda mask: mask[1:],
        lambda mask: mask + 9,
        lambda mask: np.stack([mask] * 3, axis=-1),
        lambda mask: mask.astype("uint16") + 256,
    ],
    ids=["size", "ids", "colours", "16 bits"],
)
def test_bad_labels_are_named_all_at_once_before_training(folder, spoil):
    for name in ("p0_mask.png", "p2_mask.png"):
        with Image.open(folder / name) as picture:
            mask = np.array(picture)
        Image.fromarray(spoil(mask)).save(folder / name)
    with pytest.raises(ValueError, match=r"2\n.*p0_mask\.png.*\n.*p2_mask\.png"):
        LabelledFolder(folder).load("all")
    assert names(folder, "all[1:2]") == ["p1"]


@pytest.mark.parametrize("name", ["p1.png", "p1.jpg", "p1_mask.png"])
def test_a_damaged_file_is_named(folder, name):
    path = folder / name
    if name == "p1.jpg":
        (folder / "p1.png").unlink()
        Image.fromarray(faces_image()).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=path.name):
        LabelledFolder(folder).load("all")


def faces_image():
    return next(faces(3, side=80).skip(1).as_numpy_iterator())["image"]


# ------------------------------------------------------------------- EXIF rotation


def write_turned(folder, orientation, drawn, own=None, size=(12, 20)):
    """Writes a photo that EXIF turns, and its label, `drawn` as shown or as stored.

    The photo's red is the label's ids times 20, so whether they lie on each other
    shows.
    """
    stored = np.random.default_rng(0).integers(0, 9, size, "uint8")
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    red = np.stack([stored * 20, 0 * stored, 0 * stored], axis=-1)
    Image.fromarray(red).save(folder / "a.png", exif=exif)
    label = Image.fromarray(stored)
    if drawn == "shown":
        label.getexif()[ORIENTATION] = orientation
        label = ImageOps.exif_transpose(label)
    kwargs = {}
    if own is not None:
        kwargs["exif"] = Image.Exif()
        kwargs["exif"][ORIENTATION] = own
    Image.fromarray(np.array(label)).save(folder / "a_mask.png", **kwargs)


def check_lies_on_its_photo(folder):
    (example,) = read(folder)
    mask = example["segmentation_mask"][..., 0]
    np.testing.assert_array_equal(example["image"][..., 0], mask * 20)
    return mask.shape


@pytest.mark.parametrize("drawn", ["shown", "stored"])
@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_the_size_tells_how_a_label_was_drawn(tmp_path, orientation, drawn):
    write_turned(tmp_path, orientation, drawn)
    assert check_lies_on_its_photo(tmp_path) == (20, 12)


@pytest.mark.parametrize("drawn", ["shown", "stored"])
@pytest.mark.parametrize(
    ("orientation", "size"), [(2, (12, 20)), (3, (12, 20)), (4, (12, 20)), (6, (9, 9))]
)
def test_where_the_size_does_not_tell_a_label_is_refused(
    tmp_path, orientation, size, drawn
):
    write_turned(tmp_path, orientation, drawn, size=size)
    with pytest.raises(ValueError, match=r"a_mask\.png.*EXIF.*exiftran"):
        LabelledFolder(tmp_path).load("all")


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_label_that_says_its_own_orientation_is_believed(tmp_path, orientation):
    write_turned(tmp_path, orientation, "stored", own=orientation, size=(9, 9))
    check_lies_on_its_photo(tmp_path)
    write_turned(tmp_path, orientation, "shown", own=1, size=(9, 9))
    check_lies_on_its_photo(tmp_path)


# -------------------------------------------------------------------------- memory


def test_what_is_shuffled_is_a_path_and_a_packed_label(tmp_path):
    """300 photos of 12 megapixels are 11 GB of pixels, and fit into 30 MB so."""
    noise = np.random.default_rng(0).integers(0, 256, (600, 800, 3), "uint8")
    mask = np.zeros((600, 800), "uint8")
    mask[200:300, 300:500] = 5
    write_pair(tmp_path, "a", noise, mask)
    (example,) = LabelledFolder(tmp_path).load("all").as_numpy_iterator()
    assert sum(map(len, example.values())) < 4000


def test_batches_of_a_folder_are_those_of_its_pictures(folder):
    model = small_model()
    arguments = (framing_of(model), None, 3, 7, 2)
    (expected,) = training_batches(faces(3, side=80), *arguments)
    (got,) = training_batches(LabelledFolder(folder).load("all"), *arguments)
    for key, value in expected.items():
        np.testing.assert_array_equal(got[key], value)
