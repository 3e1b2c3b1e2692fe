"""The page in Chromium: built by `make web`, served from this process.

What is missing is said, and the tests are skipped: Playwright (the extra `dev`),
Chromium (Debian's package, or the path in CHROMIUM), or the built page.
"""

import contextlib
import functools
import http.server
import pathlib
import threading

import numpy as np
import pytest
from PIL import Image

WEB = pathlib.Path(__file__).parents[2] / "web"
BUILD = WEB / "build"
# In milliseconds. A parse takes some 10 seconds, and the machine may have other things
# to do; what comes later does not come.
PATIENCE = 120_000


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """What `python -m http.server` is, but quiet."""

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serve(folder):
    handler = functools.partial(QuietHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="package")
def modules(chromium):
    """Calls what web/src exports: takes a module and the body of a function of it."""
    with serve(WEB / "src") as address:
        page = chromium.new_page()
        page.goto(address + "icon.svg")  # No page of its own: a place to import from.

        def call(module, body, **arguments):
            code = f"""async (arguments_) => {{
                const module = await import("/{module}.js");
                const {{ {", ".join(arguments)} }} = arguments_;
                {body}
            }}"""
            return page.evaluate(code, arguments)

        yield call
        page.close()


@pytest.fixture(scope="package")
def site(chromium):
    if not (BUILD / "index.html").exists():
        pytest.skip("NOT TESTED: the page is not built (make web)")
    with serve(BUILD) as address:
        yield address


@pytest.fixture(scope="package")
def astronaut(tmp_path_factory):
    """The path of a PNG file: decoders of JPEG differ in the last bits."""
    data = pytest.importorskip("skimage.data", reason="needs the extra `demo`")
    path = tmp_path_factory.mktemp("photos") / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    return path


@contextlib.contextmanager
def wait_for_result(page):
    """Waits until the page has done with the photo that it is given meanwhile."""
    before = page.get_attribute("body", "data-settled")
    yield
    after = f'body:not([data-settled="{before}"])'
    page.wait_for_selector(after, timeout=PATIENCE)


def state(page):
    """What the page knows of its photo, the masks as arrays."""
    found = page.evaluate("""async () => {
        const { parsed, photo, regions } = (await import("./app.js")).state();
        const { width, height } = photo;
        const masks = { mask: [...parsed.mask], canvasMask: [...parsed.canvasMask] };
        return { ...parsed, ...masks, width, height, regions };
    }""")
    found["mask"] = np.uint8(found["mask"]).reshape(found["height"], found["width"])
    side = int(len(found["canvasMask"]) ** 0.5)
    found["canvasMask"] = np.uint8(found["canvasMask"]).reshape(side, side)
    return found
