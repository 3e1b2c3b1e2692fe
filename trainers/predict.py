"""Parses photos: writes STEM_mask.png and STEM_overlay.png for each.

One roughly centred face a photo is assumed.

  python -m trainers.predict --model=runs/helen --input=photos --output=masks
"""

import pathlib
import sys

import numpy as np
import tensorflow as tf
from absl import app, flags
from PIL import Image, ImageOps
from tqdm import tqdm

from stn_icnn_tf.inference import InferenceModel
from stn_icnn_tf.model import StnIcnn
from stn_icnn_tf.pretrained import load_model
from stn_icnn_tf.visualize import overlay, palette_image
from trainers.flags_common import define_model_flag, refuse_arguments, usage_errors

FLAGS = flags.FLAGS

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp")


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_model_flag()
    flags.DEFINE_string("input", None, "A photo, or a folder of photos.")
    flags.DEFINE_string("output", None, "Folder for the masks and overlays.")


def list_photos(path: pathlib.Path) -> list[pathlib.Path]:
    """Lists the photos of a folder, or the one file given.

    Raises:
        ValueError: if there is nothing there.
    """
    if path.is_file():
        return [path]
    photos = []
    if path.is_dir():
        photos = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
    if not photos:
        raise ValueError(
            f"Argument `input` must be a photo or a folder that holds some "
            f"({', '.join(SUFFIXES)}). Received: input={path}"
        )
    return photos


def output_stems(photos: list[pathlib.Path]) -> list[str]:
    """Names the outputs: STEM, or the whole file name where two stems are one."""
    stems = [photo.stem for photo in photos]
    return [
        photo.stem if stems.count(photo.stem) == 1 else photo.name for photo in photos
    ]


def read_photo(path: pathlib.Path) -> np.ndarray:
    """Reads a photo as uint8 `(height, width, 3)`, after its EXIF rotation.

    Raises:
        OSError: if the file cannot be read as a picture.
    """
    with Image.open(path) as picture:
        return np.array(ImageOps.exif_transpose(picture).convert("RGB"))


def parse_photos(
    model: StnIcnn, photos: list[pathlib.Path], output: pathlib.Path
) -> list[tuple[pathlib.Path, str]]:
    """Parses photos one by one.

    Returns:
        the files that could not be read or written, with the reason.
    """
    output.mkdir(parents=True, exist_ok=True)
    parser = InferenceModel(model)
    parse = tf.function(
        lambda photo: parser(photo)["mask"],
        input_signature=[tf.TensorSpec((1, None, None, 3), tf.uint8)],
        autograph=False,
    )
    failed = []
    stems = output_stems(photos)
    for path, stem in zip(tqdm(photos, unit=" photos"), stems, strict=True):
        try:
            photo = read_photo(path)
            mask = parse(photo[None])[0].numpy()
            palette_image(mask).save(output / f"{stem}_mask.png")
            Image.fromarray(overlay(photo, mask)).save(output / f"{stem}_overlay.png")
        # Pillow's errors on broken files are of many kinds; one bad file must
        # not cost the others.
        except (
            OSError,
            ValueError,
            SyntaxError,
            Image.DecompressionBombError,
        ) as error:
            failed.append((path, f"{type(error).__name__}: {error}"))
            print(f"{path}: cannot be parsed: {error}", file=sys.stderr)
    return failed


def main(argv: list[str]) -> None:
    """Runs the script; exits 1 if a file failed."""
    refuse_arguments(argv)
    with usage_errors():
        photos = list_photos(pathlib.Path(FLAGS.input))
        model = load_model(FLAGS.model)
    failed = parse_photos(model, photos, pathlib.Path(FLAGS.output))
    print(f"{len(photos) - len(failed)} of {len(photos)} photos -> {FLAGS.output}")
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    define_flags()
    flags.mark_flags_as_required(["model", "input", "output"])
    app.run(main)
