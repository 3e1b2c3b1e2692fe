"""HELEN with the part labels of Smith et al. 2013."""

from tfds_builders.helen.helen_dataset_builder import Builder

__all__ = ["Builder"]
