"""Faces that are drawn, with exact masks: where there are no photos."""
