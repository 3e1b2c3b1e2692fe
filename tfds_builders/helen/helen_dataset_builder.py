"""The `helen` data set."""

import itertools
from collections.abc import Iterator
from typing import Any

import tensorflow_datasets as tfds

from tfds_builders.features import face_features
from tfds_builders.helen import layout

ALL = tfds.core.BuilderConfig(
    name="all",
    description="Face skin and hair, too, where the download draws them.",
)


class Builder(tfds.core.GeneratorBasedBuilder):
    """HELEN faces with masks of brows, eyes, nose and mouth; or of skin and hair, too.

    The config `all` is not in `BUILDER_CONFIGS`: the parts alone have no config, so
    that their folder stays where it has always been.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""
    Download the resized labels, `{layout.ROOT_NAME}.zip`, from
    http://pages.cs.wisc.edu/~lizhang/projects/face-parsing/ and put it, or the folder
    it holds, into `manual_dir`. A folder `helen` of the same layout is read too.
    """

    def __init__(
        self, *, config: str | tfds.core.BuilderConfig | None = None, **kwargs: Any
    ) -> None:
        super().__init__(config=ALL if config == ALL.name else config, **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        metadata = None
        if self.builder_config is ALL:
            metadata = tfds.core.MetadataDict(class_names=list(layout.ALL_NAMES))
        return self.dataset_info_from_configs(
            features=face_features(),
            metadata=metadata,
            homepage="http://pages.cs.wisc.edu/~lizhang/projects/face-parsing/",
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        root = layout.find_root(dl_manager.manual_dir)
        names = layout.read_lists(root)
        layout.check(root, itertools.chain.from_iterable(names.values()))
        if self.builder_config is ALL:
            layout.check_drawn(root, itertools.chain.from_iterable(names.values()))
        return {
            split: self._generate_examples(root, listed)
            for split, listed in names.items()
        }

    def _generate_examples(
        self, root: layout.Root, names: list[str]
    ) -> Iterator[tuple[int, dict]]:
        everything = self.builder_config is ALL
        class_ids = layout.ALL_IDS if everything else layout.PART_IDS
        for index, name in enumerate(names):
            photo, mask = layout.read_sample(root, name, class_ids)
            yield (
                index,
                {
                    "image": photo,
                    "segmentation_mask": mask[..., None],
                    "name": name,
                },
            )
