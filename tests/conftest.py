"""What every test shares: the backend, two devices, the seed, the real data."""

import os
import pathlib
from collections.abc import Callable, Iterator

# Before TensorFlow or Keras is imported by anything.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import pytest
import tensorflow as tf


def _split_cpu() -> None:
    """Makes two CPU devices of one, so that a strategy has two replicas.

    Devices cannot be changed once TensorFlow has used them, so it happens here,
    before any test module is imported.
    """
    devices = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        devices[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )


_split_cpu()
# Two fifths of a test that builds a graph and runs it twice are the optimizer's. What
# runs in a process of its own has it, as users do.
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@pytest.fixture(autouse=True)
def seed() -> None:
    """Seeds Python, NumPy and TensorFlow before every test."""
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def face_data_dir() -> pathlib.Path:
    """Returns the folder of the real data sets, or skips the test."""
    folder = os.environ.get("FACE_DATA_DIR")
    if not folder:
        pytest.skip("set FACE_DATA_DIR to the folder of the real data sets")
    return pathlib.Path(folder)


@pytest.fixture
def bucket() -> pathlib.Path:
    """Returns a folder of remote storage, in whose place stands fsspec's memory."""
    pytest.importorskip(
        "upath", reason="needs universal-pathlib: pip install -e '.[cloud]'"
    )
    from stn_icnn_tf.files import as_path

    folder = as_path("memory://bucket")
    folder.fs.store.clear()
    folder.fs.pseudo_dirs[:] = [""]
    return folder


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple:
    """Exports a small model once: gives the model and the version folder."""
    from stn_icnn_tf.export.saved_model import export_saved_model
    from tests.helpers import shake, small_model

    keras.utils.set_random_seed(0)  # The seed of a test comes later.
    model = small_model()
    shake(model)
    output = tmp_path_factory.mktemp("served") / "face_parser"
    # As a random model is never sure of a face, it would search for every one.
    return model, export_saved_model(model, output, version=3, find_faces=False)


@pytest.fixture(scope="session")
def stand_in(served: tuple) -> Iterator[tuple]:
    """Serves it by the stand-in: gives the model there, and its ports."""
    pytest.importorskip(
        "tensorflow_serving",
        reason="needs tensorflow-serving-api: pip install -e '.[serving]'",
    )
    from serving.stand_in import LoadedModel, serve

    loaded = LoadedModel("face_parser", served[1].parent)
    with serve(loaded) as ports:
        yield loaded, ports


@pytest.fixture
def loaded(stand_in: tuple) -> Iterator[object]:
    """Gives the model in the stand-in, and mends it when the test is over."""
    yield stand_in[0]
    stand_in[0].faults.clear()
    stand_in[0].delay = 0.0


@pytest.fixture(params=["grpc", "rest"])
def connect(request: pytest.FixtureRequest, stand_in: tuple) -> Callable:
    """Makes clients that speak one protocol, and then the other."""
    from stn_icnn_tf.client.serving_client import ServingClient

    def connect(**kwargs: object) -> ServingClient:
        kwargs = {"retries": 0, "backoff": 0.001, "deadline": 60.0, **kwargs}
        address = f"localhost:{getattr(stand_in[1], request.param)}"
        return ServingClient(address, request.param, **kwargs)

    return connect


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """Starts the machine's Chromium once: a process can drive no second one."""
    pytest.importorskip(
        "playwright.sync_api", reason="needs Playwright: pip install -e '.[dev]'"
    )
    from benchmarks.web_page import find_chromium, open_chromium

    if find_chromium() is None:
        pytest.skip("NOT TESTED: no Chromium (apt-get install chromium, or CHROMIUM=)")
    with open_chromium() as browser:
        yield browser
