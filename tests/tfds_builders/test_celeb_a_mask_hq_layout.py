"""The layout of CelebAMask-HQ: folders and zips, masks, bad files."""

import pickle
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from stn_icnn_tf.class_sets import EIGHT_PARTS
from tests.helpers import zip_folder
from tests.tfds_builders.celeb_data import BOXES, IDS, SIZE, SPLITS, write_celeb
from tfds_builders import celeb_a_mask_hq, files
from tfds_builders.celeb_a_mask_hq import layout
from tfds_builders.celeb_a_mask_hq.splits import read_splits


@pytest.fixture
def root(tmp_path):
    return write_celeb(tmp_path / "downloads" / "celebamask_hq")


def check_all(root, labels=layout.PART_LABELS):
    layout.check(root, IDS, labels)


def test_config_parts_has_the_8_parts_by_the_images_left_and_right(root):
    _, mask = layout.read_sample(root, 7, layout.PART_LABELS)
    assert mask.shape == SIZE
    assert mask.dtype == np.uint8
    names = celeb_a_mask_hq.Builder.BUILDER_CONFIGS[0].class_names
    assert names == EIGHT_PARTS.names
    for (y, x), name in {
        (7, 15): "left_brow",  # The subject's right.
        (7, 30): "right_brow",
        (11, 15): "left_eye",
        (11, 30): "right_eye",
        (15, 24): "nose",
        (20, 24): "upper_lip",  # Over the mouth.
        (22, 24): "inner_mouth",
        (24, 24): "lower_lip",
        (11, 24): "background",  # Glasses.
        (2, 24): "background",  # Hair.
    }.items():
        assert names[mask[y, x]] == name


def test_an_absent_part_is_not_in_the_mask(root):
    assert layout.check_sample(root, 3, layout.list_parts(root, [3])[3]) == []
    _, mask = layout.read_sample(root, 3, layout.PART_LABELS)
    assert set(np.unique(mask)) == set(range(9)) - {6}


@pytest.mark.parametrize("mode", ["RGB", "P", "1"])
def test_masks_may_be_rgb_or_of_other_modes(root, mode):
    _, expected = layout.read_sample(root, 0, layout.ALL_LABELS)
    for part in BOXES:
        path = layout.mask_path(root, 0, part)
        Image.open(path).convert(mode).save(path)
        with Image.open(path) as stored:
            assert stored.mode == mode
    _, received = layout.read_sample(root, 0, layout.ALL_LABELS)
    np.testing.assert_array_equal(received, expected)


@pytest.mark.parametrize("factor", [2, 3])
def test_a_mask_smaller_by_a_whole_factor_is_enlarged(root, factor):
    _, small = layout.read_sample(root, 0, layout.PART_LABELS)
    path = layout.photo_path(root, 0)
    Image.open(path).resize((SIZE[1] * factor, SIZE[0] * factor)).save(path)
    check_all(root)
    photo, mask = layout.read_sample(root, 0, layout.PART_LABELS)
    assert photo == path.read_bytes()
    np.testing.assert_array_equal(mask, np.kron(small, np.ones((factor,) * 2)))


@pytest.mark.parametrize("size", [(72, 48), (96, 32), (24, 16), (97, 64)])
def test_a_mask_of_another_size_is_named(root, size):
    path = layout.photo_path(root, 0)
    Image.open(path).resize(size).save(path)
    message = rf"00000_nose\.png is 48x32, its photo .*0\.jpg is {size[0]}x{size[1]}: "
    with pytest.raises(ValueError, match=message):
        check_all(root)
    with pytest.raises(ValueError, match="larger by a whole factor"):
        layout.read_sample(root, 0, layout.PART_LABELS)


@pytest.mark.parametrize("variant", [*layout.FOLDER_NAMES, "itself"])
def test_find_root_takes_folders(root, variant):
    if variant == "itself":
        assert layout.find_root(root) == root
    else:
        renamed = root.rename(root.with_name(variant))
        assert layout.find_root(renamed.parent) == renamed


@pytest.mark.parametrize("top", ["", "CelebAMask-HQ/"])
def test_find_root_takes_zip_files_that_can_be_pickled(root, tmp_path, top):
    zip_folder(root, tmp_path / layout.ARCHIVE_NAME, top)
    found = pickle.loads(pickle.dumps(layout.find_root(tmp_path)))
    assert read_splits(found, tmp_path)[1] == SPLITS
    check_all(found)
    assert layout.list_photos(found) == layout.list_photos(root) == sorted(IDS)
    assert layout.list_parts(found, IDS) == layout.list_parts(root, IDS)


def test_a_folder_that_is_not_the_data_set_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"`manual_dir` must hold") as error:
        layout.find_root(tmp_path)
    for text in (str(tmp_path), "celebamask_hq", layout.ARCHIVE_NAME, layout.PHOTOS):
        assert text in str(error.value)


def test_a_cut_zip_is_named(root, tmp_path):
    archive = tmp_path / layout.ARCHIVE_NAME
    zip_folder(root, archive)
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(ValueError, match=f"{archive.name} cannot be read"):
        layout.find_root(tmp_path)


@pytest.mark.parametrize("missing", [layout.MASKS, layout.PHOTOS])
def test_a_folder_unpacked_by_half_is_named_once(root, tmp_path, missing):
    zip_folder(root, tmp_path / "whole.zip", "CelebAMask-HQ/")
    shutil.rmtree(root / missing)
    with pytest.raises(ValueError, match=f"has no folder {missing}") as error:
        layout.find_root(root.parent)
    assert f"{layout.ARCHIVE_NAME} was not unpacked whole" in str(error.value)
    # With the whole zip beside it, which is not read while the folder is there.
    archive = (tmp_path / "whole.zip").rename(root.parent / layout.ARCHIVE_NAME)
    with pytest.raises(ValueError, match=f"or move {root} away: it is read packed"):
        layout.find_root(root.parent)
    moved = root.rename(tmp_path / "away")
    check_all(layout.find_root(archive.parent))
    moved.rename(root)
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(ValueError, match="is not whole either: download it again"):
        layout.find_root(root.parent)


def test_a_zip_without_its_masks_is_named_once(root, tmp_path):
    shutil.rmtree(root / layout.MASKS)
    zip_folder(root, tmp_path / layout.ARCHIVE_NAME, "CelebAMask-HQ/")
    with pytest.raises(ValueError, match=f"has no folder {layout.MASKS}.*download it"):
        layout.find_root(tmp_path)


def test_where_the_data_set_may_be_is_said(root, tmp_path):
    downloads = root.parent
    with pytest.raises(ValueError, match=f"There is one in {root}: give that"):
        layout.find_root(tmp_path)
    for name, right in (
        ("CELEBAMASK-HQ", "CelebAMask-HQ"),
        ("celebamask-hq.ZIP", layout.ARCHIVE_NAME),
    ):
        folder = tmp_path / f"of {name}"
        (folder / name).mkdir(parents=True)
        with pytest.raises(ValueError, match=f"{name}: its name must be {right}"):
            layout.find_root(folder)
    for name in (layout.PHOTOS, layout.MASKS):
        (root / name).rename(root / name.lower())
    with pytest.raises(ValueError, match=f"{layout.PHOTOS.lower()}: its name must be"):
        layout.find_root(downloads)
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / f"{layout.ARCHIVE_NAME}.crdownload").touch()
    with pytest.raises(ValueError, match="broken off: finish it"):
        layout.find_root(tmp_path / "part")
    with pytest.raises(ValueError, match=r"C:\\data. There is no such folder"):
        layout.find_root("C:\\data")


def test_photos_whose_names_end_in_capitals_are_named(root):
    path = layout.photo_path(root, 7)
    path.rename(path.with_suffix(".JPG"))
    with pytest.raises(ValueError, match=r"holds 1 photos, such as 7\.JPG"):
        layout.list_photos(root)
    with pytest.raises(ValueError, match=r"7\.jpg is missing.*; there is 7\.JPG"):
        check_all(root)


def test_a_zip_written_with_windows_separators_is_read(root, tmp_path):
    archive = tmp_path / layout.ARCHIVE_NAME
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                name = f"CelebAMask-HQ\\{path.relative_to(root)}".replace("/", "\\")
                info = zipfile.ZipInfo("placeholder")
                info.filename = name
                file.writestr(info, path.read_bytes())
    found = layout.find_root(tmp_path)
    assert read_splits(found, tmp_path)[1] == SPLITS
    check_all(found)
    for one, other in zip(
        layout.read_sample(found, 7, layout.ALL_LABELS),
        layout.read_sample(root, 7, layout.ALL_LABELS),
    ):
        np.testing.assert_array_equal(one, other)


def test_every_bad_file_is_named(root):
    layout.photo_path(root, 7).write_bytes(b"no picture")
    layout.photo_path(root, 1999).unlink()
    layout.mask_path(root, 3, "nose").write_bytes(b"no picture")
    layout.mask_path(root, 3, "hair").write_bytes(b"no picture")  # No part of ours.
    for path in layout.mask_path(root, 12345, "").parent.iterdir():
        path.unlink()
    with pytest.raises(ValueError) as error:
        check_all(root)
    message = str(error.value)
    assert "bad files: 4" in message
    for text in (
        "7.jpg cannot be decoded: a JPEG photo was expected",
        "1999.jpg is missing: a JPEG photo was expected",
        "00003_nose.png cannot be decoded: an 8-bit PNG mask was expected",
        "12345_*.png is missing: an 8-bit PNG mask of one part",
        "If CelebAMask-HQ.zip was not unpacked whole, unpack it again",
    ):
        assert text in message
    with pytest.raises(ValueError, match="00003_hair"):
        check_all(root, layout.ALL_LABELS)


def test_files_missing_from_a_folder_are_named_once(root):
    shutil.rmtree(root / layout.PHOTOS)
    with pytest.raises(ValueError, match="bad files: 57\n") as error:
        layout.check(root, list(range(30)), layout.PART_LABELS)
    lines = str(error.value).splitlines()
    assert len(lines) == 4
    assert "lacks 30 files: 0.jpg, 1.jpg, 2.jpg, ...: a JPEG photo each" in lines[1]
    assert "0 lacks 27 files: 00001_*.png, 00002_*.png," in lines[2]
    assert "unpack it again" in lines[3]


def test_many_bad_files_are_counted(root):
    for photo_id in range(30):
        layout.photo_path(root, photo_id).write_bytes(b"no picture")
    with pytest.raises(ValueError, match="bad files: 57\n") as error:
        layout.check(root, list(range(30)), layout.PART_LABELS)
    lines = str(error.value).splitlines()
    assert len(lines) == 23 and lines[21].endswith("and 11 more")


def test_a_size_far_behind_the_start_of_the_file_is_found(root):
    path = layout.photo_path(root, 0)
    Image.open(path).save(path, icc_profile=bytes(100_000))
    assert files.read_size(path, "JPEG") == (SIZE[1], SIZE[0])


def test_real_data(face_data_dir):
    """With FACE_DATA_DIR set to the folder that holds `celebamask_hq`."""
    if not (face_data_dir / "celebamask_hq").is_dir():
        pytest.skip(f"FACE_DATA_DIR={face_data_dir} holds no folder celebamask_hq")
    root = layout.find_root(face_data_dir)
    for ids in read_splits(root, face_data_dir)[1].values():
        layout.check(root, (ids[0], ids[-1]), layout.ALL_LABELS)
        photo, mask = layout.read_sample(root, ids[0], layout.PART_LABELS)
        assert photo[:2] == b"\xff\xd8"
        assert {0, 5} <= set(np.unique(mask).tolist()) <= set(range(9))
        left, right = (np.argwhere(mask == brow)[:, 1] for brow in (1, 2))
        if left.size and right.size:
            assert left.mean() < right.mean()
