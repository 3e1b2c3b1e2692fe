"""The rules by which `celeb_a_mask_hq` is split."""

import itertools

import pytest

from tests.helpers import zip_folder
from tests.tfds_builders.celeb_data import IDS, SPLITS, write_celeb
from tfds_builders.celeb_a_mask_hq import layout
from tfds_builders.celeb_a_mask_hq.splits import (
    BY_CELEBA,
    BY_HASH,
    BY_LISTS,
    MAPPING_NAME,
    PARTITION_NAME,
    read_splits,
    split_by_hash,
)

MAPPING = """idx      orig_idx   orig_file
0            119613   119613.jpg
3             99094   099094.jpg

7             200121  200121.jpg
1999          67259   067259.jpg
"""
PARTITION = "067259.jpg 0\n099094.jpg 0\n119613.jpg 1\n200121.jpg 2\n000001.jpg 2\n"
HASH_SIZES = {"train": 24008, "validation": 2974, "test": 3018}
HASH_STARTS = {"train": [0, 1, 2], "validation": [8, 19, 47], "test": [5, 6, 23]}
OFFICIAL = {"train": [3, 1999], "validation": [0], "test": [7]}


@pytest.fixture
def root(tmp_path):
    return write_celeb(tmp_path / "downloads" / "celebamask_hq")


@pytest.fixture
def official(root):
    (root / MAPPING_NAME).write_text(MAPPING)
    (root / PARTITION_NAME).write_text(PARTITION)
    return root


def test_celebas_partition_goes_before_the_lists(official):
    assert read_splits(official, official.parent) == (BY_CELEBA, OFFICIAL)


@pytest.mark.parametrize("name", [MAPPING_NAME, PARTITION_NAME])
def test_its_files_may_be_beside_the_data_set(official, name):
    (official / name).rename(official.parent / name)
    assert read_splits(official, official.parent) == (BY_CELEBA, OFFICIAL)


def test_the_partition_may_be_beside_the_zip(official, tmp_path):
    (official / PARTITION_NAME).rename(tmp_path / PARTITION_NAME)
    zip_folder(official, tmp_path / layout.ARCHIVE_NAME, "CelebAMask-HQ/")
    assert read_splits(layout.find_root(tmp_path), tmp_path)[1] == OFFICIAL


@pytest.mark.parametrize("missing", [MAPPING_NAME, PARTITION_NAME])
def test_lists_are_used_when_a_file_of_celebas_is_missing(official, missing):
    (official / missing).unlink()
    assert read_splits(official, official.parent) == (BY_LISTS, SPLITS)


def test_without_any_list_the_hash_of_the_id_decides(root):
    for path in (root / "splits").iterdir():
        path.unlink()
    rule, splits = read_splits(root, root.parent)
    assert rule == BY_HASH
    assert sorted(itertools.chain(*splits.values())) == sorted(IDS)
    for split, ids in split_by_hash(sorted(IDS)).items():
        assert splits.get(split, []) == ids  # An empty split is left out.


def test_the_hash_gives_80_10_10_and_never_changes():
    splits = split_by_hash(list(range(30_000)))
    sizes = {split: len(ids) for split, ids in splits.items()}
    assert sizes == HASH_SIZES
    assert {split: ids[:3] for split, ids in splits.items()} == HASH_STARTS
    # A photo's split does not depend on the others.
    assert split_by_hash(list(range(20, 40)))["test"] == [
        photo_id for photo_id in splits["test"] if 20 <= photo_id < 40
    ]


def test_without_any_list_a_photo_of_which_there_are_masks_is_missed(root):
    for path in (root / "splits").iterdir():
        path.unlink()
    for photo_id in (7, 1999):
        layout.photo_path(root, photo_id).unlink()
    with pytest.raises(
        ValueError, match=r"bad files: 2\n.*/7\.jpg is missing"
    ) as error:
        read_splits(root, root.parent)
    assert "unpack it again" in str(error.value)
    # A list may name fewer.
    for split in SPLITS:
        (root / "splits" / f"{split}.txt").write_text("3\n" if split == "test" else "#")
    with pytest.raises(ValueError, match="train.txt is empty"):
        read_splits(root, root.parent)


def test_no_photo_at_all_is_named(root):
    for folder in ("splits", layout.PHOTOS):
        for path in (root / folder).iterdir():
            path.unlink()
    with pytest.raises(ValueError, match=f"{layout.PHOTOS} holds no photo"):
        read_splits(root, root.parent)


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        (MAPPING_NAME, "8 5", r"line 7: must read `ID CELEBA_INDEX CELEBA_FILE`"),
        (MAPPING_NAME, "x 5 000005.jpg", r"line 7: must read `ID .*Received: x 5 "),
        (MAPPING_NAME, "8 5 000005.jpg", r"line 7: .* must be in .*: 000005\.jpg"),
        (MAPPING_NAME, "7 1 000001.jpg", r"id 7: must be listed once.* 2 times"),
        (PARTITION_NAME, "000005.jpg 3", r"line 6: must read `CELEBA_FILE 0\|1\|2`"),
        (PARTITION_NAME, "000005.jpg", r"line 6: must read `CELEBA_FILE 0\|1\|2`"),
    ],
)
def test_a_bad_line_of_celebas_is_named(official, name, line, message):
    with (official / name).open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(ValueError, match=message):
        read_splits(official, official.parent)


def test_every_bad_list_is_named(root):
    (root / "splits" / "train.txt").unlink()
    (root / "splits" / "validation.txt").write_text("# nothing\n")
    (root / "splits" / "test.txt").write_text("5\n7.jpg\n")
    with pytest.raises(ValueError) as error:
        read_splits(root, root.parent)
    for text in (
        "train.txt is missing: a list of lines `ID`",
        "validation.txt is empty",
        "test.txt, line 2: must read `ID`. Received: 7.jpg",
    ):
        assert text in str(error.value)


def test_an_id_in_two_lists_is_named(root):
    with (root / "splits" / "test.txt").open("a") as file:
        file.write("1999\n")
    with pytest.raises(ValueError, match="id 1999: must be listed once"):
        read_splits(root, root.parent)
