"""How `benchmarks.pages` takes pictures, of a page that is high."""

import pytest
from absl import app
from PIL import Image

from benchmarks import pages
from benchmarks.web_page import serve
from stn_icnn_tf.class_sets import HEAD
from tests.helpers import photos
from tests.trainers.test_app import parse


def test_a_picture_is_of_what_is_seen_or_of_the_whole_page(
    chromium, tmp_path, monkeypatch
):
    monkeypatch.setattr(pages, "SETTLES", 1)
    (tmp_path / "index.html").write_text("<body style='margin: 0; height: 1200px'>")
    file = tmp_path / "look.png"
    with serve(tmp_path) as address:
        with pages.opened(chromium, address, (1000, 700, 0.5)) as page:
            pages.take_pictures(page, file, [])
        with pages.opened(chromium, address, (1000, 700, 1.0)) as page:
            pages.take_pictures(page, file, [390, 768])
    sizes = {p.name: Image.open(p).size for p in tmp_path.glob("*.png")}
    assert sizes == {
        "look.png": (500, 350),
        "look_390.png": (390, 1200),
        "look_768.png": (768, 1200),
    }


def test_a_page_that_is_not_built_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(pages, "EXAMPLE", tmp_path / "astronaut.png")
    with pytest.raises(app.UsageError, match="make web"):
        pages.main(["pages"])


@pytest.mark.slow
def test_the_page_from_python_is_pictured_once_it_has_parsed(
    chromium, tmp_path, monkeypatch
):
    pytest.importorskip("gradio", reason="needs the extra: pip install -e '.[app]'")
    monkeypatch.setattr(pages, "EXAMPLE", tmp_path / "astronaut.png")
    Image.fromarray(photos(40, 30)).save(pages.EXAMPLE)
    monkeypatch.setattr(parse, "class_set", HEAD, raising=False)
    monkeypatch.setattr(pages, "FaceParser", lambda model: parse)
    pages.picture_app(chromium, tmp_path, [])
    width, height = Image.open(tmp_path / "app.png").size
    assert (width, height) == tuple(round(pages.SCALE * side) for side in pages.APP)
