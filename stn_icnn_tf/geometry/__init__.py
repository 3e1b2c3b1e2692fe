"""Affine maps, sampling, windows, pasting: where everything lies."""
