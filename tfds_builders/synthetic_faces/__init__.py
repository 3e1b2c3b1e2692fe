"""Seeded drawings of faces with exact part masks."""

from tfds_builders.synthetic_faces.synthetic_faces_dataset_builder import (
    Builder,
    SyntheticFacesConfig,
)

__all__ = ["Builder", "SyntheticFacesConfig"]
