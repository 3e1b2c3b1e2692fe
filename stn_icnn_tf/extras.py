"""Packages that only some uses need: the extras of pyproject.toml."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def needs_extra(need: str, extra: str) -> Iterator[None]:
    """Says which extra to install if an import inside fails.

    Args:
        need: what needs which package, e.g. `"Finding faces needs mtcnn"`.
        extra: name of the extra.

    Raises:
        ImportError: if the import does.
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{need}. Install the extra `{extra}`: pip install 'stn-icnn-tf[{extra}]', "
            f"or -e '.[{extra}]' in a checkout"
        ) from error
