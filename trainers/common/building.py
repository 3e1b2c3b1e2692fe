"""Building a TFDS data set with one line and one bar."""

import contextlib
import functools
import io
from collections.abc import Iterator
from typing import Any

import tensorflow_datasets as tfds
from absl import logging
from tqdm import tqdm


def build(builder: tfds.core.DatasetBuilder, manual_dir: str | None = None) -> None:
    """Builds a data set unless it is there; shows how many examples it made.

    TFDS draws a bar of examples in a bar of splits, and one more of shuffling. Its own
    output is shown with `--verbosity=0` or more.

    Args:
        builder: of the data set.
        manual_dir: folder with the data set's download.

    Raises:
        ValueError: if the download is not there, or something is wrong with it.
    """
    try:
        _build(builder, manual_dir)
    except AssertionError as error:
        # TFDS's, which it raises when a builder asks for its folder.
        if not str(error).startswith("Manual directory"):
            raise
        raise ValueError(str(error)) from error


def _build(builder: tfds.core.DatasetBuilder, manual_dir: str | None) -> None:
    config = tfds.download.DownloadConfig(manual_dir=manual_dir)
    there = (builder.data_path / "dataset_info.json").exists()
    if there or logging.get_verbosity() >= logging.INFO:
        builder.download_and_prepare(download_config=config)
        return
    bar = tqdm(desc=f"Building {builder.info.full_name}", unit=" examples")
    _count_examples(builder, bar)
    tfds.disable_progress_bar()
    with bar, contextlib.redirect_stdout(io.StringIO()):
        builder.download_and_prepare(download_config=config)
    print(f"Built: {builder.data_dir}")


def _count_examples(builder: tfds.core.DatasetBuilder, bar: tqdm) -> None:
    """Has a bar count what a builder yields; Beam's pipelines yield nothing here."""
    split_generators = builder._split_generators

    def count(examples: Iterator) -> Iterator:
        for example in examples:
            yield example
            bar.update()

    @functools.wraps(split_generators)  # TFDS reads its signature.
    def counted(*args: Any, **kwargs: Any) -> dict:
        splits = split_generators(*args, **kwargs)
        return {
            name: count(examples) if isinstance(examples, Iterator) else examples
            for name, examples in splits.items()
        }

    builder._split_generators = counted
