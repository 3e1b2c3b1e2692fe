"""Parses videos for `face-parse`: masks and an overlay of each."""

import contextlib
import dataclasses
import pathlib
import shutil
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from absl import flags
from tqdm import tqdm

from stn_icnn_tf.clips import ClipError, ClipFrame, ClipWriter, read_clip
from stn_icnn_tf.files import written_beside
from stn_icnn_tf.parsed_face import ParsedFace
from stn_icnn_tf.visualize import palette_image
from trainers.common.photo_parsing import WriteLine
from trainers.common.photos import first_existing
from trainers.common.records import face_record

if TYPE_CHECKING:
    from stn_icnn_tf.video_parser import VideoParser

# FFmpeg's names of what a system's cameras belong to, and of its first one.
CAMERAS = {
    "linux": ("v4l2", "/dev/video0"),
    "darwin": ("avfoundation", "0"),
    "win32": ("dshow", ""),
}


def define_clip_flags() -> None:
    """Defines the flags about videos and cameras."""
    flags.DEFINE_bool(
        "webcam", False, "Parse what a camera sees, until Ctrl-C; needs `video`."
    )
    flags.DEFINE_string(
        "camera",
        CAMERAS.get(sys.platform, ("", ""))[1],
        "FFmpeg's name of the camera; on Windows video=NAME.",
    )
    flags.DEFINE_bool("steady", True, "Steady the masks of a video in time.")


@dataclasses.dataclass(frozen=True)
class Clip:
    """A video, or a camera.

    Attributes:
        path: of the file, or the camera's name.
        stem: of the outputs.
        camera: the format that FFmpeg reads the camera by; None: it is a file.
    """

    path: pathlib.Path
    stem: str
    camera: str | None = None

    @classmethod
    def of_camera(cls, name: str) -> "Clip":
        """Returns the camera of a name.

        Raises:
            ValueError: if none is named, or this system's are not known.
        """
        if sys.platform not in CAMERAS or not name:
            raise ValueError(
                "Argument `camera` must name one, as FFmpeg calls it. "
                f"Received: camera={name}"
            )
        return cls(pathlib.Path(name), "webcam", CAMERAS[sys.platform][0])

    def outputs(self, folder: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
        """Returns the folder of the masks, and the overlay's file."""
        return folder / f"{self.stem}_masks", folder / f"{self.stem}_overlay.mp4"

    def existing_output(self, folder: pathlib.Path) -> str | None:
        """Says which output is there already; None if none is."""
        return first_existing(self.outputs(folder))


def parse_clips(
    video: "VideoParser",
    clips: list[Clip],
    output: pathlib.Path | None,
    overwrite: bool = False,
    write_line: WriteLine | None = None,
) -> list[tuple[pathlib.Path, str]]:
    """Parses videos, one after the other.

    Args:
        video: the parser.
        clips: the videos.
        output: folder for the masks, `STEM_masks/000000.png` and so on, and for
            `STEM_overlay.mp4`; None: none are written.
        overwrite: whether to replace what is there already.
        write_line: takes what is said of each frame, see `face_record`; None: nothing
            is measured.

    Returns:
        those that were not parsed whole, or whose result could not be written, with
        the reason. What could be read of a damaged one is there.
    """
    failed = []
    for clip in clips:
        there = None
        if output is not None and not overwrite:
            there = clip.existing_output(output)
        try:
            if there is not None:
                raise ClipError(there)
            count = _parse_clip(video, clip, output, write_line)
            where = "" if output is None else f" -> {output}"
            print(f"{clip.path}: {count} frames{where}")
        except OSError as error:
            failed.append((clip.path, str(error)))
            whole = " whole" if isinstance(error, _DamagedError) else ""
            print(f"{clip.path}: not parsed{whole}: {error}", file=sys.stderr)
            if write_line is not None:
                write_line({"clip": str(clip.path), "error": str(error)})
    return failed


def _parse_clip(
    video: "VideoParser",
    clip: Clip,
    output: pathlib.Path | None,
    write_line: WriteLine | None,
) -> int:
    video.reset()
    damage: _DamagedError | None = None
    count = 0
    with contextlib.ExitStack() as stack:
        results = stack.enter_context(_Results(clip, output)) if output else None
        try:
            for frame in tqdm(read_clip(clip.path, clip.camera), unit=" frames"):
                face = video(frame.pixels)
                if results is not None:
                    results.write(face, frame)
                if write_line is not None:
                    where = {"frame": count, "time": round(float(frame.time), 6)}
                    write_line({"clip": str(clip.path), **where, **face_record(face)})
                count += 1
        except KeyboardInterrupt:
            if clip.camera is None:
                raise
        except ClipError as error:
            if not count:
                raise
            # What could be read stays.
            damage = _DamagedError(str(error))
    if damage is not None:
        raise damage
    return count


class _DamagedError(ClipError):
    """Of a video that could not be read to its end."""


class _Results:
    """Writes masks and overlay beside their places, and moves them there at the end."""

    def __init__(self, clip: Clip, output: pathlib.Path) -> None:
        self._places = clip.outputs(output)
        self._stack = contextlib.ExitStack()
        self._count = 0

    def __enter__(self) -> "_Results":
        self._masks, overlay = (
            self._stack.enter_context(written_beside(place)) for place in self._places
        )
        self._masks.mkdir()
        self._overlay = self._stack.enter_context(ClipWriter(overlay))
        return self

    def __exit__(self, *error: Any) -> bool | None:
        if error[0] is None and self._places[0].is_dir():
            shutil.rmtree(self._places[0])
        return self._stack.__exit__(*error)

    def write(self, face: ParsedFace, frame: ClipFrame) -> None:
        mask = palette_image(face.mask, face.class_set)
        mask.save(self._masks / f"{self._count:06d}.png")
        self._overlay.write(np.asarray(face.overlay()), frame.time)
        self._count += 1
