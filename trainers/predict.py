"""Parses photos: writes STEM_mask.png and STEM_overlay.png for each.

One face a photo is assumed, roughly in its middle; --detect_faces finds every face.

  python -m trainers.predict ME.jpg --output=masks
  python -m trainers.predict --model=runs/helen --input=photos --output=masks
"""

import pathlib
import sys
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from absl import app, flags
from tqdm import tqdm

from stn_icnn_tf.inference.detection import FaceDetector
from stn_icnn_tf.inference.face_search import FaceSearch
from stn_icnn_tf.inference.fused import FusedModel
from stn_icnn_tf.models.stn_icnn import StnIcnn
from stn_icnn_tf.photos import READ_ERRORS, read_photo
from stn_icnn_tf.pretrained import load_model
from trainers.common.flags import usage_errors
from trainers.common.photos import (
    list_photos,
    output_stems,
    save_parsed,
)

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    flags.DEFINE_string("model", "helen", "Shipped model, run folder, or .keras file.")
    flags.DEFINE_multi_string(
        "input", [], "A photo, or a folder of photos; may be repeated."
    )
    flags.DEFINE_string("output", "masks", "Folder for the masks and overlays.")
    flags.DEFINE_bool(
        "detect_faces", False, "Find every face first; needs the extra `detect`."
    )


def make_parser(
    model: StnIcnn, detector: Callable[[np.ndarray], list] | None = None
) -> Callable[[np.ndarray], tuple[np.ndarray, int]]:
    """Returns what turns a photo into its mask.

    Args:
        model: the model.
        detector: finds the squares of the faces of a photo, the largest first, see
            `FaceDetector`. None: the photo is one face's, whatever its framing.

    Returns:
        takes uint8 `(height, width, 3)`; gives uint8 `(height, width)`, class ids,
        and the number of faces. Where faces overlap, the larger one is in front.
    """
    any_framing = FaceSearch(FusedModel(model))
    photo_spec = tf.TensorSpec((None, None, 3), tf.uint8)
    square_spec = tf.TensorSpec((4,), tf.float32)
    # With a detector it is told where to look.
    parse = tf.function(
        lambda *where: any_framing(*where)["mask"],
        input_signature=[photo_spec] if detector is None else [photo_spec, square_spec],
        autograph=False,
    )

    def parse_photo(photo: np.ndarray) -> tuple[np.ndarray, int]:
        if detector is None:
            return parse(photo).numpy(), 1
        mask, squares = np.zeros(photo.shape[:2], "uint8"), detector(photo)
        for square in squares:
            mask = np.where(mask > 0, mask, parse(photo, square).numpy())
        return mask, len(squares)

    return parse_photo


def parse_photos(
    parse: Callable[[np.ndarray], tuple[np.ndarray, int]],
    photos: list[pathlib.Path],
    output: pathlib.Path,
) -> list[tuple[pathlib.Path, str]]:
    """Parses photos one by one; says which have no face.

    Args:
        parse: see `make_parser`.
        photos: their files.
        output: folder for the masks and overlays.

    Returns:
        the files that could not be read or written, with the reason.
    """
    output.mkdir(parents=True, exist_ok=True)
    failed = []
    stems = output_stems(photos)
    for path, stem in zip(tqdm(photos, unit=" photos"), stems, strict=True):
        try:
            photo = read_photo(path)
            mask, faces = parse(photo)
            if not faces:
                print(f"{path}: no face found", file=sys.stderr)
            save_parsed(photo, mask, output, stem)
        # One bad file must not cost the others.
        except READ_ERRORS as error:
            failed.append((path, f"{type(error).__name__}: {error}"))
            print(f"{path}: cannot be parsed: {error}", file=sys.stderr)
    return failed


def main(argv: list[str]) -> None:
    """Runs the script; exits 1 if a file failed."""
    with usage_errors():
        inputs = [*argv[1:], *FLAGS.input]
        if not inputs:
            raise ValueError("Name a photo, or a folder of photos: face-parse ME.jpg")
        photos = [p for path in inputs for p in list_photos(pathlib.Path(path))]
        model = load_model(FLAGS.model)
        detector = FaceDetector(model.mean_crop) if FLAGS.detect_faces else None
    parse = make_parser(model, detector)
    failed = parse_photos(parse, photos, pathlib.Path(FLAGS.output))
    print(f"{len(photos) - len(failed)} of {len(photos)} photos -> {FLAGS.output}")
    if failed:
        sys.exit(1)


def run() -> None:
    """Runs the script by its command line: what `face-parse` calls."""
    define_flags()
    app.run(main)


if __name__ == "__main__":
    run()
