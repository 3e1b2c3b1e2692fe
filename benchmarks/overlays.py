"""What do the masks look like? Twelve overlays on faces that anyone may show.

python -m benchmarks.overlays --model=helen --output=docs/overlays.png

A photo of an astronaut (NASA, public domain; it comes with scikit-image), as it is and
as it should not matter: small, large, in a corner, turned, dark, grey, blurred.
And drawn faces.
"""

import numpy as np
from absl import app, flags
from PIL import Image, ImageFilter

from stn_icnn_tf.drawn_faces.drawing import draw_face
from stn_icnn_tf.extras import needs_extra
from stn_icnn_tf.face_parser import FaceParser
from stn_icnn_tf.visualize import contact_sheet
from trainers.common.flags import define_model_flag, refuse_arguments, usage_errors
from trainers.common.paths import define_path, output_file

FLAGS = flags.FLAGS

# Of each picture on the sheet, in pixels.
SIDE = 256


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_model_flag()
    define_path("output", "overlays.png", "File for the picture.")


def astronaut() -> np.ndarray:
    """Returns the photo: uint8 `(512, 512, 3)`.

    Raises:
        ImportError: if scikit-image is not installed.
    """
    with needs_extra("The photo comes with scikit-image", "demo"):
        import skimage.data
    return skimage.data.astronaut()


def twelve_faces() -> list[np.ndarray]:
    """Returns twelve photos and drawings, uint8 `(height, width, 3)` each."""
    whole = Image.fromarray(astronaut())
    face = whole.crop((110, 10, 340, 240))
    corner = Image.new("RGB", (512, 512), (120, 110, 100))
    corner.paste(face.resize((150, 150)), (340, 30))
    pictures = [
        whole,
        face,
        face.resize((64, 64)),
        corner,
        face.rotate(30, Image.Resampling.BILINEAR, expand=True),
        face.rotate(-30, Image.Resampling.BILINEAR, expand=True),
        face.point(lambda value: value // 3),
        face.convert("L").convert("RGB"),
        face.filter(ImageFilter.GaussianBlur(3)),
    ]
    drawings = [
        draw_face(np.random.default_rng(seed), (256, 256))[0] for seed in (3, 4, 5)
    ]
    return [np.asarray(picture) for picture in pictures] + drawings


def enlarge(picture: np.ndarray) -> np.ndarray:
    """Enlarges a small picture to `SIDE` pixels, each pixel to a square."""
    height, width = picture.shape[:2]
    factor = SIDE / max(height, width)
    if factor <= 1:
        return picture
    size = round(width * factor), round(height * factor)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.NEAREST))


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        output = output_file(FLAGS.output)
        parser = FaceParser(FLAGS.model)
    overlays = [np.asarray(face.overlay()) for face in parser(twelve_faces())]
    sheet = contact_sheet([enlarge(picture) for picture in overlays], 4, SIDE)
    sheet.save(output)
    print(f"Picture: {output}")


if __name__ == "__main__":
    define_flags()
    flags.mark_flag_as_required("model")
    app.run(main)
