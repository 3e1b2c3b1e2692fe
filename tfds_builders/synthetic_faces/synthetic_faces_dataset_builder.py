"""The `synthetic_faces` data set."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

from stn_icnn_tf.class_sets import EIGHT_PARTS, HEAD, ClassSet
from stn_icnn_tf.drawn_faces.drawing import MIN_SIDE, draw_face
from tfds_builders.features import face_features

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass
class SyntheticFacesConfig(tfds.core.BuilderConfig):
    """How many faces to draw, and how large.

    Attributes:
        num_train: drawings in `train`, at least 1.
        num_validation: drawings in `validation`; 0 leaves the split out.
        num_test: drawings in `test`; 0 leaves the split out.
        sides: `(smallest, largest)` side of a drawing in pixels, inclusive.
        seed: of all drawings, not negative: drawing `i` of a split depends on it,
            the sides, the split and `i` alone.
        class_set: of the labels; of another than the eight parts the built data set
            tells the names, as `builder.info.metadata["class_names"]`.

    Raises:
        ValueError: if a count or the seed is too small, or the sides are not two
            numbers from 64 on, the smaller one first.
    """

    num_train: int = 400
    num_validation: int = 40
    num_test: int = 40
    sides: tuple[int, int] = (256, 416)
    seed: int = 0
    class_set: ClassSet = EIGHT_PARTS

    def __post_init__(self) -> None:
        least = {"num_train": 1, "num_validation": 0, "num_test": 0, "seed": 0}
        for name, low in least.items():
            value = getattr(self, name)
            if value < low:
                raise ValueError(
                    f"Argument `{name}` must be {low} or more. Received: {name}={value}"
                )
        if len(self.sides) != 2 or not MIN_SIDE <= self.sides[0] <= self.sides[1]:
            raise ValueError(
                f"Argument `sides` must be (smallest, largest), at least {MIN_SIDE}. "
                f"Received: sides={self.sides}"
            )


class Builder(tfds.core.GeneratorBasedBuilder):
    """Drawings of faces with masks of brows, eyes, nose and mouth, or whole heads."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    BUILDER_CONFIGS = [
        SyntheticFacesConfig(name="default", description="400 / 40 / 40 drawings."),
        SyntheticFacesConfig(
            name="tiny",
            description="16 / 4 / 4 small drawings, for tests.",
            num_train=16,
            num_validation=4,
            num_test=4,
            sides=(96, 160),
        ),
        SyntheticFacesConfig(
            name="head",
            description="400 / 40 / 40 drawings, the whole head labelled.",
            class_set=HEAD,
        ),
    ]
    DEFAULT_BUILDER_CONFIG_NAME = "default"

    def _info(self) -> tfds.core.DatasetInfo:
        class_set, metadata = self.builder_config.class_set, None
        if class_set != EIGHT_PARTS:
            metadata = tfds.core.MetadataDict(class_names=list(class_set.names))
        return self.dataset_info_from_configs(
            features=face_features("jpeg"),
            metadata=metadata,
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        del dl_manager  # Nothing is downloaded.
        config = self.builder_config
        counts = (config.num_train, config.num_validation, config.num_test)
        return {
            split: self._generate_examples(number, split, count)
            for number, (split, count) in enumerate(zip(SPLITS, counts, strict=True))
            if count
        }

    def _generate_examples(
        self, split_number: int, split: str, count: int
    ) -> Iterator[tuple[int, dict]]:
        config = self.builder_config
        low, high = config.sides
        for index in range(count):
            rng = np.random.default_rng((config.seed, split_number, index))
            height, width = (int(side) for side in rng.integers(low, high + 1, 2))
            image, mask = draw_face(rng, (height, width), config.class_set)
            yield (
                index,
                {
                    "image": image,
                    "segmentation_mask": mask[..., None],
                    "name": f"{split}_{index:05d}",
                },
            )
