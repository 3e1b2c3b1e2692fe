"""The `celeb_a_mask_hq` data set."""

import dataclasses
import functools
import itertools
import os
from collections.abc import Mapping
from typing import Any

import tensorflow_datasets as tfds
from absl import logging

from stn_icnn_tf.class_sets import EIGHT_PARTS
from tfds_builders import beam
from tfds_builders.celeb_a_mask_hq import layout, splits
from tfds_builders.celeb_a_mask_hq.examples import read_example
from tfds_builders.celeb_a_mask_hq.splits import read_splits
from tfds_builders.features import face_features
from tfds_builders.files import Root

# In the metadata of a build: by which rule it was split.
_RULE = "splits_by"
HOMEPAGE = "https://github.com/switchablenorms/CelebAMask-HQ"


@dataclasses.dataclass
class CelebAMaskHqConfig(tfds.core.BuilderConfig):
    """Which parts have a class.

    Attributes:
        labels: part, as in the names of the mask files -> class id, in the order in
            which parts are drawn.
        class_names: name of each class id; also in the built data set, as
            `builder.info.metadata["class_names"]`.
    """

    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)
    class_names: tuple[str, ...] = ()


class Builder(tfds.core.GeneratorBasedBuilder):
    """Aligned celebrity faces with masks of facial parts, built with Apache Beam."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    BUILDER_CONFIGS = [
        CelebAMaskHqConfig(
            name="parts",
            description="The 8 parts of stn_icnn_tf: brows, eyes, nose and mouth.",
            labels=layout.PART_LABELS,
            class_names=EIGHT_PARTS.names,
        ),
        CelebAMaskHqConfig(
            name="all",
            description="All 19 classes of the data set, by their public names.",
            labels=layout.ALL_LABELS,
            class_names=("background", *layout.PARTS),
        ),
    ]
    DEFAULT_BUILDER_CONFIG_NAME = "parts"
    # Name of a class in the data -> its name in a `ClassSet`.
    CLASS_MAP = layout.CLASS_MAP
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""
    Download `{layout.ARCHIVE_NAME}` from {HOMEPAGE} and put it, or the folder it
    holds, into `manual_dir`; with CelebA's `list_eval_partition.txt` beside it for
    the official splits. A folder `celebamask_hq` of the same layout is read too.
    """

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=face_features(),
            homepage=HOMEPAGE,
            metadata=tfds.core.MetadataDict(
                class_names=list(self.builder_config.class_names)
            ),
            disable_shuffling=True,
        )

    def _download_and_prepare(
        self,
        dl_manager: tfds.download.DownloadManager,
        download_config: tfds.download.DownloadConfig,
    ) -> None:
        download_config = beam.with_default_runner(download_config, self.name)
        with beam.plain_errors():
            super()._download_and_prepare(dl_manager, download_config)

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        root = layout.find_root(dl_manager.manual_dir)
        rule, ids = read_splits(root, dl_manager.manual_dir)
        if rule == splits.BY_HASH:
            logging.warning(
                "The splits are not the official ones: that takes %s and %s in %s",
                splits.MAPPING_NAME,
                splits.PARTITION_NAME,
                dl_manager.manual_dir,
            )
        sizes = {split: len(listed) for split, listed in ids.items()}
        logging.info("Splits by %s: %s", rule, splits.format_sizes(sizes))
        self.info.metadata[_RULE] = rule
        everyone = itertools.chain.from_iterable(ids.values())
        layout.check(root, everyone, self.builder_config.labels)
        return {
            split: self._generate_examples(root, listed)
            for split, listed in ids.items()
        }

    def other_splits(self, manual_dir: str | os.PathLike) -> str:
        """Says how the built splits differ from those that a download asks for now.

        Args:
            manual_dir: folder with the download; its lists may have come later.

        Returns:
            a sentence; empty if they are the same, or nothing there says other ones.
        """
        try:
            root = layout.find_root(manual_dir)
            rule, ids = read_splits(root, manual_dir)
        except ValueError:
            return ""  # What is built needs no download.
        built = {split: info.num_examples for split, info in self.info.splits.items()}
        now = {split: len(listed) for split, listed in ids.items()}
        # Builds of before this was noted have no rule.
        old_rule = self.info.metadata.get(_RULE)
        same = built == now if old_rule is None else rule == old_rule
        if same or rule == splits.BY_HASH:
            return ""
        return (
            f"{self.info.full_name} was built by {old_rule or 'another rule'}: "
            f"{splits.format_sizes(built)}. {manual_dir} asks for {rule} now: "
            f"{splits.format_sizes(now)}."
        )

    def _generate_examples(
        self, root: Root, ids: list[int]
    ) -> Any:  # A `PTransform` of Beam, which not everybody has.
        apache_beam = beam.import_beam(self.name)
        read = functools.partial(read_example, root, self.builder_config.labels)
        return apache_beam.Create(list(enumerate(ids))) | apache_beam.Map(read)
