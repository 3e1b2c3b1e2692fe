"""Which photos an epoch draws: of several data sets, and rare classes more often."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from stn_icnn_tf.class_sets import ClassSet

# A photo is drawn so many times an epoch at most, however rare a class of it is.
MOST_REPEATS = 3.0


def repeat_factors(
    presence: np.ndarray, threshold: float, class_set: ClassSet
) -> np.ndarray:
    """Returns how many times an epoch draws each photo, on average.

    A class that is on less than `threshold` of the photos asks for the square root of
    `threshold` by its share; a photo gets what the rarest class on it asks for. Classes
    of cropped parts, and those that come in pairs, ask for nothing: they are on most
    photos, or turned away.

    Args:
        presence: bool `(photos, classes)`: which classes are on which photo.
        threshold: share of photos, in 0..1; 0 repeats nothing.
        class_set: of the presence.

    Returns:
        float64 `(photos,)`, 1 to `MOST_REPEATS`.

    Reference:
        Gupta et al. 2019, LVIS, appendix B.
    """
    paired = {class_id for pair in class_set.mirror_pairs for class_id in pair}
    rare = [k for k in class_set.base_classes[1:] if k not in paired]
    there = presence[:, rare]
    share = np.maximum(there.mean(axis=0), 1e-9)
    factors = np.clip(np.sqrt(threshold / share), 1.0, MOST_REPEATS)
    return np.where(there, factors, 1.0).max(axis=1, initial=1.0)


@dataclasses.dataclass(frozen=True)
class Mixture:
    """Data sets that are mixed within a batch.

    An epoch is one pass over the first, photos of rare classes drawn more than once,
    and so many photos of the others that they have their shares.

    Attributes:
        datasets: examples of each, their number known.
        shares: of the data sets after the first, among all photos of an epoch.
        presence: which classes are on which photo, bool `(photos, classes)` for each
            data set; empty: not known, and no photo is repeated.

    Raises:
        ValueError: if the shares are not one each, above 0, and below 1 together.
    """

    datasets: tuple[tf.data.Dataset, ...]
    shares: tuple[float, ...] = ()
    presence: tuple[np.ndarray, ...] = ()

    def __post_init__(self) -> None:
        one_each = len(self.shares) == len(self.datasets) - 1
        if not (one_each and all(s > 0 for s in self.shares) and sum(self.shares) < 1):
            raise ValueError(
                "Argument `shares` must give each data set after the first a share "
                "above 0, and be below 1 together. Received: "
                f"shares={self.shares} of {len(self.datasets)} data sets"
            )

    @classmethod
    def of(cls, photos: "tf.data.Dataset | Mixture") -> "Mixture":
        """Makes a mixture of a data set alone; one is as it is."""
        return photos if isinstance(photos, cls) else cls((photos,))

    def factors(self, threshold: float, class_set: ClassSet) -> list[np.ndarray]:
        """Returns how many times each photo of each data set is drawn, on average."""
        if threshold and self.presence:
            return [repeat_factors(p, threshold, class_set) for p in self.presence]
        return [np.ones(int(dataset.cardinality())) for dataset in self.datasets]


def photos_of_each(factors: Sequence[np.ndarray], shares: Sequence[float]) -> list[int]:
    """Counts the photos of each data set in an epoch; see `Mixture.factors`."""
    # A little more, where rounding left the sum a little short of a whole number.
    first = int(factors[0].sum() + 1e-6)
    others = round(first / (1.0 - sum(shares))) - first
    marks = np.round(np.cumsum((0.0, *shares)) / max(sum(shares), 1e-9) * others)
    return [first, *np.diff(marks).astype(int).tolist()]


def repeat_photos(
    dataset: tf.data.Dataset, factors: np.ndarray, rng: np.random.Generator
) -> tf.data.Dataset:
    """Repeats each photo by its factor; what is behind the point is a chance.

    The chances are drawn together, so that the number of photos is always the same,
    or one more: the photos lie in a row, each as long as its factor, and a photo is
    drawn for every tick of a ruler on it.
    """
    if np.all(factors == 1.0):
        return dataset
    order = rng.permutation(len(factors))
    ticks = np.floor(np.cumsum(factors[order]) + rng.random())
    times = np.empty(len(factors), "int64")
    times[order] = np.diff(ticks, prepend=0.0)
    counts = tf.data.Dataset.from_tensor_slices(times)
    return tf.data.Dataset.zip(dataset, counts).flat_map(
        lambda example, count: tf.data.Dataset.from_tensors(example).repeat(count)
    )


@dataclasses.dataclass(frozen=True)
class Share:
    """Which examples of each batch one of several workers makes.

    The first worker makes the first ones, and so on: what the workers make is
    together, and without overlap, what one would make alone.

    Attributes:
        index: of the worker.
        workers: their number, by which the batch size divides.
        replicas: of one worker; its examples come in batches for one replica.
    """

    index: int = 0
    workers: int = 1
    replicas: int = 1

    def local_size(self, batch_size: int) -> int:
        """Returns how many examples a batch of this worker has for one replica."""
        return batch_size // (self.workers * self.replicas)

    def holds(self, place: Any, batch_size: int) -> Any:
        """Whether the example at a place of the epoch, counted from 0, is its own."""
        return place % batch_size // (batch_size // self.workers) == self.index

    def of(self, examples: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
        """Numbers examples by their places, and leaves those that are its own."""
        numbered = examples.enumerate()
        if self.workers == 1:
            return numbered
        return numbered.filter(lambda place, _: self.holds(place, batch_size))


WHOLE = Share()


def choose_sources(numbers: Sequence[int], rng: np.random.Generator) -> tf.data.Dataset:
    """Returns which data set each photo of an epoch is of, in a random order."""
    sources = np.repeat(np.arange(len(numbers)), numbers)
    return tf.data.Dataset.from_tensor_slices(rng.permutation(sources))
