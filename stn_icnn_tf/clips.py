"""Video files: their frames as arrays, and arrays as frames. No TensorFlow, no Keras.

PyAV reads and writes them, FFmpeg's libraries in a package: the extra `video`.
"""

import contextlib
import dataclasses
import fractions
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from stn_icnn_tf.extras import needs_extra

# Of the files that are taken for videos.
SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv"),
    *(".3gp", ".mts", ".m2ts", ".ts", ".flv", ".ogv"),
)
# What times are written in, in parts of a second: a multiple of the usual rates.
_TICKS = 90_000
# Hardly to be told from the frames, and written as fast as they are parsed.
X264 = {"crf": "18", "preset": "veryfast"}
# Seconds by which a file may be shorter than it says: FFmpeg takes no notice of an end
# that is cut off.
_SHORT = 1
_RATE_IF_UNKNOWN = fractions.Fraction(25)
# BT.709: what players take a video for; PyAV would write BT.601.
_BT709 = 1


class ClipError(OSError):
    """A file or camera that cannot be read as a video; it says why."""


@dataclasses.dataclass(frozen=True)
class ClipFrame:
    """A frame of a video.

    Attributes:
        pixels: uint8 `(height, width, 3)`, RGB, turned upright.
        time: in seconds from the first frame.
    """

    pixels: np.ndarray
    time: fractions.Fraction


def read_clip(
    path: str | os.PathLike, file_format: str | None = None
) -> Iterator[ClipFrame]:
    """Reads the frames of a video one by one, upright, at their own times.

    Args:
        path: of the file; or the name of a camera.
        file_format: FFmpeg's name of the format; None: what the file is. Of a camera
            it is the system that it belongs to, such as `"v4l2"`.

    Yields:
        its frames.

    Raises:
        ImportError: if PyAV is not installed.
        ClipError: if it cannot be read, or has no frame; or if it is damaged, after
            the frames that can be read.
    """
    av = import_av()
    if os.path.isfile(path) and not os.path.getsize(path):
        raise ClipError("it is empty")
    count, damaged = 0, 0
    first = time = fractions.Fraction(0)
    try:
        with av.open(os.fspath(path), format=file_format) as container:
            if not container.streams.video:
                raise ClipError("it has no pictures")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            promised = _duration(container, stream)
            for packet in container.demux(stream):
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:
                    damaged += 1
                    continue
                for frame in frames:
                    time = _time(frame, count, stream)
                    first = first if count else time
                    yield ClipFrame(_upright(frame), time - first)
                    count += 1
    except av.error.FFmpegError as error:
        where = f"it breaks off after {count} frames: " if count else ""
        raise ClipError(f"{where}{_reason(error)}") from error
    if not count:
        raise ClipError("it has no frame that can be read")
    if damaged or time - first < promised - _SHORT:
        raise ClipError(f"it is damaged: {count} frames can be read")


class ClipWriter:
    """Writes an MP4 file, H.264; a context manager.

    Times are kept as they are, whether the frame rate varies or not. Sides that are
    odd, which H.264 does not know, get one black pixel more.

    Args:
        path: of the file.
        **options: of x264, besides those of `X264`, or instead of them.

    Raises:
        ImportError: if PyAV is not installed.
        OSError: if it cannot be written.
    """

    def __init__(self, path: str | os.PathLike, **options: str) -> None:
        self._options = {**X264, **options}
        self._av = import_av()
        with self._os_errors():
            self._container = self._av.open(os.fspath(path), "w", format="mp4")
        self._stream: Any = None
        self._last = -1

    def __enter__(self) -> "ClipWriter":
        return self

    def __exit__(self, *error: Any) -> None:
        with self._os_errors():
            if self._stream is not None and error[0] is None:
                self._container.mux(self._stream.encode())
            self._container.close()

    def write(self, pixels: np.ndarray, time: fractions.Fraction) -> None:
        """Writes a frame.

        Args:
            pixels: uint8 `(height, width, 3)`, RGB, each of one size.
            time: in seconds from the first frame.

        Raises:
            OSError: if it cannot be written.
            ValueError: if its size is another.
        """
        height, width = pixels.shape[:2]
        pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)))
        if self._stream is None:
            self._stream = self._add_stream(pixels)
        size = self._stream.height, self._stream.width
        if pixels.shape[:2] != size:
            raise ValueError(
                f"Argument `pixels` must have the size of the first frame, {size}. "
                f"Received: pixels.shape={pixels.shape}"
            )
        frame = self._av.VideoFrame.from_ndarray(pixels, "rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
        # Each frame comes after the one before, whatever the file says.
        self._last = max(round(time * _TICKS), self._last + 1)
        frame.pts, frame.time_base = self._last, fractions.Fraction(1, _TICKS)
        with self._os_errors():
            self._container.mux(self._stream.encode(frame))

    def _add_stream(self, pixels: np.ndarray) -> Any:
        stream = self._container.add_stream("libx264", _RATE_IF_UNKNOWN, self._options)
        stream.height, stream.width = pixels.shape[:2]
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = fractions.Fraction(1, _TICKS)
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        return stream

    @contextlib.contextmanager
    def _os_errors(self) -> Iterator[None]:
        try:
            yield
        except self._av.error.FFmpegError as error:
            raise OSError(_reason(error)) from error


def import_av() -> Any:
    """Imports PyAV.

    Raises:
        ImportError: if it is not installed; it says how.
    """
    with needs_extra("Reading and writing videos needs PyAV", "video"):
        import av
    return av


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _time(frame: Any, number: int, stream: Any) -> fractions.Fraction:
    if frame.pts is None:
        return number / (stream.average_rate or _RATE_IF_UNKNOWN)
    return frame.pts * frame.time_base


def _duration(container: Any, stream: Any) -> fractions.Fraction:
    """Returns how many seconds the file says it has; 0 if it does not say."""
    whole = fractions.Fraction(container.duration or 0, 1_000_000)
    own = stream.duration * stream.time_base if stream.duration else whole
    # Sound may be longer.
    return min(whole, own)


def _upright(frame: Any) -> np.ndarray:
    # Counterclockwise, in degrees; phones store quarters of a turn.
    pixels = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))


def is_clip(path: pathlib.Path) -> bool:
    """Tells a video by its name."""
    return path.suffix.lower() in SUFFIXES
