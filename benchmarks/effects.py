"""What can one do with a face? The pictures of docs/effects.md.

python -m benchmarks.effects --model=head --output=docs/effects.png

Of the photo of benchmarks.overlays: its mask with the legend, hair and lips tinted,
skin smoothed and where, and the head cut out, on a background.
"""

import numpy as np
from absl import app, flags
from PIL import Image

from benchmarks.overlays import astronaut
from stn_icnn_tf.face_parser import FaceParser
from stn_icnn_tf.parsed_face import ParsedFace
from stn_icnn_tf.visualize import contact_sheet, legend
from trainers.common.flags import define_model_flag, refuse_arguments, usage_errors
from trainers.common.paths import define_path, output_file

FLAGS = flags.FLAGS

# Of each picture on the sheet, in pixels; and what is shown of the photo.
SIDE, SHOWN = 264, (slice(4, 224), slice(110, 330))


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_model_flag()
    define_path("output", "effects.png", "File for the picture.")


def pictures(face: ParsedFace) -> list[Image.Image]:
    """Returns the photo, and seven pictures of what is made of it."""
    grey = np.uint8(np.round(255 * face.smoothing_mask()))
    wall = Image.new("RGBA", face.mask.shape[::-1], (50, 130, 90))
    wall.alpha_composite(face.cut_out("head", "neck"))
    smooth = face.smooth_skin(0.8)
    made_up = face.tint("hair", "#a02818", photo=smooth)
    return [
        Image.fromarray(face.photo),
        face.overlay(),
        face.tint("hair", "#a02818"),
        face.tint("hair", "#3050a0"),
        Image.fromarray(grey).convert("RGB"),
        smooth,
        face.tint("lips", "crimson", photo=made_up),
        wall.convert("RGB"),
    ]


def sheet(face: ParsedFace) -> Image.Image:
    """Draws the pictures in two rows, and the legend below."""
    size = (SIDE, SIDE)
    large = [
        picture.resize(size, Image.Resampling.LANCZOS) for picture in pictures(face)
    ]
    top = contact_sheet([np.asarray(picture) for picture in large], 4, SIDE)
    names = legend(face.class_set, columns=6)
    whole = Image.new("RGB", (top.width, top.height + names.height + 16), "white")
    whole.paste(top, (0, 0))
    whole.paste(names, ((top.width - names.width) // 2, top.height + 8))
    return whole


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        output = output_file(FLAGS.output)
        parser = FaceParser(FLAGS.model)
        sheet(parser(astronaut()[SHOWN])).save(output)
    print(f"Picture: {output}")


if __name__ == "__main__":
    define_flags()
    flags.mark_flag_as_required("model")
    app.run(main)
