"""The page of web/ in the machine's Chromium: for its pictures, times and tests."""

import contextlib
import functools
import http.server
import os
import pathlib
import shutil
import threading
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from stn_icnn_tf.extras import needs_extra

# What `make web` makes.
BUILD = pathlib.Path(__file__).parents[1] / "web" / "build"

# In milliseconds. A parse takes some 10 seconds, and twenty times that where the cores
# have much else to do; what comes later does not come.
PATIENCE = 600_000

_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update"),
    # A moving test picture in the place of a webcam, and nobody to ask.
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
)


def find_chromium() -> str | None:
    """Returns the path of Chromium: that of CHROMIUM, or Debian's."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser")
    return next(filter(None, map(shutil.which, names)), None)


@contextlib.contextmanager
def open_chromium() -> Iterator[Any]:
    """Starts Chromium, headless; a process can drive no second one.

    Yields:
        a `Browser` of Playwright.

    Raises:
        ImportError: if Playwright is missing.
        ValueError: if Chromium is.
    """
    with needs_extra("Chromium is driven by Playwright", "dev"):
        from playwright.sync_api import sync_playwright
    path = find_chromium()
    if path is None:
        raise ValueError("There is no Chromium: apt-get install chromium, or CHROMIUM=")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


# What a server sends for the page to use threads; web/space.md asks for the same.
THREADS = {
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    """What `python -m http.server` is, but quiet, and with headers more."""

    def __init__(self, *args, headers: Mapping[str, str], **kwargs) -> None:
        self._more = headers
        super().__init__(*args, **kwargs)

    def end_headers(self) -> None:
        for name, value in self._more.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *args) -> None:
        pass


@contextlib.contextmanager
def serve(
    folder: pathlib.Path, headers: Mapping[str, str] = MappingProxyType({})
) -> Iterator[str]:
    """Serves a folder on this machine, with further headers; yields its address."""
    handler = functools.partial(_QuietHandler, directory=folder, headers=headers)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextlib.contextmanager
def wait_for_result(page: Any) -> Iterator[None]:
    """Waits until the page has done with the photo that it is given meanwhile."""
    before = page.get_attribute("body", "data-settled")
    yield
    after = f'body:not([data-settled="{before}"])'
    page.wait_for_selector(after, timeout=PATIENCE)
