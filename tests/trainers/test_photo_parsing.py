"""Photos are read and written while others are parsed, and come in their order."""

import concurrent.futures
import itertools
import threading

import numpy as np
import pytest
from PIL import Image

from stn_icnn_tf.class_sets import EIGHT_PARTS
from stn_icnn_tf.parsed_face import ParsedFace
from trainers.common import photo_parsing
from trainers.common.photo_parsing import in_order, parse_photos
from trainers.common.photos import list_photos


def parse_one(photo):
    mask = np.zeros(photo.shape[:2], "uint8")
    mask[2:6, 2:6] = 5
    return ParsedFace(photo, mask, class_set=EIGHT_PARTS)


def parse(photos):
    return [parse_one(photo) for photo in photos]


@pytest.fixture
def photos(tmp_path):
    for index in range(6):
        Image.new("RGB", (8 + index, 9)).save(tmp_path / f"{index}.png")
    return list_photos(tmp_path)


def test_results_come_in_the_order_of_the_items_and_not_all_at_once():
    first, started = threading.Event(), []

    def work(item):
        started.append(item)
        if item == 0:
            assert first.wait(30)
        elif item == 2:
            first.set()  # The first ends after the third has begun.
        return -item

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = in_order(pool, work, iter(range(20)), 3)
        assert next(results) == 0
        assert max(started) <= 3
        assert list(results) == [-item for item in range(1, 20)]


def test_reading_and_writing_wait_for_no_parsing(photos, tmp_path, monkeypatch):
    """While the second photo is parsed, the third is read, and the first written."""
    monkeypatch.setattr(photo_parsing, "_TOGETHER", 1)
    read, written = threading.Event(), threading.Event()

    def read_one(path):
        if path.stem == "2":
            read.set()
        return photo_parsing.read_photo(path)

    class Face(ParsedFace):
        def save(self, folder, stem):
            super().save(folder, stem)
            written.set()

    def parse_slowly(photos):
        (photo,) = photos
        if photo.shape[1] == 9:
            assert read.wait(30) and written.wait(30)
        return [Face(photo, parse_one(photo).mask, class_set=EIGHT_PARTS)]

    assert not parse_photos(parse_slowly, photos, tmp_path / "out", read=read_one)
    assert len(list((tmp_path / "out").iterdir())) == 12


@pytest.mark.parametrize(
    ("pixels", "groups"), [(2**21, [5, 1]), (150, [2, 2, 2]), (1, [1] * 6)]
)
def test_photos_are_parsed_together_up_to_so_many_pixels(
    photos, tmp_path, monkeypatch, pixels, groups
):
    monkeypatch.setattr(photo_parsing, "_TOGETHER", 5)
    monkeypatch.setattr(photo_parsing, "_PIXELS", pixels)
    seen = []

    def parse_and_count(photos):
        seen.append([photo.shape[1] for photo in photos])
        return parse(photos)

    assert not parse_photos(parse_and_count, photos, tmp_path / "out")
    assert [len(group) for group in seen] == groups
    assert list(itertools.chain(*seen)) == list(range(8, 14))
    assert len(list((tmp_path / "out").iterdir())) == 12


def test_lines_and_failures_keep_their_order(photos, tmp_path, capsys):
    photos[1].write_bytes(b"no picture")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "4_mask.png").write_bytes(b"")
    lines = []
    failed = parse_photos(parse, photos, tmp_path / "out", write_line=lines.append)
    assert [path.stem for path, _ in failed] == ["1", "4"]
    assert [line["photo"] for line in lines] == [str(path) for path in photos]
    assert [index for index, line in enumerate(lines) if "error" in line] == [1, 4]
    assert lines[5]["width"] == 13 and "nose" in lines[5]["faces"][0]["parts"]
    said = capsys.readouterr().err
    assert said.index("1.png: not parsed") < said.index("4.png: not parsed")


def test_nothing_is_measured_that_nobody_asks_for(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(photo_parsing, "face_record", None)
    assert not parse_photos(parse, photos, tmp_path / "out")
