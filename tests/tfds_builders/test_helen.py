"""The `helen` data set: layouts, lists, soft masks, bad files."""

import pathlib
import shutil
import tempfile
import unicodedata
from typing import ClassVar

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from stn_icnn_tf.class_sets import HEAD
from tests.helpers import zip_folder
from tfds_builders import helen
from tfds_builders.helen import layout
from trainers.common.data import find_training_map

# Out of order on purpose, like the public lists.
LISTS = {
    "exemplars.txt": ["30_1", "10_1", "20_2"],
    "tuning.txt": ["50_1", "40_1"],
    "testing.txt": ["60_1"],
}
SPLITS = {split: LISTS[file_name] for split, file_name in layout.LISTS.items()}


def write_sample(root, name, rng):
    """Draws a photo of noise with an eye and a nose that overlap softly."""
    height, width = (int(side) for side in rng.integers(20, 40, 2))
    (root / "images").mkdir(parents=True, exist_ok=True)
    (root / "labels" / name).mkdir(parents=True)
    photo = rng.integers(0, 256, (height, width, 3)).astype("uint8")
    Image.fromarray(photo).save(root / "images" / f"{name}.jpg")
    masks = np.zeros((11, height, width), "uint8")
    masks[4, 4:8, 4:12] = 255
    masks[6, 6:16, 8:14] = 200
    masks[0] = 255 - masks.max(axis=0)
    for number, mask in enumerate(masks):
        Image.fromarray(mask).save(layout.label_path(root, name, number))


def write_helen(root):
    rng = np.random.default_rng(0)
    root.mkdir(parents=True)
    for file_name, names in LISTS.items():
        lines = [f"{index} , {name}\n" for index, name in enumerate(names, 1)]
        (root / file_name).write_text("".join(lines))
        for name in names:
            write_sample(root, name, rng)
    return root


@pytest.fixture
def root(tmp_path):
    return write_helen(tmp_path / "downloads" / "helen")


def examples_of(manual_dir, data_dir):
    builder = helen.Builder(data_dir=data_dir)
    config = tfds.download.DownloadConfig(manual_dir=manual_dir)
    builder.download_and_prepare(download_config=config)
    return {
        split: list(tfds.as_numpy(builder.as_dataset(split=split)))
        for split in builder.info.splits
    }


def check_all(root):
    names = layout.read_lists(root)
    layout.check(root, [name for listed in names.values() for name in listed])


class HelenTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = helen.Builder
    SPLITS: ClassVar = {"train": 3, "validation": 2, "test": 1}

    @classmethod
    def setUpClass(cls):
        cls.EXAMPLE_DIR = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.EXAMPLE_DIR)
        write_helen(pathlib.Path(cls.EXAMPLE_DIR) / "helen")
        super().setUpClass()


def test_folder_and_zip_give_the_same_examples_in_list_order(root, tmp_path):
    expected = examples_of(root.parent, tmp_path / "from_folder")
    (tmp_path / "zipped").mkdir()
    zip_folder(root, tmp_path / "zipped" / f"{layout.ROOT_NAME}.zip", "")
    received = examples_of(tmp_path / "zipped", tmp_path / "from_zip")

    for split, names in SPLITS.items():
        assert [example["name"].decode() for example in expected[split]] == names
        assert len(received[split]) == len(names)
        for one, other in zip(expected[split], received[split]):
            for key in ("image", "segmentation_mask", "name"):
                np.testing.assert_array_equal(one[key], other[key])


def test_photo_passes_through_as_the_bytes_of_its_file(root, tmp_path):
    builder = helen.Builder(data_dir=tmp_path / "data")
    config = tfds.download.DownloadConfig(manual_dir=root.parent)
    builder.download_and_prepare(download_config=config)
    dataset = builder.as_dataset(
        split="test", decoders={"image": tfds.decode.SkipDecoding()}
    )
    (example,) = tfds.as_numpy(dataset)
    assert example["image"] == (root / "images" / "60_1.jpg").read_bytes()


@pytest.mark.parametrize("variant", ["helen", layout.ROOT_NAME, "itself"])
def test_find_root_takes_folders(root, variant):
    if variant == "itself":
        assert layout.find_root(root) == root
    else:
        renamed = root.rename(root.with_name(variant))
        assert layout.find_root(renamed.parent) == renamed


@pytest.mark.parametrize("top", ["", f"{layout.ROOT_NAME}/"])
def test_find_root_takes_zip_files(root, tmp_path, top):
    zip_folder(root, tmp_path / f"{layout.ROOT_NAME}.zip", top)
    found = layout.find_root(tmp_path)
    assert layout.read_lists(found) == SPLITS
    check_all(found)


def test_a_folder_that_is_not_the_data_set_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"`manual_dir` must hold") as error:
        layout.find_root(tmp_path)
    for text in (str(tmp_path), "helen", f"{layout.ROOT_NAME}.zip", "tuning.txt"):
        assert text in str(error.value)


def test_a_cut_zip_is_named(root, tmp_path):
    archive = tmp_path / f"{layout.ROOT_NAME}.zip"
    zip_folder(root, archive)
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(ValueError, match=f"{archive.name} cannot be read"):
        layout.find_root(tmp_path)


def test_a_damaged_file_in_a_zip_is_named(root, tmp_path):
    archive = tmp_path / f"{layout.ROOT_NAME}.zip"
    zip_folder(root, archive)
    content = archive.read_bytes()
    photo = (root / "images" / "10_1.jpg").read_bytes()
    archive.write_bytes(content.replace(photo, photo[:-9] + bytes(9)))
    with pytest.raises(ValueError, match=r"images/10_1\.jpg cannot be decoded"):
        check_all(layout.find_root(tmp_path))


def test_a_list_may_have_crlf_comments_spaces_and_empty_lines(root):
    (root / "tuning.txt").write_bytes(
        b"\xef\xbb\xbf# the tuning set\r\n\r\n"
        b"  1 ,  50_1  \r\n2,40_1 # the last\r\n \r\n"
    )
    assert layout.read_list(root, "tuning.txt") == ["50_1", "40_1"]


@pytest.mark.parametrize("line", ["50_1", "1 , ", "1 50_1"])
def test_a_bad_line_is_named(root, line):
    (root / "tuning.txt").write_text(f"1 , 40_1\n{line}\n")
    with pytest.raises(ValueError, match=r"tuning\.txt, line 2: .*INDEX , NAME"):
        layout.read_list(root, "tuning.txt")


def test_every_missing_or_empty_list_is_named(root):
    (root / "testing.txt").unlink()
    (root / "tuning.txt").write_text("# nothing\n")
    with pytest.raises(ValueError) as error:
        layout.read_lists(root)
    assert "testing.txt is missing" in str(error.value)
    assert "tuning.txt is empty" in str(error.value)


def test_every_bad_file_is_named_before_anything_is_generated(root, tmp_path):
    photo = root / "images" / "30_1.jpg"
    photo.write_bytes(photo.read_bytes()[:-100])  # Cut short.
    (root / "images" / "10_1.jpg").write_bytes(b"no picture")
    (root / "images" / "20_2.jpg").unlink()
    layout.label_path(root, "40_1", 3).unlink()
    layout.label_path(root, "40_1", 5).write_bytes(b"no picture")
    small = layout.label_path(root, "60_1", 7)
    Image.new("L", (5, 4)).save(small)

    with pytest.raises(ValueError) as error:
        examples_of(root.parent, tmp_path / "data")
    message = str(error.value)
    assert "bad files: 6" in message
    for text in (
        "30_1.jpg cannot be decoded: a JPEG photo was expected",
        "10_1.jpg cannot be decoded: a JPEG photo was expected",
        "20_2.jpg is missing: a JPEG photo was expected",
        "40_1_lbl03.png is missing: an 8-bit PNG mask was expected",
        "40_1_lbl05.png cannot be decoded: an 8-bit PNG mask was expected",
    ):
        assert text in message
    size = Image.open(root / "images" / "60_1.jpg").size
    assert f"{small} is 5x4, its photo" in message
    assert f"60_1.jpg is {size[0]}x{size[1]}" in message


def test_pixels_that_8_bits_or_other_decoders_change_are_named(root):
    photo = root / "images" / "30_1.jpg"
    Image.open(photo).convert("CMYK").save(photo)
    mask = layout.label_path(root, "40_1", 5)
    size = Image.open(mask).size
    Image.new("I;16", size).save(mask)
    with pytest.raises(ValueError, match="30_1.jpg cannot be .* of the mode CMYK"):
        check_all(root)
    with pytest.raises(ValueError, match="lbl05.png cannot be .* of the mode I;16"):
        layout.read_mask(root, "40_1", 5)


def test_masks_that_are_missing_are_named_once(root):
    for name in [name for listed in LISTS.values() for name in listed]:
        shutil.rmtree(root / "labels" / name)
    with pytest.raises(ValueError, match="bad files: 6\n") as error:
        check_all(root)
    lines = str(error.value).splitlines()
    assert (
        len(lines) == 3 and "labels lacks 6 files: 30_1, 10_1, 20_2, ...:" in lines[1]
    )
    assert f"{layout.ARCHIVE_NAME} was not unpacked whole" in lines[2]
    shutil.rmtree(root / "labels")
    with pytest.raises(ValueError, match="has no folder labels. If .* unpack it again"):
        layout.find_root(root.parent)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_other_than_ascii_are_read(root, tmp_path, form):
    name = unicodedata.normalize(form, "Zoë_人_1")
    rename_sample(root, "60_1", name)
    (root / "testing.txt").write_text(f"1 , {name}\n", encoding="utf-8")
    folder = root.parent.rename(tmp_path / "Größe 数")
    check_all(layout.find_root(folder))
    (example,) = examples_of(folder, tmp_path / "données")["test"]
    assert example["name"].decode() == name
    (tmp_path / "zip").mkdir()
    zip_folder(folder / "helen", tmp_path / "zip" / layout.ARCHIVE_NAME)
    check_all(layout.find_root(tmp_path / "zip"))


def test_names_that_are_written_otherwise_are_said(root):
    rename_sample(root, "60_1", unicodedata.normalize("NFD", "Zoë_1"))
    (root / "testing.txt").write_text("1 , Zoë_1\n", encoding="utf-8")
    with pytest.raises(ValueError, match="is missing.*which is written otherwise"):
        check_all(root)
    (root / "testing.txt").write_text("1 , Zoë_1\n", encoding="latin-1")
    with pytest.raises(
        ValueError, match=r"testing\.txt, line 1: must be text in UTF-8"
    ):
        layout.read_lists(root)


def rename_sample(root, old, new):
    (root / "images" / f"{old}.jpg").rename(root / "images" / f"{new}.jpg")
    (root / "labels" / old).rename(root / "labels" / new)
    for number in layout.LABEL_NUMBERS:
        path = root / "labels" / new / f"{old}_lbl{number:02d}.png"
        path.rename(layout.label_path(root, new, number))


def test_a_mask_cut_short_is_named_when_it_is_read(root):
    path = layout.label_path(root, "10_1", 6)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"10_1_lbl06\.png cannot be decoded"):
        layout.read_sample(root, "10_1")


@pytest.mark.parametrize("mode", ["RGB", "P"])
def test_masks_may_be_rgb_or_have_a_palette(root, mode):
    _, expected = layout.read_sample(root, "10_1")
    for number in layout.LABEL_NUMBERS:
        path = layout.label_path(root, "10_1", number)
        Image.open(path).convert(mode).save(path)
        with Image.open(path) as stored:
            assert stored.mode == mode
    _, received = layout.read_sample(root, "10_1")
    np.testing.assert_array_equal(received, expected)


def test_an_exif_orientation_leaves_photo_and_mask_alone(root):
    path = root / "images" / "10_1.jpg"
    photo = Image.open(path)
    size = photo.size
    exif = Image.Exif()
    exif[0x0112] = 6  # A quarter turn.
    photo.save(path, exif=exif)
    assert layout.check_sample(root, "10_1") == []
    assert layout.read_sample(root, "10_1")[1].shape == size[::-1]


def test_drawn_masks_become_the_ids_of_their_classes(root):
    _, mask = layout.read_sample(root, "10_1")
    assert mask.dtype == np.uint8
    assert mask[5, 5] == 3  # The eye alone.
    assert mask[7, 10] == 3  # 255 of the eye against 200 of the nose.
    assert mask[12, 10] == 5  # The nose alone.
    assert set(np.unique(mask)) == {0, 3, 5}


@pytest.mark.parametrize(
    ("pixel", "expected"),
    [
        ({}, 0),  # No mask covers it.
        ({2: 1}, 1),
        ({0: 255}, 0),
        *(({number: 255}, number - 1) for number in range(2, 10)),
        ({4: 120, 5: 121}, 4),
        ({6: 90, 0: 89}, 5),
        ({6: 90, 0: 90}, 0),  # A tie with background.
        ({7: 90, 9: 90}, 6),  # A tie of two parts.
        ({6: 120, 0: 50, 1: 40, 10: 40}, 0),  # Background is a sum ...
        ({6: 200, 0: 100, 1: 80, 10: 90}, 0),  # ... 270, not 270 - 256.
        ({6: 255, 1: 255, 10: 1}, 0),
        ({6: 255, 1: 1}, 5),
    ],
)
def test_merge_soft_masks(pixel, expected):
    masks = {
        number: np.full((1, 1), pixel.get(number, 0), "uint8") for number in range(11)
    }
    merged = layout.merge_soft_masks(masks)
    assert merged.dtype == np.uint8
    assert merged.tolist() == [[expected]]


# === Skin and hair ===


def draw_skin_and_hair(root, name):
    """Fills what no part covers: hair at the top, else skin, and background below."""
    masks = [layout.read_mask(root, name, number) for number in range(11)]
    free = 255 - np.max(masks[2:10], axis=0)
    rows = np.arange(len(free))[:, None]
    drawn = {10: rows < 4, 1: (rows >= 4) & (rows < 18), 0: rows >= 18}
    for number, where in drawn.items():
        mask = (free * where).astype("uint8")
        Image.fromarray(mask).save(layout.label_path(root, name, number))


def build(config, manual_dir, data_dir):
    builder = helen.Builder(data_dir=data_dir, config=config)
    download = tfds.download.DownloadConfig(manual_dir=manual_dir)
    builder.download_and_prepare(download_config=download)
    return builder


def test_all_has_skin_and_hair_beside_the_same_parts(root, tmp_path):
    for names in LISTS.values():
        for name in names:
            draw_skin_and_hair(root, name)
    parts, every = (
        build(config, root.parent, tmp_path / "data") for config in (None, "all")
    )
    assert not parts.info.metadata and parts.info.full_name == "helen/1.0.0"
    assert every.info.full_name == "helen/all/1.0.0"
    assert tuple(every.info.metadata["class_names"]) == layout.ALL_NAMES
    for split in SPLITS:
        datasets = (b.as_dataset(split=split) for b in (parts, every))
        for one, other in zip(*map(tfds.as_numpy, datasets), strict=True):
            np.testing.assert_array_equal(one["image"], other["image"])
            mask = other["segmentation_mask"]
            known = np.where(mask > 8, 0, mask)
            np.testing.assert_array_equal(known, one["segmentation_mask"])
            mask = mask[..., 0]
            assert (mask[:4] == 10).all() and (mask[4:18, 0] == 9).all()
            assert (mask[18:] == 0).all()
    label_map = find_training_map(every, HEAD)
    names = [HEAD.names[class_id] for class_id in label_map.table]
    assert names == list(layout.ALL_NAMES)
    assert "neck" in [HEAD.names[class_id] for class_id in label_map.undrawn]


def test_all_is_refused_where_skin_or_hair_is_not_drawn(root, tmp_path):
    with pytest.raises(ValueError, match="no skin and hair: lbl01, lbl10"):
        build("all", root.parent, tmp_path / "data")
    # One photo of all may have its hair shaved.
    draw_skin_and_hair(root, "40_1")
    build("all", root.parent, tmp_path / "data")
    hair = layout.label_path(root, "40_1", 10)
    Image.fromarray(layout.read_mask(root, "40_1", 10) * 0).save(hair)
    with pytest.raises(ValueError, match=r"no hair: lbl10 of every photo"):
        build("all", root.parent, tmp_path / "other")


def test_real_data(face_data_dir):
    """With FACE_DATA_DIR set to the folder that holds `helen`."""
    if not (face_data_dir / "helen").is_dir():
        pytest.skip(f"FACE_DATA_DIR={face_data_dir} holds no folder helen")
    root = layout.find_root(face_data_dir)
    names = layout.read_lists(root)
    everyone = [name for listed in names.values() for name in listed]
    assert len(everyone) == len(set(everyone))
    for listed in names.values():
        for name in (listed[0], listed[-1]):
            assert layout.check_sample(root, name) == []
            photo, mask = layout.read_sample(root, name)
            assert photo[:2] == b"\xff\xd8"
            # Nearly closed eyes and mouths may have no pixel of their own.
            assert {0, 5} <= set(np.unique(mask).tolist()) <= set(range(9))
