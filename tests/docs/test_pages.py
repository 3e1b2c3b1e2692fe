"""The pages of the site: links, includes, notebooks; `make docs` checks the rest."""

import json
import pathlib
import re

import pytest
import yaml

pages = pytest.importorskip("docs.site.pages", reason="the extra `docs`")
from docs.site.__main__ import existing, run_mkdocs

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path):
    """A project of a few files, each of a kind that pages link to."""
    files = {
        "README.md": "![A](docs/a.png) [b](docs/b.md#two) [c](code.py) [w](https://x.y/z)",
        "docs/b.md": "# B\n\n## Two, or 2\n\ntext\n\n## Three\n\n"
        "[r](../README.md) [f](../web/)\n",
        "web/notes.md": "# Notes\n",
        "docs/a.png": "png",
        "code.py": "print(1)\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_pages_keep_their_place_and_what_they_link_to_comes_along(project, tmp_path):
    output = tmp_path / "build" / "pages"
    assert pages.write_pages(project, output) == ["README.md", "docs/b.md"]
    text = (output / "README.md").read_text()
    assert "(docs/a.png)" in text and "(docs/b.md#two)" in text
    assert "(code.py.md)" in text and "(https://x.y/z)" in text
    assert (output / "docs/a.png").read_text() == "png"
    assert "print(1)" in (output / "code.py.md").read_text()
    text = (output / "docs/b.md").read_text()
    assert "(../README.md)" in text and "(../web.folder.md)" in text
    assert "- `notes.md`" in (output / "web.folder.md").read_text()


def test_a_page_elsewhere_comes_along_once_it_is_linked(project, tmp_path):
    (project / "README.md").write_text("[n](web/notes.md)")
    names = pages.write_pages(project, tmp_path / "build")
    assert names == ["README.md", "docs/b.md", "web/notes.md"]
    assert (tmp_path / "build/web/notes.md").read_text() == "# Notes\n"


@pytest.mark.parametrize("target", ["docs/c.md", "nowhere/", "../outside.md"])
def test_a_link_to_nothing_of_the_project_is_named(project, target):
    (project.parent / "outside.md").write_text("")
    (project / "README.md").write_text(f"[x]({target})")
    with pytest.raises(ValueError, match=f"README.md links .*: {target[:7]}"):
        pages.write_pages(project, project / "build")


def test_links_in_code_are_left_alone(project):
    text = "```\n[x](nowhere.py)\n```\n"
    assert pages.rewrite_links(project, "README.md", text) == (text, set())


def test_a_section_is_included_by_its_anchor(project):
    text = "before\n<!-- include docs/b.md#two-or-2 -->\nafter"
    included = pages.include_sections(project, "README.md", text)
    assert included == "before\ntext\nafter"
    with pytest.raises(ValueError, match=r"README.md includes .*#four"):
        pages.include_sections(project, "README.md", text.replace("two-or-2", "four"))


def test_a_notebook_becomes_text_code_and_formulas(tmp_path):
    cells = [
        {
            "cell_type": "markdown",
            "source": ["# A\n", "so $i$ of\n", "$n$: $$x_1$$"],
        },
        {"cell_type": "code", "source": ["x = 1\n", "x"]},
    ]
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    page = pages.notebook_page(path)
    assert "```python\nx = 1\nx\n```" in page
    assert page.count("<math") == 3 and page.count('display="block"') == 1
    assert "$" not in page


def test_nav_leaves_out_pages_that_are_not_there(tmp_path):
    (tmp_path / "a.md").touch()
    nav = [
        {"A": "a.md"},
        {"B": "b.md"},
        {"C": ["a.md", {"D": "b.md"}]},
        {"E": ["b.md"]},
    ]
    assert existing(nav, tmp_path) == [{"A": "a.md"}, {"C": ["a.md"]}]


def test_the_build_is_strict(tmp_path, capfd):
    """As `mkdocs.yml` says: dead anchors, and pages that no `nav` names, fail."""
    known = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["validation"]
    config, docs = tmp_path / "mkdocs.yml", tmp_path / "docs"
    settings = {"site_name": "a", "theme": "mkdocs", "plugins": []}
    settings |= {"validation": known, "nav": ["a.md", "index.md"]}
    config.write_text(yaml.safe_dump(settings))
    docs.mkdir()
    (docs / "index.md").write_text("# Start\n\n[there](a.md#here)\n")
    (docs / "a.md").write_text("# A\n\n## Here\n")
    assert run_mkdocs(config, tmp_path / "site") == 0
    assert capfd.readouterr().err == ""
    (docs / "a.md").write_text("# A\n")
    (docs / "lost.md").write_text("# Lost\n")
    assert run_mkdocs(config, tmp_path / "site") != 0
    said = capfd.readouterr().err
    assert "lost.md" in said and "#here" in said


def test_every_link_of_the_project_goes_to_a_file(tmp_path):
    names = pages.write_pages(ROOT, tmp_path)
    assert "README.md" in names and "stn_icnn_tf/weights/head.md" in names
    # Included, not copied: it cannot differ from what stands in the results.
    shown = (tmp_path / "docs/models.md").read_text()
    assert "<!-- include" not in shown and "| `helen` | 0." in shown


def test_every_check_of_the_paper_finds_tests():
    text = (ROOT / "docs/paper.md").read_text()
    commands = re.findall(r"`(tests/[^`]*)` \|$", text, re.MULTILINE)
    assert len(commands) == 10
    for command in commands:
        paths, _, words = command.partition(" -k ")
        names = ""
        for path in map(ROOT.joinpath, paths.split()):
            files = path.rglob("test_*.py") if path.is_dir() else [path]
            names += " ".join(re.findall(r"def test_\w+", "".join(map(read, files))))
        for word in words.strip("'").split(" or "):
            assert names and word in names, command


def read(path):
    return path.read_text(encoding="utf-8")
