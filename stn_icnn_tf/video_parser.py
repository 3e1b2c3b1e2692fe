"""The model for videos: frames in, one after the other, steady masks out."""

import os
from typing import Any

import numpy as np
import tensorflow as tf

from stn_icnn_tf.face_parser import FaceParser
from stn_icnn_tf.inference.steadying import SteadyParser
from stn_icnn_tf.inference.tensorflow_engine import TensorFlowEngine
from stn_icnn_tf.models.stn_icnn import StnIcnn
from stn_icnn_tf.parsed_face import ParsedFace
from stn_icnn_tf.photos import photo_array

# After a search that finds no face the next one waits: twice as long each time.
_MOST_FRAMES_WITHOUT_SEARCH = 16


class VideoParser:
    """Parses a face in the frames of a video.

    It is parsed in the square in which the frame before was parsed, so nothing is
    searched for while the face is held. The square is moved when the face leaves it;
    and when the coarse net's confidence falls below the model's threshold, the face is
    searched for as in a photo. The masks are steadied, see `steadying`.

    One parser is for one video, or camera, at a time; `reset` ends it.

    Args:
        parser: a `FaceParser`, or what makes one: a shipped model, a run folder, a
            `.keras` file, or a `StnIcnn`.
        steady: whether masks are steadied. False: each frame is parsed for itself, in
            the same square.

    Attributes:
        parser: the `FaceParser`.
        class_set: of the masks.
        searches: how often the face was searched for, since the last `reset`.

    Examples:
        >>> video = VideoParser("head")
        >>> for frame in read_clip("me.mp4"):
        ...     mask = video(frame.pixels).mask

    Raises:
        ValueError: if there is no such model, or `parser` runs without TensorFlow.
    """

    def __init__(
        self,
        parser: FaceParser | StnIcnn | str | os.PathLike = "head",
        steady: bool = True,
    ) -> None:
        if not isinstance(parser, FaceParser):
            parser = FaceParser(parser)
        if not isinstance(parser.engine, TensorFlowEngine):
            raise ValueError(
                'Argument `parser` must have engine="tensorflow": videos need it. '
                f"Received: parser.engine={type(parser.engine).__name__}"
            )
        self.parser, self.class_set = parser, parser.class_set
        self.steady = steady
        self._engine = parser.engine
        self._steady = SteadyParser(self._engine.search)
        self._nothing_before = self._steady.nothing_before()
        self._parse = tf.function(
            self._steady.parse,
            input_signature=(
                tf.TensorSpec((None, None, 3), tf.uint8),
                tf.TensorSpec((4,), tf.float32),
                self._steady.state_spec(),
                tf.TensorSpec((), tf.bool),
            ),
            autograph=False,
        )
        self.reset()

    def reset(self) -> None:
        """Forgets the frames before: the next one is the first of another video."""
        self._square: Any = None
        self._state: Any = None
        self._size: tuple[int, ...] | None = None
        self._wait, self._failed, self.searches = 0, 0, 0

    def __call__(self, frame: Any) -> ParsedFace:
        """Parses the next frame.

        Args:
            frame: as `FaceParser` takes a photo. Frames of another size than the one
                before begin anew.

        Returns:
            the face; its probabilities are not known.

        Raises:
            OSError: if a file cannot be read as a picture.
            ValueError: if it is no photo.
        """
        frame = photo_array(frame)
        if frame.shape != self._size:
            self.reset()
            self._size = frame.shape
        with self._engine.on_device():
            found = self._follow(frame)
        return ParsedFace(
            frame,
            found["mask"].numpy(),
            theta=found["theta"].numpy(),
            class_set=self.class_set,
        )

    def _follow(self, frame: np.ndarray) -> dict[str, Any]:
        if self._square is None:
            return self._search(frame)
        found = self._parse_in(frame, self._square)
        if not self.parser.find_faces:
            return found
        if not found["is_sure"]:
            self._wait -= 1
            return found if self._wait > 0 else self._search(frame)
        self._wait = self._failed = 0
        if not found["fits"]:
            self._state = None
            return self._parse_in(frame, found["own_square"])
        return found

    def _search(self, frame: np.ndarray) -> dict[str, Any]:
        self.searches += 1
        self._state = None
        found = self._parse_in(frame, self.parser.find_square(frame))
        if not found["is_sure"]:
            self._failed += 1
            self._wait = min(2**self._failed, _MOST_FRAMES_WITHOUT_SEARCH)
        return found

    def _parse_in(self, frame: np.ndarray, square: Any) -> dict[str, Any]:
        is_first = self._state is None or not self.steady
        before = self._nothing_before if is_first else self._state
        found = self._parse(frame, square, before, is_first)
        self._square, self._state = square, found["state"]
        return found
