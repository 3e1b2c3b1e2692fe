"""TFDS builders of face-parsing data sets."""
