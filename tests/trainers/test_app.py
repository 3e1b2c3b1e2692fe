"""The page from Python: what it does, and once in Chromium."""

import pathlib
import shutil
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from benchmarks.web_page import PATIENCE
from stn_icnn_tf.class_sets import HEAD
from stn_icnn_tf.parsed_face import ParsedFace
from stn_icnn_tf.photos import photo_array
from tests.helpers import photos
from trainers import app


def parse(photo):
    """Stands in for a `FaceParser`: hair above skin, but in nobody.png."""
    if isinstance(photo, list):
        return [parse(one) for one in photo]
    name = pathlib.Path(photo).stem if isinstance(photo, str) else "face"
    photo = photo_array(photo)
    mask = np.zeros(photo.shape[:2], "uint8")
    mask[5:10, 5:25], mask[10:30, 5:25] = HEAD.id_of("hair"), HEAD.id_of("skin")
    faces = () if name == "nobody" else None
    return ParsedFace(photo, mask, name=name, faces=faces, class_set=HEAD)


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(photos(40, 30)).save(folder / name)
    return [str(folder / "a.png"), str(folder / "b.png")]


def test_only_ticked_classes_are_drawn():
    face = parse(photos(40, 30))
    before, after = app.before_and_after(face, ["hair"], 0.5)
    np.testing.assert_array_equal(before, face.photo)
    changed = np.any(np.asarray(after) != face.photo, axis=-1)
    assert changed[6, 10] and not changed[20, 10] and not changed[35, 10]
    _, untouched = app.before_and_after(face, [], 0.5)
    np.testing.assert_array_equal(untouched, face.photo)


def test_rows_are_of_what_is_seen():
    photo = np.full((40, 30, 3), 128, "uint8")
    assert app.region_rows(parse(photo)) == [
        ("skin", "33.33 %", "#808080", 400),
        ("hair", "8.33 %", "#808080", 100),
    ]


def test_all_classes_can_be_ticked():
    names = app.shown_names(HEAD)
    assert names[:2] == [("left brow", "left_brow"), ("right brow", "right_brow")]
    assert [name for _, name in names] == list(HEAD.names[1:])


def test_a_batch_becomes_a_zip_past_a_bad_file(files, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_text("no picture")
    file, said = app.zip_of_masks(parse, [*files, str(bad)], tmp_path)
    first, *more = said.splitlines()
    assert first == "2 of 3 photos parsed."
    assert len(more) == 1 and more[0].startswith("bad.png: ")
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        with archive.open("a_mask.png") as mask:
            ids = np.asarray(Image.open(mask))
    assert names == ["a_mask.png", "a_overlay.png", "b_mask.png", "b_overlay.png"]
    np.testing.assert_array_equal(ids, parse(files[0]).mask)


def test_a_batch_of_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="photos first"):
        app.zip_of_masks(parse, [], tmp_path)


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(ImportError, match=r"\.\[app\]"):
        app.build_app(parse, HEAD, "head")


@pytest.fixture
def address():
    pytest.importorskip("gradio", reason="needs the extra: pip install -e '.[app]'")
    page = app.build_app(parse, HEAD, "small")
    yield app.launch(page, "127.0.0.1", 0, block=False)
    page.close()


def test_the_page_in_chromium(chromium, address, files):
    context = chromium.new_context(accept_downloads=True)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address)
    page.locator("input[type=file]").first.set_input_files(files[0])
    with page.expect_download() as download:
        page.get_by_role("button", name="Save mask").click()
    assert download.value.suggested_filename == "a_mask.png"
    with Image.open(download.value.path()) as mask:
        np.testing.assert_array_equal(mask, parse(files[0]).mask)
    assert page.get_by_text("33.33 %").last.is_visible()
    page.get_by_role("tab", name="Many photos").click()
    page.locator('input[type=file][accept="image/*"]').nth(1).set_input_files(files)
    page.get_by_label("b.png", exact=True).wait_for()
    page.get_by_role("button", name="Parse them").click()
    result = page.get_by_label("Result")
    page.get_by_label("masks.zip", exact=True).wait_for()
    assert result.input_value() == "2 of 2 photos parsed."
    # Nothing comes from elsewhere, nor goes there.
    outside = [u for u in requests if not u.startswith((address, "data:", "blob:"))]
    assert outside == []
    context.close()


def test_what_has_no_face_or_is_no_picture_is_said(chromium, address, files, tmp_path):
    nobody = shutil.copy(files[0], tmp_path / "nobody.png")
    text = tmp_path / "text.png"
    text.write_text("no picture")
    page = chromium.new_page()
    page.set_default_timeout(PATIENCE)
    for file, said in (
        (nobody, "No face was found."),
        (text, "This file is no picture"),
    ):
        page.goto(address)
        page.locator("input[type=file]").first.set_input_files(file)
        page.get_by_text(said).wait_for()
    page.close()
