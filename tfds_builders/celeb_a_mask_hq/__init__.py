"""CelebAMask-HQ, aligned faces with masks of facial parts."""

from tfds_builders.celeb_a_mask_hq.celeb_a_mask_hq_dataset_builder import Builder

__all__ = ["Builder"]
