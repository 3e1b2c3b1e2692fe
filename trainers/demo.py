"""The main job on synthetic faces, in minutes: `make demo` runs it.

Builds the data, trains in stages and jointly, prints the score table, writes a
SavedModel, and parses a real photo; and so does, for comparison, the model `helen`.
"""

import pathlib
import subprocess
import sys
import time

from absl import app, flags
from PIL import Image

from trainers.common.flags import refuse_arguments

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    flags.DEFINE_string("output", "demo_output", "Folder for everything that is made.")
    flags.DEFINE_string("photo", None, "Your own photo; default: an astronaut.")


def run(*arguments: str) -> None:
    """Runs a script of the project, showing the command."""
    print("\n$ python -m " + " ".join(arguments), flush=True)
    subprocess.run([sys.executable, "-m", *arguments], check=True)


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
    output = pathlib.Path(FLAGS.output)
    output.mkdir(parents=True, exist_ok=True)
    data = ("--dataset=synthetic_faces", f"--data_dir={output / 'data'}")
    model = f"--model={output / 'run'}"
    photo = pathlib.Path(FLAGS.photo) if FLAGS.photo else example_photo(output)
    run(
        "trainers.train",
        *data,
        f"--run_dir={output / 'run'}",
        "--schedule=demo",
        "--train_split=train[:320]",
        "--precision=mixed_bfloat16",
    )
    run("trainers.evaluate", model, *data)
    run("trainers.export", model, f"--output={output / 'saved_model'}")
    run("trainers.predict", model, f"--input={photo}", f"--output={output}")
    shipped = output / "helen"
    run("trainers.predict", "--model=helen", f"--input={photo}", f"--output={shipped}")
    minutes = (time.monotonic() - start) / 60
    print(f"\nDone in {minutes:.1f} minutes. {photo.name} with its parts outlined:")
    for folder, by in ((output, "what you trained"), (shipped, "the model `helen`")):
        print(f"{folder / photo.stem}_overlay.png, by {by}")


if __name__ == "__main__":
    define_flags()
    app.run(main)
