"""How `benchmarks.pages` opens pages, on one that says how wide it is."""

import pytest
from absl import app

from benchmarks import pages
from benchmarks.web_page import serve


def test_pages_are_opened_at_their_widths(chromium, tmp_path):
    (tmp_path / "index.html").write_text("<title>a page</title>")

    def looks(widths):
        with serve(tmp_path) as address:
            for page, name, is_whole in pages.opened(
                chromium, address, (1000, 700, 0.5), widths
            ):
                size = page.evaluate("[innerWidth, innerHeight, devicePixelRatio]")
                yield size, name, is_whole

    assert list(looks([])) == [([1000, 700, 0.5], "", False)]
    assert list(looks([390, 768])) == [
        ([390, pages.HEIGHT, 1], "_390", True),
        ([768, pages.HEIGHT, 1], "_768", True),
    ]


def test_a_page_that_is_not_built_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(pages, "EXAMPLE", tmp_path / "astronaut.png")
    with pytest.raises(app.UsageError, match="make web"):
        pages.main(["pages"])
