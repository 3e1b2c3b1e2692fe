"""Benchmarks: a script a question. Run as `python -m benchmarks.NAME`."""

import trainers  # noqa: F401  Quiets the libraries, before they are loaded.
