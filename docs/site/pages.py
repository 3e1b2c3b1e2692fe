"""The pages of the site: the project's Markdown files, where they lie.

A page keeps its place in the tree, so links between pages hold on the site as they do
in a checkout. What a page links to comes along: pictures as they are, code, notebooks
and folders as pages.
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
        the names of the Markdown files among them, relative to `root`.

    Raises:
        ValueError: if a link goes to what is not there, or an include to a section
            that is not; it names page and link.
    """
    waiting = [path for pattern in PAGES for path in sorted(root.glob(pattern))]
    names = [path.relative_to(root).as_posix() for path in waiting]
    for name in names:  # Grows as links are found.
        source, copy = root / name, output / shown_as(name, root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix in PICTURES:
            shutil.copyfile(source, copy)
            continue
        if source.suffix == ".md":
            text = include_sections(root, name, source.read_text(encoding="utf-8"))
            text, linked = rewrite_links(root, name, text)
            names += sorted(linked - {*names})
        elif source.suffix == ".ipynb":
            text = notebook_page(source)
        else:
            text = folder_page(source) if source.is_dir() else file_page(source, name)
        copy.write_text(text, encoding="utf-8")
    return sorted(name for name in names if name.endswith(".md"))


def shown_as(name: str, root: pathlib.Path) -> str:
    """Returns the file of the site that shows a file, or folder, of the project."""
    if name.endswith((".md", *PICTURES)):
        return name
    return f"{name}.folder.md" if (root / name).is_dir() else f"{name}.md"


def rewrite_links(root: pathlib.Path, name: str, text: str) -> tuple[str, set[str]]:
    """Points links to code, notebooks and folders at the pages that show them.

    Args:
        root: of the project.
        name: of the page, relative to `root`.
        text: of the page, Markdown.

    Returns:
        the text, and the names of what it links to, relative to `root`.

    Raises:
        ValueError: if a link goes to nothing of the project.
    """
    linked = set()

    def rewrite(match: re.Match) -> str:
        start, target, anchor = match.groups(default="")
        target = target.rstrip("/")
        path = (root / name).parent.joinpath(target).resolve()
        if not path.exists() or root.resolve() not in path.parents:
            raise ValueError(f"{name} links to what is not there: {target}")
        linked.add(path.relative_to(root.resolve()).as_posix())
        return f"{start}{shown_as(target, (root / name).parent)}{anchor}"

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


def folder_page(path: pathlib.Path) -> str:
    """Returns a page that lists what is in a folder."""
    names = sorted(entry.name for entry in path.iterdir())
    lines = [f"- `{name}`" for name in names if not name.startswith((".", "__pyc"))]
    return "\n".join([f"{_HIDDEN}# {path.name}", "", *lines, ""])


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
