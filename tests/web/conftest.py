"""The page in Chromium: built by `make web`, served from this process.

What is missing is said, and the tests are skipped: Playwright (the extra `dev`),
Chromium (Debian's package, or the path in CHROMIUM), or the built page.
"""

import numpy as np
import pytest
from PIL import Image

from benchmarks.web_page import BUILD, PATIENCE, serve

WEB = BUILD.parent


@pytest.fixture(scope="package")
def modules(chromium):
    """Calls what web/src exports: takes a module and the body of a function of it."""
    with serve(WEB / "src") as address:
        page = chromium.new_page()
        page.set_default_timeout(PATIENCE)
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
    with serve(WEB) as address:
        yield f"{address}{BUILD.name}/"  # In a folder, as a project's GitHub Page.


@pytest.fixture(scope="package")
def astronaut(tmp_path_factory):
    """The path of a PNG file: decoders of JPEG differ in the last bits."""
    data = pytest.importorskip("skimage.data", reason="needs the extra `demo`")
    path = tmp_path_factory.mktemp("photos") / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    return path


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
