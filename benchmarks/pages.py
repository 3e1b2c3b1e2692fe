"""What do the two pages look like, and how long does the browser's take? In Chromium.

make web
python -m benchmarks.pages --output=docs
python -m benchmarks.pages --output=looks --width=390 --width=768 --width=1280

Writes browser.png and app.png, each with the example photo parsed; with --width whole
pages of that width, as browser_390.png. It needs Chromium, and the extra `dev`.
"""

import contextlib
import pathlib
import re
import statistics
from collections.abc import Iterator
from typing import Any

from absl import app, flags

from benchmarks.web_page import (
    BUILD,
    PATIENCE,
    THREADS,
    open_chromium,
    serve,
    wait_for_result,
)
from stn_icnn_tf.face_parser import FaceParser
from trainers import app as gradio_page
from trainers.common.flags import refuse_arguments, usage_errors
from trainers.common.paths import define_path, output_folder

FLAGS = flags.FLAGS

# Of the pictures in the docs: width and height, and pixels a CSS pixel.
BROWSER, APP, SCALE = (1150, 792), (1024, 1168), 0.75
# Of the window that is as wide as one asks for.
HEIGHT = 844
# Milliseconds until all has moved into its place.
SETTLES = 2000
EXAMPLE = BUILD / "astronaut.png"


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_path("output", "pages", "Folder for the pictures.")
    flags.DEFINE_multi_integer(
        "width",
        [],
        "Width of a picture of the whole page; repeatable.",
        lower_bound=320,
    )
    flags.DEFINE_integer("rounds", 5, "Looks to be timed; 0: none is.", lower_bound=0)


@contextlib.contextmanager
def opened(chromium: Any, address: str, size: tuple[int, int, float]) -> Iterator[Any]:
    """Opens a page: width, height, and pixels a CSS pixel; yields it."""
    width, height, scale = size
    context = chromium.new_context(
        viewport={"width": width, "height": height}, device_scale_factor=scale
    )
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(address)
    yield page
    context.close()


def take_pictures(page: Any, file: pathlib.Path, widths: list[int]) -> None:
    """Writes a picture of what is seen of a page; or the whole page in each width."""
    if not widths:
        page.screenshot(path=file)
    for width in widths:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        page.wait_for_timeout(SETTLES)
        page.screenshot(path=file.with_stem(f"{file.stem}_{width}"), full_page=True)


def picture_browser(chromium: Any, output: pathlib.Path, widths: list[int]) -> None:
    """Writes the pictures of the page in the browser."""
    size = (*BROWSER, 1.0 if widths else SCALE)
    with serve(BUILD) as address, opened(chromium, address, size) as page:
        with wait_for_result(page):
            page.click("#example")
        take_pictures(page, output / "browser.png", widths)


def picture_app(chromium: Any, output: pathlib.Path, widths: list[int]) -> None:
    """Writes the pictures of the page from Python."""
    parser = FaceParser("head")
    built = gradio_page.build_app(parser, parser.class_set, "head")
    address = gradio_page.launch(built, "127.0.0.1", 0, block=False)
    with opened(chromium, address, (*APP, 1.0 if widths else SCALE)) as page:
        page.locator("input[type=file]").first.set_input_files(EXAMPLE)
        # A share of the photo: the last one, since hidden rows measure the columns.
        page.get_by_text(re.compile(r"^\d+\.\d\d %$")).last.wait_for()
        page.wait_for_timeout(SETTLES)
        take_pictures(page, output / "app.png", widths)
    built.close()


def time_browser(chromium: Any, rounds: int) -> None:
    """Prints the page's times, where servers allow no threads, and where they do."""
    for headers in ({}, THREADS):
        size = (*BROWSER, 1.0)
        with serve(BUILD, headers) as address, opened(chromium, address, size) as page:
            with wait_for_result(page):
                page.click("#example")
            name, download, runs_on = (
                page.inner_text(f"#fact-{fact}")
                for fact in ("model", "size", "backend")
            )
            print(f"{name}, {download}, {runs_on}. {page.inner_text('#status')}")
            page.evaluate("document.querySelector('details').open = true")
            with wait_for_result(page):
                page.uncheck("#search")
            times = []
            for _ in range(rounds):
                with wait_for_result(page):
                    page.set_input_files("#file", EXAMPLE)
                times.append(int(page.inner_text("#fact-ms").split()[0]))
            middle = statistics.median(times)
            print(f"One look: at best {min(times)} ms, median {middle:.0f} ms")


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        if not EXAMPLE.is_file():
            raise ValueError(f"The page is not built: make web. Missing: {EXAMPLE}")
        output = output_folder(FLAGS.output)
        with open_chromium() as chromium:
            picture_browser(chromium, output, FLAGS.width)
            if FLAGS.rounds:
                time_browser(chromium, FLAGS.rounds)
            picture_app(chromium, output, FLAGS.width)
    print(f"Pictures: {output}")


if __name__ == "__main__":
    define_flags()
    app.run(main)
