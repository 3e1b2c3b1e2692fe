"""SavedModels, loaded and run as TensorFlow Serving does: as sessions of a graph.

Failures are `tf.errors`, whose codes are those of gRPC.
"""

import collections
import gc
import pathlib
import time
import weakref

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from stn_icnn_tf.export.warmup import WARMUP_FILE


class LoadedVersion:
    """One version of a model.

    Args:
        folder: that holds `saved_model.pb`. Requests for warming up that lie in it
            are run first, and must succeed.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph)
        with graph.as_default():
            loaded = tf.compat.v1.saved_model.load(
                self._session, [tf.saved_model.SERVING], str(folder)
            )
        self.signatures = dict(loaded.signature_def)
        self.warmed_up_by = 0
        if (folder / WARMUP_FILE).is_file():
            self._warm_up(folder / WARMUP_FILE)

    def run(
        self, name: str, inputs: dict[str, np.ndarray], timeout: float | None = None
    ) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
            name: of the signature.
            inputs: name -> array; of strings, an object array of bytes.
            timeout: seconds, or None for no limit.

        Returns:
            name -> array.

        Raises:
            tf.errors.OpError: as the server would answer.
        """
        signature = self.signature(name)
        if set(inputs) != set(signature.inputs):
            raise tf.errors.InvalidArgumentError(
                None,
                None,
                f"Signature {name} takes the inputs {sorted(signature.inputs)}, "
                f"but was sent {sorted(inputs)}",
            )
        feeds = {}
        for key, array in inputs.items():
            dtype = tf.as_dtype(signature.inputs[key].dtype)
            # A session of Python would cast it.
            if tf.as_dtype(array.dtype) != dtype:
                raise tf.errors.InvalidArgumentError(
                    None,
                    None,
                    f"Input {key} must be {dtype.name}, but is {array.dtype}",
                )
            feeds[signature.inputs[key].name] = array
        fetches = {key: info.name for key, info in signature.outputs.items()}
        options = None
        if timeout is not None:
            # 0 would be no limit.
            milliseconds = max(1, int(timeout * 1000))
            options = tf.compat.v1.RunOptions(timeout_in_ms=milliseconds)
        try:
            return self._session.run(fetches, feeds, options)
        except (TypeError, ValueError) as error:  # A wrong shape.
            raise tf.errors.InvalidArgumentError(None, None, str(error)) from error

    def signature(self, name: str) -> meta_graph_pb2.SignatureDef:
        """Finds a `SignatureDef`; an empty name is the default's.

        Raises:
            tf.errors.FailedPreconditionError: if there is none of that name.
        """
        name = name or tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
        if name not in self.signatures:
            raise tf.errors.FailedPreconditionError(
                None, None, f'Serving signature key "{name}" not found.'
            )
        return self.signatures[name]

    def _warm_up(self, file: pathlib.Path) -> None:
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            request = PredictionLog.FromString(record).predict_log.request
            inputs = {key: tf.make_ndarray(t) for key, t in request.inputs.items()}
            self.run(request.model_spec.signature_name, inputs)
            self.warmed_up_by += 1


class LoadedModel:
    """A model and its versions.

    Args:
        name: that requests must give.
        base_path: folder of the version folders, as `trainers.export` writes it.

    Attributes:
        faults: errors to answer the next predictions with, before any real answer.
        delay: seconds to wait before each prediction.
    """

    def __init__(self, name: str, base_path: str | pathlib.Path) -> None:
        self.name = name
        self._base_path = pathlib.Path(base_path)
        self.versions: dict[int, LoadedVersion] = {}
        self._leaving: list[weakref.ref] = []
        self.refresh()
        if not self.versions:
            raise ValueError(
                "Argument `base_path` must hold a version folder, such as 1. "
                f"Received: base_path={base_path}"
            )
        self.faults: collections.deque[tf.errors.OpError] = collections.deque()
        self.delay = 0.0

    def refresh(self) -> None:
        """Loads the versions whose folders are new, then lets go of those gone.

        A number is read once, as the server does. Requests that run keep their version.
        """
        folders = {
            int(folder.name): folder
            for folder in self._base_path.iterdir()
            if folder.name.isdecimal()
        }
        fresh = {
            number: LoadedVersion(folder)
            for number, folder in folders.items()
            if number not in self.versions
        }
        kept = {n: v for n, v in self.versions.items() if n in folders}
        gone = self.versions.keys() - kept.keys()
        self._leaving += [weakref.ref(self.versions[number]) for number in gone]
        # At once: a request meets either all of the old ones or all of the new.
        self.versions = {**kept, **fresh}
        leaving = [version for version in self._leaving if version() is not None]
        if len(leaving) < len(self._leaving):
            # Python's graphs refer to themselves, and hold the weights until then.
            gc.collect()
        self._leaving = leaving

    def find(self, name: str, version: int | None) -> tuple[int, LoadedVersion]:
        """Finds a version; None is the latest.

        Raises:
            tf.errors.NotFoundError: if there is no such model, or version of it.
        """
        wanted = (
            f"Latest({name})" if version is None else f"Specific({name}, {version})"
        )
        versions = self.versions
        number = max(versions, default=None) if version is None else version
        if name != self.name or number not in versions:
            raise tf.errors.NotFoundError(
                None, None, f"Servable not found for request: {wanted}"
            )
        return number, versions[number]

    def predict(
        self,
        version: LoadedVersion,
        signature: str,
        inputs: dict[str, np.ndarray],
        timeout: float | None = None,
    ) -> dict[str, np.ndarray]:
        """Runs a signature of a version, after `faults` and `delay`; see its `run`."""
        time.sleep(self.delay)
        try:
            fault = self.faults.popleft()
        except IndexError:
            return version.run(signature, inputs, timeout)
        raise fault
