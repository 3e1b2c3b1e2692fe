"""Parses photos: writes STEM_mask.png and STEM_overlay.png for each.

One roughly centred face a photo is assumed.

  python -m trainers.predict --model=runs/helen --input=photos --output=masks
"""

import pathlib
import sys

import tensorflow as tf
from absl import app, flags
from tqdm import tqdm

from stn_icnn_tf.inference import InferenceModel
from stn_icnn_tf.model import StnIcnn
from stn_icnn_tf.pretrained import load_model
from trainers.flags_common import define_model_flag, refuse_arguments, usage_errors
from trainers.photos import (
    READ_ERRORS,
    list_photos,
    output_stems,
    read_photo,
    save_parsed,
)

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_model_flag()
    flags.DEFINE_string("input", None, "A photo, or a folder of photos.")
    flags.DEFINE_string("output", None, "Folder for the masks and overlays.")


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
            save_parsed(photo, mask, output, stem)
        # One bad file must not cost the others.
        except READ_ERRORS as error:
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
