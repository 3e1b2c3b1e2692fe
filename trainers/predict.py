"""Parses photos: writes STEM_mask.png and STEM_overlay.png for each.

One face a photo is assumed, wherever it is; --detect_faces finds every face. A photo
whose mask or overlay is there already is left, unless --overwrite is given.

  python -m trainers.predict ME.jpg --output=masks
  python -m trainers.predict --model=runs/helen --input=photos --output=masks

--classes, --tint, --smooth_skin, --cut_out and --regions write more: docs/effects.md.
"""

import pathlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from absl import app, flags
from tqdm import tqdm

from stn_icnn_tf.face_parser import FaceParser
from stn_icnn_tf.inference.fused import PRECISIONS
from stn_icnn_tf.photos import read_photo
from trainers.common.effect_flags import NO_EFFECTS, Effects, define_effect_flags
from trainers.common.flags import define_overwrite, usage_errors
from trainers.common.paths import (
    define_path,
    define_paths,
    local_path,
    output_folder,
)
from trainers.common.photos import (
    existing_output,
    list_photos,
    output_stems,
    unique_photos,
)

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_path("model", "head", "Shipped model, run folder, or .keras file.")
    define_paths("input", [], "A photo, or a folder of photos; may be repeated.")
    define_path("output", "masks", "Folder for the masks and overlays.")
    flags.DEFINE_bool(
        "find_faces", True, "Search for a face that is small, off the middle or rolled."
    )
    flags.DEFINE_bool(
        "detect_faces", False, "Parse every face of a photo; needs the extra `detect`."
    )
    define_overwrite()
    flags.DEFINE_enum("precision", "float32", PRECISIONS, "Of the networks.")
    define_effect_flags()


def parse_photos(
    parse: Callable[[np.ndarray], Any],
    photos: list[pathlib.Path],
    output: pathlib.Path,
    effects: Effects = NO_EFFECTS,
    overwrite: bool = False,
) -> list[tuple[pathlib.Path, str]]:
    """Parses photos one by one; says which have no face.

    Args:
        parse: a `FaceParser`.
        photos: their files.
        output: folder for the masks and overlays.
        effects: what else is written.
        overwrite: whether to replace files that are there already.

    Returns:
        the files that were not parsed, or whose result could not be written, with the
        reason. An error of the model is none of theirs: it is raised.
    """
    output.mkdir(parents=True, exist_ok=True)
    failed, rows = [], []

    def report(path: pathlib.Path, reason: str) -> None:
        failed.append((path, reason))
        print(f"{path}: not parsed: {reason}", file=sys.stderr)

    stems = output_stems(photos)
    for path, stem in zip(tqdm(photos, unit=" photos"), stems, strict=True):
        there = None if overwrite else existing_output(output, stem, effects.endings)
        if there is not None:
            report(path, there)
            continue
        # One bad file must not cost the others.
        try:
            photo = read_photo(path)
        except OSError as error:
            report(path, str(error))
            continue
        face = parse(photo)
        if not face.faces:
            print(f"{path}: no face found", file=sys.stderr)
        try:
            face.save(output, stem)
            effects.save(face, output, stem)
        except OSError as error:
            report(path, f"cannot be written: {error}")
            continue
        rows += effects.rows(face, path)
    effects.write_regions(rows)
    return failed


def main(argv: list[str]) -> None:
    """Runs the script; exits 1 if a file failed."""
    with usage_errors():
        inputs = [*map(local_path, argv[1:]), *FLAGS.input]
        if not inputs:
            raise ValueError("Name a photo, or a folder of photos: face-parse ME.jpg")
        photos = unique_photos(
            photo for path in inputs for photo in list_photos(pathlib.Path(path))
        )
        output = output_folder(FLAGS.output)
        effects = Effects.from_flags()
        parser = FaceParser(
            FLAGS.model, FLAGS.find_faces, FLAGS.detect_faces, FLAGS.precision
        )
        effects.check(parser.class_set, FLAGS.overwrite)
    failed = parse_photos(parser, photos, output, effects, FLAGS.overwrite)
    print(f"{len(photos) - len(failed)} of {len(photos)} photos -> {FLAGS.output}")
    if failed:
        sys.exit(1)


def run() -> None:
    """Runs the script by its command line: what `face-parse` calls."""
    define_flags()
    app.run(main)


if __name__ == "__main__":
    run()
