"""Parses photos: writes STEM_mask.png and STEM_overlay.png for each.

One face a photo is assumed, wherever it is; --detect_faces finds every face. A photo
whose mask or overlay is there already is left, unless --overwrite is given.

  python -m trainers.predict ME.jpg --output=masks
  python -m trainers.predict --model=runs/helen --input=photos --output=masks
  cat ME.jpg | face-parse - > mask.png
  face-parse 'photos/**/*.jpg' --json > faces.jsonl
  face-parse CLIP.mp4 --output=masks

Of a video it writes STEM_masks/000000.png, ... and STEM_overlay.mp4: docs/video.md.

--classes, --tint, --smooth_skin, --cut_out and --regions write more: docs/effects.md.
"""

import contextlib
import json
import pathlib
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from absl import app, flags

from stn_icnn_tf.clips import import_av, is_clip
from stn_icnn_tf.face_parser import ENGINES, FaceParser
from stn_icnn_tf.files import as_path, is_remote
from stn_icnn_tf.inference.engine import PRECISIONS
from stn_icnn_tf.onnx_engine.engine import ONNX_PRECISIONS
from stn_icnn_tf.photos import read_photo
from trainers.common.clips import Clip, define_clip_flags, parse_clips
from trainers.common.effect_flags import NO_EFFECTS, Effects, define_effect_flags
from trainers.common.flags import define_overwrite, usage_errors
from trainers.common.paths import (
    define_path,
    define_paths,
    matched_paths,
    output_folder,
)
from trainers.common.photo_parsing import WriteLine, parse_photos
from trainers.common.photos import list_photos, output_stems, unique_photos
from trainers.common.quiet import quietly_loaded
from trainers.common.streams import STDIN, result_stream

FLAGS = flags.FLAGS

# How a photo without a name is called.
_STDIN_PHOTO = pathlib.Path("stdin")


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_path(
        "model", "head", "Shipped model, run folder, or .keras file.", remote=True
    )
    define_paths(
        "input",
        [],
        "A photo, folder of photos, video, or glob; repeatable.",
        remote=True,
    )
    define_path("output", "masks", "Folder for the masks and overlays.", remote=True)
    flags.DEFINE_bool(
        "json",
        False,
        "Print a line of JSON a photo: sizes, colours, boxes; no pictures, unless "
        "--output is given.",
    )
    flags.DEFINE_bool(
        "find_faces", True, "Search for a face that is small, off the middle or rolled."
    )
    flags.DEFINE_bool(
        "detect_faces", False, "Parse every face of a photo; needs the extra `detect`."
    )
    define_overwrite()
    flags.DEFINE_enum(
        "precision",
        "float32",
        tuple(dict.fromkeys(PRECISIONS + ONNX_PRECISIONS)),
        "Of the networks; bfloat16: with TensorFlow; int8: with ONNX Runtime.",
    )
    flags.DEFINE_enum(
        "engine",
        "tensorflow",
        ENGINES,
        "What runs the networks; onnx starts faster, and needs the extra `onnx`.",
    )
    define_effect_flags()
    define_clip_flags()


def parse_stdin(
    parse: Callable[[np.ndarray], Any], effects: Effects, stream: BinaryIO
) -> None:
    """Parses the photo on standard input, and writes one picture; exits 1 if it fails.

    Args:
        parse: a `FaceParser`.
        effects: what is written: the mask, if nothing is asked for.
        stream: where it is written to, as PNG.
    """
    try:
        photo = _read_stdin()
    except OSError as error:
        print(f"Standard input: not parsed: {error}", file=sys.stderr)
        sys.exit(1)
    face = parse(photo)
    if not face.faces:
        print("Standard input: no face found", file=sys.stderr)
    effects.single(face).save(stream, "PNG")
    effects.write_regions(effects.rows(face, _STDIN_PHOTO))


def _read_stdin(path: pathlib.Path | None = None) -> np.ndarray:
    return read_photo(sys.stdin.buffer.read())


def main(argv: list[str]) -> None:
    """Runs the script; exits 1 if a file failed."""
    with usage_errors():
        inputs = [*argv[1:], *FLAGS.input]
        from_stdin = STDIN in inputs
        if from_stdin and len(inputs) + FLAGS.webcam > 1:
            raise ValueError(f"`{STDIN}`, standard input, is one photo: name no others")
        photos, clips = ([_STDIN_PHOTO], []) if from_stdin else _listed(inputs)
        effects = Effects.from_flags()
        _check_clips(clips, effects)
        output, to_stdout = _where_to(from_stdin, effects)
        with quietly_loaded():
            parser = FaceParser(
                FLAGS.model,
                FLAGS.find_faces,
                FLAGS.detect_faces,
                FLAGS.precision,
                None,
                FLAGS.engine,
            )
        effects.check(parser.class_set, FLAGS.overwrite)
    with result_stream() if to_stdout else contextlib.nullcontext() as stream:
        if stream is not None and not FLAGS.json:
            parse_stdin(parser, effects, stream)
            return
        write_line, failed = _line_writer(stream), []
        if photos:
            read = _read_stdin if from_stdin else read_photo
            failed = parse_photos(
                parser, photos, output, effects, FLAGS.overwrite, write_line, read
            )
            where = "standard output" if output is None else FLAGS.output
            print(f"{len(photos) - len(failed)} of {len(photos)} photos -> {where}")
        if clips:
            from stn_icnn_tf.video_parser import VideoParser  # It needs TensorFlow.

            video = VideoParser(parser, FLAGS.steady)
            failed += parse_clips(video, clips, output, FLAGS.overwrite, write_line)
    if failed:
        sys.exit(1)


def _listed(inputs: list[str]) -> tuple[list[pathlib.Path], list[Clip]]:
    """Lists the photos and the videos; of a folder the photos alone."""
    if not inputs and not FLAGS.webcam:
        raise ValueError("Name a photo, or a folder of photos: face-parse ME.jpg")
    paths = [as_path(path) for text in inputs for path in matched_paths(text)]
    videos = unique_photos(path for path in paths if _is_video(path))
    others = (path for path in paths if not _is_video(path))
    photos = unique_photos(photo for path in others for photo in list_photos(path))
    clips = [Clip(path, stem) for path, stem in zip(videos, output_stems(videos))]
    if FLAGS.webcam:
        clips.append(Clip.of_camera(FLAGS.camera))
    return photos, clips


def _is_video(path: pathlib.Path) -> bool:
    return is_clip(path) and path.is_file()


def _check_clips(clips: list[Clip], effects: Effects) -> None:
    """Checks what only photos have; and PyAV, before the work."""
    if not clips:
        return
    if effects != NO_EFFECTS or FLAGS.detect_faces:
        raise ValueError(
            "--classes, --tint, --smooth_skin, --cut_out, --regions, --detect_faces: "
            f"not of videos. Received: {clips[0].path}"
        )
    if FLAGS.engine != "tensorflow":
        raise ValueError(f"Videos need --engine=tensorflow. Received: {clips[0].path}")
    for path in (*(clip.path for clip in clips), FLAGS.output):
        if is_remote(path):
            raise ValueError(
                f"A video, and what is made of it, must be on this machine: {path}"
            )
    import_av()


def _line_writer(stream: BinaryIO | None) -> WriteLine | None:
    if stream is None:
        return None

    def write_line(record: dict[str, Any]) -> None:
        stream.write(json.dumps(record).encode() + b"\n")
        stream.flush()

    return write_line


def _where_to(from_stdin: bool, effects: Effects) -> tuple[pathlib.Path | None, bool]:
    """Tells the folder of the pictures, if any; and whether stdout is for a result.

    Raises:
        ValueError: if the flags do not go together.
    """
    if FLAGS["output"].present or not (from_stdin or FLAGS.json):
        return output_folder(FLAGS.output), FLAGS.json
    if FLAGS.json and effects.endings:
        raise ValueError("Pictures besides --json need a folder: --output=FOLDER")
    if not FLAGS.json:
        effects.check_single()
        if sys.stdout.isatty():
            raise ValueError(
                "The mask is a PNG file, and standard output is a terminal: "
                "face-parse - > MASK.png, or --output=FOLDER"
            )
    return None, True


def run() -> None:
    """Runs the script by its command line: what `face-parse` calls."""
    define_flags()
    app.run(main)


if __name__ == "__main__":
    run()
