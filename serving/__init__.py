"""Serving by TensorFlow Serving: see README.md beside this file."""

import trainers  # noqa: F401  Quiets the libraries, before they are loaded.
