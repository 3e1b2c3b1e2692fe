"""A photo parsed by a shipped model, then a training, in minutes: `make demo` runs it.

The photo comes first, some seconds after the start. Then faces are drawn, a model is
trained on them in stages and jointly, scored, shown beside the true outlines on drawn
faces that it has not seen, and written as a SavedModel.
"""

import pathlib
import subprocess
import sys
import time

from absl import app, flags
from PIL import Image

from trainers.common.flags import refuse_arguments, usage_errors
from trainers.common.paths import define_path, output_folder

FLAGS = flags.FLAGS

SHIPPED = "head"


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_path("output", "demo_output", "Folder for everything that is made.")
    define_path("photo", None, "Your own photo; default: an astronaut.")


def run(*arguments: str) -> None:
    """Runs a script of the project, showing the command."""
    print("$ python -m " + " ".join(arguments), flush=True)
    subprocess.run([sys.executable, "-m", *arguments], check=True)


def say(text: str) -> None:
    """Prints a line that starts a step."""
    print(f"\n{text}", flush=True)


def example_photo(folder: pathlib.Path) -> pathlib.Path:
    """Writes the face of scikit-image's astronaut (public domain, NASA)."""
    from skimage import data

    path = folder / "astronaut.png"
    Image.fromarray(data.astronaut()[0:240, 100:340]).save(path)
    return path


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    start = time.monotonic()
    with usage_errors():
        output = output_folder(FLAGS.output)
    photo = pathlib.Path(FLAGS.photo) if FLAGS.photo else example_photo(output)
    say(f"{photo.name}, parsed by the model `{SHIPPED}`, which comes with the package:")
    # The folder is the demo's, which may run again; beside one's own photo, nothing is.
    beside = FLAGS.photo and photo.resolve().parent == output.resolve()
    run(
        "trainers.predict",
        f"--model={SHIPPED}",
        f"--input={photo}",
        f"--output={output}",
        f"--overwrite={not beside}",
    )
    say(f"Look at it: {output / photo.stem}_overlay.png")

    say("Now a model of your own, trained on drawn faces from nothing:")
    data = ("--dataset=synthetic_faces", f"--data_dir={output / 'data'}")
    model = f"--model={output / 'run'}"
    run(
        "trainers.train",
        *data,
        f"--run_dir={output / 'run'}",
        "--schedule=demo",
        "--train_split=train[:320]",
        "--precision=mixed_bfloat16",
    )
    say("Its scores on drawn faces that it has not seen, and how they look:")
    run("trainers.evaluate", model, *data)
    # Of photos it knows nothing: on them it would be right by chance.
    run("trainers.compare", model, *data, f"--output={output / 'drawn_faces.png'}")
    say("The same model for TensorFlow Serving:")
    run("trainers.export", model, f"--output={output / 'saved_model'}")
    minutes = (time.monotonic() - start) / 60
    say(f"Done in {minutes:.1f} minutes. To look at, in {output}:")
    print(f"{photo.stem}_overlay.png  the photo, by the model `{SHIPPED}`")
    print("drawn_faces.png  drawn faces: true outlines, and those of what you trained")


if __name__ == "__main__":
    define_flags()
    app.run(main)
