"""Shows what a model does to photos, on a page of this machine (Gradio).

python -m trainers.app
python -m trainers.app --model=runs/helen --port=7861

It needs the extra `app`. The page is for whoever sits at this machine, unless --host
says otherwise; nothing is sent elsewhere.
"""

import pathlib
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from absl import app, flags
from PIL import Image

from stn_icnn_tf.class_sets import ClassSet
from stn_icnn_tf.extras import needs_extra
from stn_icnn_tf.face_parser import FaceParser
from stn_icnn_tf.parsed_face import ParsedFace
from trainers.common.flags import refuse_arguments, usage_errors
from trainers.common.paths import define_path
from trainers.common.photo_parsing import parse_photos

FLAGS = flags.FLAGS

# Files of the page's visitors are removed after this many seconds.
_KEPT = 3600
COLUMNS = ("part", "share", "mean colour", "pixels")

Parse = Callable[[Any], Any]
Rows = list[tuple[str, str, str, int]]


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_path("model", "head", "Shipped model, run folder, or .keras file.")
    flags.DEFINE_bool(
        "find_faces", True, "Search for a face that is small, off the middle or rolled."
    )
    flags.DEFINE_bool(
        "detect_faces", False, "Parse every face of a photo; needs the extra `detect`."
    )
    flags.DEFINE_string("host", "127.0.0.1", "Address at which the page is served.")
    flags.DEFINE_integer("port", 7860, "Its port.", lower_bound=0, upper_bound=65535)


# === What the page does, without the page ===


def shown_names(class_set: ClassSet) -> list[tuple[str, str]]:
    """Returns what can be ticked, all classes but background: as read, and named."""
    return [(_words(name), name) for name in class_set.names[1:]]


def before_and_after(
    face: ParsedFace, names: Sequence[str], opacity: float
) -> tuple[Image.Image, Image.Image]:
    """Returns the photo, and the photo with some classes drawn over it.

    Args:
        face: the parsed photo.
        names: of the classes.
        opacity: 0..1.
    """
    drawn = face.mask_of(*names) if names else np.zeros(face.mask.shape, bool)
    mask = np.where(drawn, face.mask, 0).astype("uint8")
    chosen = ParsedFace(face.photo, mask, class_set=face.class_set)
    return Image.fromarray(face.photo), chosen.overlay(opacity)


def region_rows(face: ParsedFace) -> Rows:
    """Returns a row of `COLUMNS` for each class that is seen, the largest first."""
    seen = sorted((r for r in face.regions() if r.pixels), key=lambda r: -r.pixels)
    return [
        (
            _words(region.name),
            f"{100 * region.share_of_photo:.2f} %",
            "#" + "".join(f"{round(value):02x}" for value in region.rgb or ()),
            region.pixels,
        )
        for region in seen
    ]


def _words(name: str) -> str:
    return name.replace("_", " ")


def saved_files(face: ParsedFace, folder: pathlib.Path) -> list[str]:
    """Writes the mask and the overlay of a photo; returns these two files."""
    return [str(file) for file in face.save(folder)]


def zip_of_masks(
    parse: Parse, photos: Sequence[str], folder: pathlib.Path
) -> tuple[pathlib.Path, str]:
    """Parses photos one by one, and zips their masks and overlays.

    Args:
        parse: a `FaceParser`.
        photos: their files.
        folder: where `masks.zip` is written.

    Returns:
        the zip file; and what is to be said: how many were parsed, and which were not
        and why.

    Raises:
        ValueError: if there is no photo.
    """
    if not photos:
        raise ValueError("Choose some photos first.")
    file = folder / "masks.zip"
    with tempfile.TemporaryDirectory() as made:
        output = pathlib.Path(made)
        failed = parse_photos(parse, [pathlib.Path(photo) for photo in photos], output)
        with zipfile.ZipFile(file, "w") as archive:  # PNG files are packed already.
            for picture in sorted(output.iterdir()):
                archive.write(picture, picture.name)
    lines = [f"{len(photos) - len(failed)} of {len(photos)} photos parsed."]
    lines += [f"{path.name}: {reason}" for path, reason in failed]
    return file, "\n".join(lines)


# === The page ===


def build_app(parse: Parse, class_set: ClassSet, title: str) -> Any:
    """Builds the page.

    Args:
        parse: a `FaceParser`, or what takes photos as it does.
        class_set: of its masks.
        title: the model's name.

    Returns:
        a `gradio.Blocks`, to be launched.

    Raises:
        ImportError: if the extra `app` is missing.
    """
    gradio = _gradio()
    names = shown_names(class_set)

    def new_folder() -> pathlib.Path:
        return pathlib.Path(tempfile.mkdtemp(prefix="stn_icnn_"))

    def saying_why(preprocess: Callable[[Any], Any]) -> Callable[[Any], Any]:
        # Of a file that it cannot open, Gradio itself shows "Error" and no more.
        def read(payload: Any) -> Any:
            try:
                return preprocess(payload)
            except OSError as error:
                raise gradio.Error("This file is no picture.") from error

        return read

    def on_photo(path: str | None, ticked: list[str], opacity: float) -> tuple:
        if path is None:
            return None, None, [], *to_save([None, None])
        try:
            face = parse(path)
        except OSError as error:
            raise gradio.Error(f"This file is no picture: {error}") from error
        if not face.faces:
            gradio.Warning("No face was found.")
        pictures = before_and_after(face, ticked, opacity)
        files = saved_files(face, new_folder())
        return face, pictures, region_rows(face), *to_save(files)

    def to_save(files: Sequence[str | None]) -> list[Any]:
        return [
            gradio.DownloadButton(value=f, interactive=f is not None) for f in files
        ]

    def on_choice(face: ParsedFace | None, ticked: list[str], opacity: float) -> Any:
        return face and before_and_after(face, ticked, opacity)

    def on_batch(files: list[str] | None) -> tuple[str, str]:
        try:
            file, message = zip_of_masks(parse, files or [], new_folder())
        except ValueError as error:
            raise gradio.Error(str(error)) from error
        return str(file), message

    with gradio.Blocks(
        title=f"Face parsing: {title}",
        analytics_enabled=False,
        delete_cache=(_KEPT, _KEPT),
    ) as page:
        gradio.Markdown(
            f"# Face parsing\nModel `{title}`. Photos stay on the machine that serves "
            "this page. Left and right are the image's."
        )
        face = gradio.State()
        with gradio.Tab("One photo"):
            with gradio.Row():
                with gradio.Column(scale=1):
                    photo = gradio.Image(
                        type="filepath",
                        sources=["upload", "webcam", "clipboard"],
                        label="Photo",
                    )
                    photo.preprocess = saying_why(photo.preprocess)
                    saves = [
                        gradio.DownloadButton(f"Save {what}", interactive=False)
                        for what in ("mask", "overlay")
                    ]
                with gradio.Column(scale=2):
                    pictures = gradio.ImageSlider(
                        label="Before and after", interactive=False, type="pil"
                    )
                    ticked = gradio.CheckboxGroup(
                        names, value=[name for _, name in names], label="Classes"
                    )
                    opacity = gradio.Slider(0, 1, 0.5, step=0.05, label="Opacity")
                    rows = gradio.Dataframe(
                        headers=list(COLUMNS),
                        label="Parts, and their share of the photo",
                        interactive=False,
                        max_height=900,  # All of them, without a bar to scroll by.
                    )
            photo.change(
                on_photo, [photo, ticked, opacity], [face, pictures, rows, *saves]
            )
            for control in (ticked, opacity):
                control.change(on_choice, [face, ticked, opacity], pictures)
        with gradio.Tab("Many photos"):
            batch = gradio.Files(label="Photos", file_types=["image"])
            start = gradio.Button("Parse them", variant="primary")
            archive = gradio.File(label="Masks and overlays", interactive=False)
            said = gradio.Textbox(label="Result", lines=3, interactive=False)
            start.click(on_batch, batch, [archive, said])
    return page


def launch(page: Any, host: str, port: int, block: bool = True) -> str:
    """Serves the page; gives its address once it is there.

    Args:
        page: of `build_app`.
        host: address at which it is served.
        port: 0: any that is free.
        block: whether to serve until the script is stopped.
    """
    gradio = _gradio()
    # Its own fonts come from a server elsewhere.
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["monospace"]}
    *_, address, _ = page.launch(
        server_name=host,
        server_port=port or None,
        share=False,
        quiet=True,
        theme=gradio.themes.Default(**fonts),
        prevent_thread_lock=True,
    )
    print(f"The page is at {address}")
    if block:
        page.block_thread()
    return address


def _gradio() -> Any:
    with needs_extra("The page needs gradio", "app"):
        import gradio
    return gradio


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        _gradio()  # Before the slow part: it may be missing.
        parser = FaceParser(FLAGS.model, FLAGS.find_faces, FLAGS.detect_faces)
    title = pathlib.Path(FLAGS.model).name
    launch(build_app(parser, parser.class_set, title), FLAGS.host, FLAGS.port)


if __name__ == "__main__":
    define_flags()
    app.run(main)
