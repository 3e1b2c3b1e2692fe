"""What does the model do to a photo? The first picture of the README.

python -m benchmarks.windows --model=head --output=docs/astronaut.png

The photo of benchmarks.overlays as it is, with the windows that the spatial transformer
cuts out, and with its mask.
"""

import numpy as np
from absl import app, flags
from PIL import Image

from benchmarks.overlays import astronaut
from stn_icnn_tf.face_parser import FaceParser
from stn_icnn_tf.parsed_face import ParsedFace
from stn_icnn_tf.visualize import contact_sheet, outline_windows, window_boxes
from trainers.common.flags import define_model_flag, refuse_arguments, usage_errors
from trainers.common.paths import define_path, output_file

FLAGS = flags.FLAGS

# Of each picture, in pixels; and what is shown of the photo.
SIDE, SHOWN = 360, (slice(4, 224), slice(110, 330))


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_model_flag()
    define_path("output", "windows.png", "File for the picture.")


def photo() -> np.ndarray:
    """Returns the face: uint8 `(SIDE, SIDE, 3)`."""
    face = Image.fromarray(astronaut()[SHOWN])
    return np.asarray(face.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def sheet(face: ParsedFace) -> Image.Image:
    """Draws a square photo, its windows and its mask side by side."""
    boxes = window_boxes(face.theta, face.mask.shape)
    windows = outline_windows(face.photo, boxes, width=2, class_set=face.class_set)
    panels = [face.photo, windows, np.asarray(face.overlay())]
    return contact_sheet(panels, 3, len(face.photo))


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        output = output_file(FLAGS.output)
        # Framed as it is: rolled windows could not be drawn as boxes.
        parser = FaceParser(FLAGS.model, find_faces=False)
        sheet(parser(photo())).save(output)
    print(f"Picture: {output}")


if __name__ == "__main__":
    define_flags()
    flags.mark_flag_as_required("model")
    app.run(main)
