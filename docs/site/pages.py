"""The pages of the site: the project's Markdown files, where they lie.

A page keeps its place in the tree, so links between pages hold on the site as they do
in a checkout. Other files that a page links to come along: pictures as they are, code
and notebooks as pages.
"""

import json
import pathlib
import re
import shutil
from collections.abc import Iterator

import latex2mathml.converter

# Where pages are; a new page in one of these needs no more than its line in `nav`.
PAGES = (
    "*.md",
    "docs/*.md",
    "serving/*.md",
    "stn_icnn_tf/weights/*.md",
    "tfds_builders/*/*.md",
)
PICTURES = (".png", ".jpg", ".svg", ".webp")

# Of a page that shows a file: found by links, not by the search.
_HIDDEN = "---\nsearch:\n  exclude: true\n---\n\n"
_LANGUAGES = {".py": "python", ".c": "c", ".config": "text", "": "text"}

_FENCE = re.compile(r"^( *```.*?^ *```)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(\]\()(?![a-z]+:|#|/)([^)\s#]+)(#[^)\s]*)?(?=\))")
_INCLUDE = re.compile(r"^<!-- include (\S+?)#(\S+) -->$", re.MULTILINE)


def write_pages(root: pathlib.Path, output: pathlib.Path) -> list[str]:
    """Lays out all pages, and what they link to, for MkDocs.

    Args:
        root: of the project.
        output: folder for the copies; it may be there already.

    Returns:
        the names of the pages, relative to `root`.

    Raises:
        ValueError: if a link goes to a file that is not there, or an include to a
            section that is not; it names page and link.
    """
    names = sorted(
        path.relative_to(root).as_posix()
        for pattern in PAGES
        for path in root.glob(pattern)
    )
    others: set[str] = set()
    for name in names:
        text = include_sections(root, name, (root / name).read_text(encoding="utf-8"))
        text, linked = rewrite_links(root, name, text)
        others |= linked
        _write(output / name, text)
    for name in sorted(others):
        source, copy = root / name, output / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix in PICTURES:
            shutil.copyfile(source, copy)
        elif source.suffix == ".ipynb":
            _write(output / f"{name}.md", notebook_page(source))
        else:
            _write(output / f"{name}.md", file_page(source, name))
    return names


def rewrite_links(root: pathlib.Path, name: str, text: str) -> tuple[str, set[str]]:
    """Points links to code and notebooks at the pages that show them.

    Args:
        root: of the project.
        name: of the page, relative to `root`.
        text: of the page, Markdown.

    Returns:
        the text, and the files that it links to and that are no pages.

    Raises:
        ValueError: if a link goes to no file of the project.
    """
    linked = set()

    def rewrite(match: re.Match) -> str:
        start, target, anchor = match.groups(default="")
        path = (root / name).parent.joinpath(target).resolve()
        if not path.is_file() or not path.is_relative_to(root.resolve()):
            raise ValueError(f"{name} links to a file that is not there: {target}")
        if path.suffix != ".md":
            linked.add(path.relative_to(root.resolve()).as_posix())
            if path.suffix not in PICTURES:
                target += ".md"
        return f"{start}{target}{anchor}"

    # Of the split by fences every second piece is code.
    pieces = _FENCE.split(text)
    pieces[::2] = [_LINK.sub(rewrite, piece) for piece in pieces[::2]]
    return "".join(pieces), linked


def include_sections(root: pathlib.Path, name: str, text: str) -> str:
    """Puts sections of other pages where a page asks for them.

    `<!-- include results.md#the-shipped-models -->`, alone on a line, becomes what
    stands there under the heading `The shipped models`. A checkout shows nothing.

    Raises:
        ValueError: if the section is not there.
    """

    def include(match: re.Match) -> str:
        path = (root / name).parent / match[1]
        for anchor, body in sections(path.read_text(encoding="utf-8")):
            if anchor == match[2]:
                return body
        raise ValueError(f"{name} includes a section that is not there: {match[0]}")

    return _INCLUDE.sub(include, text)


def sections(text: str) -> Iterator[tuple[str, str]]:
    """Yields anchor and text of each section, down to the next heading."""
    pieces = re.split(r"^#+ +(.+)$", _FENCE.sub("", text), flags=re.MULTILINE)
    for heading, body in zip(pieces[1::2], pieces[2::2]):
        words = re.sub(r"[^\w\s-]", "", heading.lower()).split()
        yield "-".join(words), body.strip()


def file_page(path: pathlib.Path, name: str) -> str:
    """Returns a page that shows a text file."""
    language = _LANGUAGES.get(path.suffix, "text")
    text = path.read_text(encoding="utf-8")
    return f"{_HIDDEN}# {name}\n\n````{language}\n{text}````\n"


def notebook_page(path: pathlib.Path) -> str:
    """Returns a page that shows a notebook: its text, its code, no outputs."""
    cells = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            cells.append(f"```python\n{source}\n```")
        else:
            cells.append(_with_mathml(source))
    return "\n\n".join(cells) + "\n"


def _with_mathml(text: str) -> str:
    """Turns formulas into MathML, which browsers draw without a script."""
    convert = latex2mathml.converter.convert
    text = re.sub(
        r"\$\$(.+?)\$\$",
        lambda match: f"\n<div>{convert(match[1], display='block')}</div>\n",
        text,
        flags=re.DOTALL,
    )
    # At the start of a line a formula would become a paragraph.
    text = text.replace("\n$", " $")
    return re.sub(r"\$(.+?)\$", lambda match: convert(match[1]), text)


def _write(path: pathlib.Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
