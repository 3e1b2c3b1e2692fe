"""Benchmarks: a script a question. Run as `python -m benchmarks.NAME`."""
