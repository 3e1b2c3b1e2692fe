"""Builds the site of the docs, and fails on what is broken in it.

python -m docs.site

A link to nothing, a page that `nav` in mkdocs.yml does not name, a public name without
a docstring, or on no page, ends it with status 1.
"""

import os
import pathlib
import shutil
import subprocess
import sys
from typing import Any

import yaml

from docs.site.pages import write_pages
from docs.site.reference import check_reference, write_reference

ROOT = pathlib.Path(__file__).parents[2]
BUILD = ROOT / "build" / "docs"
SITE = ROOT / "build" / "site"


def existing(nav: Any, pages: pathlib.Path) -> Any:
    """Returns a `nav` without the pages that are not there.

    One that is misspelt is found all the same: the true page is then in no `nav`.
    """
    if isinstance(nav, str):
        return nav if (pages / nav).is_file() else None
    if isinstance(nav, dict):
        entries = {title: existing(value, pages) for title, value in nav.items()}
        return {title: value for title, value in entries.items() if value} or None
    return [entry for entry in (existing(e, pages) for e in nav) if entry]


def run_mkdocs(config: pathlib.Path, site: pathlib.Path) -> int:
    """Builds a site strictly, prints what is wrong; returns the exit status."""
    # Not --quiet: it hides warnings from --strict as well.
    mkdocs = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    built = subprocess.run(
        [*mkdocs, f"--config-file={config}", f"--site-dir={site}"],
        # The theme's makers' advice to move on; mkdocs.yml has it.
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in built.stderr.splitlines():
        if line and not line.startswith("INFO"):
            print(line, file=sys.stderr)
    return built.returncode


def main() -> int:
    """Builds; returns the exit status."""
    shutil.rmtree(BUILD, ignore_errors=True)
    pages = BUILD / "pages"
    try:
        write_pages(ROOT, pages)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    write_reference(ROOT, pages / "reference")
    shutil.copy(pathlib.Path(__file__).with_name("site.css"), pages)
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    config["nav"] = existing(config["nav"], pages)
    (BUILD / "mkdocs.yml").write_text(yaml.safe_dump(config, sort_keys=False))
    built = run_mkdocs(BUILD / "mkdocs.yml", SITE)
    if built:
        return built
    wrong = check_reference(ROOT, SITE)
    print(*wrong or [f"The site is in {SITE.relative_to(ROOT)}."], sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
