"""Timing that can be trusted: everything in turn, in one run, with its spread."""

import dataclasses
import os
import platform
import statistics
import time
from collections.abc import Callable

import keras
import tensorflow as tf
from tqdm import tqdm


@dataclasses.dataclass(frozen=True)
class Timing:
    """Seconds that one thing took, again and again.

    Attributes:
        seconds: of each run.
    """

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median, in seconds."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> tuple[float, float]:
        """The first and third quartile, in seconds."""
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return low, high


def time_in_turn(
    functions: dict[str, Callable[[], object]], runs: int = 10, warm_up: int = 2
) -> dict[str, Timing]:
    """Times functions round by round, so that a busy moment hits all of them alike.

    Args:
        functions: name -> what to time; a tensor that it returns is waited for.
        runs: rounds that count, at least 2.
        warm_up: rounds before them.

    Raises:
        ValueError: if there are fewer than 2 runs.
    """
    if runs < 2:
        raise ValueError(f"Argument `runs` must be at least 2. Received: runs={runs}")
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in tqdm(range(warm_up + runs), unit=" rounds", leave=False):
        for name, function in functions.items():
            start = time.perf_counter()
            _wait_for(function())
            seconds[name].append(time.perf_counter() - start)
    return {name: Timing(tuple(taken[warm_up:])) for name, taken in seconds.items()}


def _wait_for(result: object) -> None:
    for tensor in tf.nest.flatten(result):
        if hasattr(tensor, "numpy"):
            tensor.numpy()


def matrix_product(dtype: str, side: int = 4096) -> Callable[[], tf.Tensor]:
    """Returns a product of square matrices: what the processor can do at best.

    It makes `side ** 3` multiply-adds.
    """
    matrix = tf.cast(tf.random.stateless_normal((side, side), (0, 0)), dtype)
    return tf.function(lambda: tf.reduce_sum(tf.matmul(matrix, matrix)))


def compiled_masks(
    parser: Callable[[tf.Tensor], dict[str, tf.Tensor]],
    shape: tuple[int | None, ...] = (None, None, None, 3),
    jit_compile: bool = False,
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Compiles a model as it is timed: photos in, masks out, no search for the face.

    Args:
        parser: the model, or its fused form.
        shape: of the photos; XLA wants to know every size.
        jit_compile: whether XLA compiles it.
    """
    return tf.function(
        lambda photos: parser(photos)["mask"],
        input_signature=[tf.TensorSpec(shape, tf.uint8)],
        jit_compile=jit_compile,
        autograph=False,
    )


def random_photos(batch: int, side: int) -> tf.Tensor:
    """Returns uint8 `(batch, side, side, 3)`, the same at every call."""
    shape = (batch, side, side, 3)
    numbers = tf.random.stateless_uniform(shape, (0, 0), 0, 256, tf.int32)
    return tf.cast(numbers, tf.uint8)


def machine() -> dict[str, object]:
    """Names the machine and the versions, for the record."""
    processor = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            lines = [line for line in file if line.startswith("model name")]
        processor = lines[0].partition(":")[2].strip() if lines else processor
    except OSError:
        pass  # Not Linux.
    gpus = [
        tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    return {
        "processor": processor,
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "gpus": gpus,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }
