"""Building data sets with Apache Beam, which need not be installed otherwise."""

import contextlib
import dataclasses
import types
from collections.abc import Iterator

import tensorflow_datasets as tfds

from stn_icnn_tf.extras import needs_extra

# What Beam's DirectRunner comes down to on this machine alone; by that name it would
# first download and start another program, Prism. A local runner keeps all examples
# in memory: this one some 2 times their bytes, FnApiRunner 9 times in one thread and
# 16 times in four (500 photos of 1024x1024).
LOCAL_RUNNER = "BundleBasedDirectRunner"


def import_beam(dataset: str) -> types.ModuleType:
    """Imports Apache Beam when it is needed.

    Args:
        dataset: name of the data set that needs it, for the error.

    Raises:
        ImportError: if it is not installed.
    """
    with needs_extra(f"Building {dataset} needs Apache Beam", "beam"):
        return tfds.core.lazy_imports.apache_beam


def with_default_runner(
    config: tfds.download.DownloadConfig, dataset: str
) -> tfds.download.DownloadConfig:
    """Fills in how to run a pipeline on this machine, unless the config says how.

    The runner is Beam's direct runner, in one thread of this process.

    Args:
        config: from the caller.
        dataset: name of the data set that is built.

    Returns:
        a config with `beam_runner`, `beam_options` or both.

    Raises:
        ImportError: if Beam is not installed.
    """
    apache_beam = import_beam(dataset)
    if config.beam_runner or config.beam_options:
        return config
    # Without flags; else the options read the command line, which is not Beam's.
    options = apache_beam.options.pipeline_options.PipelineOptions(flags=[])
    return dataclasses.replace(config, beam_runner=LOCAL_RUNNER, beam_options=options)


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Turns a `ValueError` in a worker, which Beam hands on as text, back into one."""
    try:
        yield
    except RuntimeError as error:
        last = str(error).strip().rpartition("\n")[2]
        kind, _, message = last.partition(": ")
        if kind != "ValueError":
            raise
        raise ValueError(message) from error
