"""What do the two pages look like, and how long does the browser's take? In Chromium.

make web
python -m benchmarks.pages --output=docs
python -m benchmarks.pages --output=looks --width=390 --width=768 --width=1280

Writes browser.png and app.png, each with the example photo parsed; with --width whole
pages of that width, as browser_390.png. It needs Chromium, and the extra `dev`.
"""

import pathlib
import statistics
from collections.abc import Iterator
from typing import Any

from absl import app, flags

from benchmarks.web_page import BUILD, PATIENCE, open_chromium, serve, wait_for_result
from stn_icnn_tf.face_parser import FaceParser
from trainers import app as gradio_page
from trainers.common.flags import refuse_arguments, usage_errors
from trainers.common.paths import define_path, output_folder

FLAGS = flags.FLAGS

# Of the pictures in the docs: width, height, and pixels a CSS pixel.
BROWSER, APP = (1150, 792, 0.75), (1000, 1140, 0.76)
HEIGHT = 844
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
    flags.DEFINE_integer(
        "rounds", 5, "Parses of the photo as it is framed, to be timed.", lower_bound=1
    )


def opened(
    chromium: Any, address: str, size: tuple[int, int, float], widths: list[int]
) -> Iterator[tuple[Any, str, bool]]:
    """Yields the page in each size, the end of a file's name, and if it is whole."""
    looks = [(*size, "", False)] if not widths else []
    looks += [(width, HEIGHT, 1, f"_{width}", True) for width in widths]
    for width, height, scale, name, is_whole in looks:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, device_scale_factor=scale
        )
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto(address)
        yield page, name, is_whole
        context.close()


def picture_browser(chromium: Any, output: pathlib.Path, widths: list[int]) -> None:
    """Writes the pictures of the page in the browser, and prints its times."""
    with serve(BUILD) as address:
        for page, name, is_whole in opened(chromium, address, BROWSER, widths):
            with wait_for_result(page):
                page.click("#example")
            page.screenshot(path=output / f"browser{name}.png", full_page=is_whole)
            print(page.inner_text("#fact-size"), page.inner_text("#status"), sep=". ")
            page.evaluate("document.querySelector('details').open = true")
            with wait_for_result(page):
                page.uncheck("#search")
            times = []
            for _ in range(FLAGS.rounds):
                with wait_for_result(page):
                    page.set_input_files("#file", EXAMPLE)
                times.append(int(page.inner_text("#fact-ms").split()[0]))
            print(
                f"One look, {page.inner_text('#fact-backend')}: at best {min(times)}, "
                f"median {statistics.median(times):.0f} ms, {len(times)} times"
            )


def picture_app(chromium: Any, output: pathlib.Path, widths: list[int]) -> None:
    """Writes the pictures of the page from Python."""
    parser = FaceParser("head")
    built = gradio_page.build_app(parser, parser.class_set, "head")
    address = gradio_page.launch(built, "127.0.0.1", 0, block=False)
    for page, name, is_whole in opened(chromium, address, APP, widths):
        page.locator("input[type=file]").first.set_input_files(EXAMPLE)
        page.get_by_role("cell", name="hair").wait_for()
        page.wait_for_timeout(2000)  # Until the picture has moved into its place.
        page.screenshot(path=output / f"app{name}.png", full_page=is_whole)
    built.close()


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        if not EXAMPLE.is_file():
            raise ValueError(f"The page is not built: make web. Missing: {EXAMPLE}")
        output = output_folder(FLAGS.output)
        with open_chromium() as chromium:
            picture_browser(chromium, output, FLAGS.width)
            picture_app(chromium, output, FLAGS.width)
    print(f"Pictures: {output}")


if __name__ == "__main__":
    define_flags()
    app.run(main)
