import io

import pytest
import tensorflow_datasets as tfds
from absl import logging

from tfds_builders import synthetic_faces
from trainers.common import building


@pytest.fixture
def bars(monkeypatch):
    """Collects the bars that are drawn, in memory."""
    bars = []

    class Bar(building.tqdm):
        def __init__(self, *args, **kwargs):
            bars.append(self)
            super().__init__(*args, file=io.StringIO(), **kwargs)

    monkeypatch.setattr(building, "tqdm", Bar)
    yield bars
    tfds.enable_progress_bar()


def test_a_data_set_is_built_with_one_bar_and_one_line(
    tmp_path, bars, capfd, monkeypatch
):
    monkeypatch.setattr(building.logging, "get_verbosity", lambda: logging.WARNING)
    for _ in range(2):  # The second time there is nothing to build.
        builder = synthetic_faces.Builder(data_dir=tmp_path, config="tiny")
        building.build(builder)
    assert builder.info.splits["train"].num_examples == 16
    assert [bar.n for bar in bars] == [24]
    output = capfd.readouterr()
    assert output.out == f"Built: {builder.data_dir}\n"
    assert output.err == ""


def test_an_error_is_not_hidden(tmp_path, bars, monkeypatch):
    monkeypatch.setattr(building.logging, "get_verbosity", lambda: logging.WARNING)
    builder = synthetic_faces.Builder(data_dir=tmp_path, config="tiny")
    monkeypatch.setattr(
        synthetic_faces.synthetic_faces_dataset_builder, "draw_face", lambda *_: 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        building.build(builder)
