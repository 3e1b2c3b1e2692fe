"""A model carried out by ONNX Runtime; what lies between its networks in NumPy."""

import concurrent.futures
import functools
import io
import itertools
import json
import os
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from stn_icnn_tf.class_sets import ClassSet
from stn_icnn_tf.extras import needs_extra
from stn_icnn_tf.geometry.squares import whole_square
from stn_icnn_tf.inference.engine import Engine, Found, ParsedSquare
from stn_icnn_tf.models.search_thresholds import SearchThresholds
from stn_icnn_tf.onnx_engine.pasting import Networks, paste_back, paste_probabilities
from stn_icnn_tf.onnx_engine.pixels import Cut, candidate_views, resized

# Members of the file that `export.engine_file` makes.
FACE, VIEW, SETTINGS = "face.onnx", "view.onnx", "model.json"

# Of the convs in them.
ONNX_PRECISIONS = ("float32", "int8")


class OnnxEngine(Engine):
    """See `Engine`; on the CPU.

    The masks are those of TensorFlow, up to rounding: that of 8 bits, if the file's
    convs have them.

    Args:
        content: of a file that `export.engine_file` makes.

    Raises:
        ImportError: if the extra `onnx` is missing.
        ValueError: if it is no such file, or damaged.
    """

    MIXED_SIZES = True

    def __init__(self, content: bytes) -> None:
        try:
            # Zip files tell damage by their checksums.
            with zipfile.ZipFile(io.BytesIO(content)) as file:
                members = {name: file.read(name) for name in (FACE, VIEW, SETTINGS)}
            settings = json.loads(members[SETTINGS])
        except (zipfile.BadZipFile, KeyError, ValueError) as error:
            raise ValueError(
                f"Argument `content` must be what engine_file makes. Received: {error}"
            ) from error
        self._view_content = members[VIEW]
        self._face_content = members[FACE]
        self._face = _session(self._face_content, _cores())
        super().__init__(
            ClassSet.from_config(settings["class_set"]),
            settings["mean_crop"],
            SearchThresholds(**settings["search_thresholds"]),
        )
        self._canvas_size = settings["canvas_size"]
        self._view_size = settings["coarse_image_size"]

    def parse_framed(self, photos: Sequence[np.ndarray]) -> list[Found]:
        """Parses photos as they are; of several each core takes one at a time."""
        if len(photos) == 1 or _cores() == 1:
            return [self._parse_whole(photo, self._face) for photo in photos]
        # They need not wait for one another, as the threads of one photo do.
        faces = itertools.repeat(self._face_of_one_core)
        return list(self._pool.map(self._parse_whole, photos, faces))

    def _parse_whole(self, photo: np.ndarray, face: Any) -> Found:
        height, width = photo.shape[:2]
        square = whole_square((width, height))
        parsed = self._parse(_two_pixels_at_least(photo), square, face)
        return self._framed(photo, self._mask(parsed)[:height, :width], parsed)

    def probabilities(self, photo: np.ndarray) -> np.ndarray:
        """Tells how probable each class is."""
        height, width = photo.shape[:2]
        square = whole_square((width, height))
        return self.square_probabilities(_two_pixels_at_least(photo), square)[
            :height, :width
        ]

    def candidate_confidence(self, photo: np.ndarray) -> np.ndarray:
        """Tells how sure the coarse net is of each candidate crop."""
        views = candidate_views(photo, self._view_size)
        (sure,) = self._view.run(["sure"], {"view": views})
        return sure.prod(axis=1)

    def _parse(
        self, photo: np.ndarray, square: np.ndarray, face: Any = None
    ) -> ParsedSquare:
        """Runs the networks on a square of a photo.

        Args:
            photo: uint8 `(height, width, 3)`.
            square: see `squares`.
            face: the session that runs them; None: the one of all cores.
        """
        face = face or self._face
        size = np.asarray(photo.shape[1::-1], "float32")
        cut = Cut(square, size, np.radians(self._cut_thresholds.roll))
        canvas = resized(cut.pixels(photo), (self._canvas_size,) * 2)
        names = [output.name for output in face.get_outputs()]
        outputs = face.run(names, framed_canvas(canvas, self._view_size))
        values = dict(zip(names, outputs, strict=True))
        # The corner pixels of the canvas lie a little within those of the square.
        canvas_size, side = np.float32(self._canvas_size), cut.side
        inwards = (side / (side - 1.0)) * ((canvas_size - 1.0) / canvas_size)
        counts = [len(part.classes) for part in self.class_set.parts]
        patches = np.split(values["patches"], np.cumsum(counts)[:-1])
        said = Networks(values["theta"] * inwards, patches, values.get("base"))
        theta = cut.theta_to_photo(said.theta)
        return self._parsed(theta, photo.shape[1::-1], values["sure"], (cut, said))

    def _mask(self, parsed: ParsedSquare) -> np.ndarray:
        cut, said = parsed.labels
        return cut.to_photo(paste_back(said, int(cut.side), self.class_set))

    def _probabilities(self, parsed: ParsedSquare) -> np.ndarray:
        cut, said = parsed.labels
        planes = paste_probabilities(said, int(cut.side), self.class_set)
        return np.stack([cut.to_photo(plane) for plane in planes], axis=-1)

    @functools.cached_property
    def _view(self) -> Any:
        """Made when it is first needed: many photos need no search."""
        return _session(self._view_content, _cores())

    @functools.cached_property
    def _face_of_one_core(self) -> Any:
        """Made when several photos come at once."""
        return _session(self._face_content, 1)

    @functools.cached_property
    def _pool(self) -> concurrent.futures.Executor:
        return concurrent.futures.ThreadPoolExecutor(_cores())


def framed_canvas(canvas: np.ndarray, coarse_size: int) -> dict[str, np.ndarray]:
    """Returns what `FACE` reads, by name.

    Args:
        canvas: uint8 or float32 `(canvas, canvas, 3)`, a square picture of a face.
        coarse_size: side of the coarse net's picture in pixels.
    """
    coarse = resized(canvas, (coarse_size,) * 2)
    image = canvas.astype("float32", copy=False)
    return {"image": image[None], "coarse_image": coarse[None]}


def _session(content: bytes, cores: int) -> Any:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores
    # Else its threads keep the cores busy while they wait for the next call.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"]
    )


def import_onnxruntime() -> Any:
    """Imports ONNX Runtime.

    Raises:
        ImportError: if the extra `onnx` is missing.
    """
    with needs_extra('engine="onnx" needs onnxruntime', "onnx"):
        import onnxruntime
    return onnxruntime


def _cores() -> int:
    """Counts the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _two_pixels_at_least(photo: np.ndarray) -> np.ndarray:
    """Appends black to a photo of one pixel a side, which has no extent for theta."""
    missing = [(0, max(2 - length, 0)) for length in photo.shape[:2]]
    return np.pad(photo, (*missing, (0, 0))) if np.any(missing) else photo
