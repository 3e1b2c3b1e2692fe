"""What the scripts share: turning bad values into usage errors."""

import contextlib
from collections.abc import Iterator

from absl import app


@contextlib.contextmanager
def usage_errors() -> Iterator[None]:
    """Shows a `ValueError` about what the user gave as a usage error, no traceback."""
    try:
        yield
    except ValueError as error:
        raise app.UsageError(str(error)) from error
