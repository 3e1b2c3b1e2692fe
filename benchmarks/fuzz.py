"""Is every broken, odd and hostile photo parsed rightly, or named?

  python -m benchmarks.fuzz --count=600

Files are made from a seed (`benchmarks.fuzz_files`) and go through all that reads
photos: FaceParser, predict, what request sends, serving_bytes, the builders, labelled
folders. Right is what Pillow itself makes of a file in 8 bits. The script exits 1 if a
photo is parsed wrongly, an error is none that names a bad file, or a file takes more
than 30 seconds; memory may be bounded from outside (`ulimit -v`).
"""

import collections
import contextlib
import faulthandler
import io
import pathlib
import resource
import struct
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf
from absl import app, flags
from PIL import Image, ImageOps

from benchmarks.fuzz_files import make_files
from stn_icnn_tf.export.image_decoding import decode_photo
from stn_icnn_tf.export.saved_model import export_saved_model
from stn_icnn_tf.face_parser import FaceParser
from stn_icnn_tf.models.stn_icnn import StnIcnn
from stn_icnn_tf.photos import read_photo
from tfds_builders import files
from trainers.common.flags import refuse_arguments
from trainers.common.labelled_folder import LabelledFolder
from trainers.common.photo_parsing import parse_photos
from trainers.common.photos import encoded_photo

FLAGS = flags.FLAGS

MOST_SECONDS = 30.0
# JPEG decoders round differently; of damaged files they go on differently.
_ROUNDING = 2

# A reader of a file: raises what names it as bad, or gives its pixels, or None where
# it gives something else.
Reader = Callable[[pathlib.Path], np.ndarray | None]


class Named(Exception):
    """A file was named as bad."""


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    flags.DEFINE_integer("count", 600, "Files, at least.", 1)
    flags.DEFINE_integer("seed", 0, "Of the damage.")


def rendered(content: bytes, upright: bool = True) -> np.ndarray | None:
    """Renders a file by Pillow in 8 bits; None if it cannot.

    Args:
        content: of the file.
        upright: whether to turn it as EXIF says.
    """
    try:
        with Image.open(io.BytesIO(content)) as picture:
            mode = picture.mode
            if upright:
                with contextlib.suppress(Exception):
                    picture = ImageOps.exif_transpose(picture)
            if not (mode.startswith("I;16") or mode in ("I", "F")):
                return np.array(picture.convert("RGB"))
            grey = np.asarray(picture, "float64")
    except Exception:
        return None
    if not np.isfinite(grey).all() or grey.min() < 0:
        return None
    if mode.startswith("I;16") or (mode == "I" and grey.max() > 255):
        grey = np.floor(grey / 256)
    elif mode == "F" and grey.max() <= 1:
        grey = np.round(grey * 255)
    grey = np.clip(np.round(grey), 0, 255).astype("uint8")
    return np.repeat(grey[..., None], 3, axis=-1)


def critical_chunks(content: bytes) -> bytes:
    """Drops the chunks of a PNG that hold no pixels, damaged or not."""
    if not content.startswith(b"\x89PNG"):
        return content
    kept, place = content[:8], 8
    while place + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        # Those whose name starts with a capital say what the pixels are.
        if kind[:1].isupper():
            kept += content[place : place + size + 12]
        place += size + 12
    return kept


def small_model() -> StnIcnn:
    """Makes a model of random weights, as small as a model can be."""
    filters = {"coarse_filters": (4, 4), "part_filters": (4, 4)}
    return StnIcnn(
        coarse_size=32,
        patch_size=17,
        canvas_size=64,
        localization_filters=(4, 4, 4, 4),
        **filters,
    )


def make_readers(folder: pathlib.Path) -> dict[str, Reader]:
    """Makes everything that reads photos; `folder` is for what they write."""
    model = small_model()
    parser = FaceParser(model, find_faces=False)
    served = export_saved_model(model, folder / "served", find_faces=False)
    served = tf.saved_model.load(str(served)).signatures["serving_bytes"]
    decode = tf.function(
        decode_photo, input_signature=[tf.TensorSpec((), tf.string)], autograph=False
    )

    def parse(path: pathlib.Path) -> np.ndarray:
        try:
            face = parser(path)
        except OSError as error:
            raise Named(str(error)) from error
        return face.photo

    def predict(path: pathlib.Path) -> None:
        output = folder / "masks"
        failed = parse_photos(parser, [path], output, overwrite=True)
        if failed:
            raise Named(failed[0][1])
        with Image.open(output / f"{path.stem}_mask.png") as mask:
            mask.load()

    def decoded(content: bytes) -> np.ndarray:
        photo, problem = decode(content)
        if problem.numpy():
            raise Named(problem.numpy().decode())
        return photo.numpy()

    def request(path: pathlib.Path) -> np.ndarray:
        try:
            content = encoded_photo(path)
        except OSError as error:
            raise Named(str(error)) from error
        return decoded(content)

    def serving_bytes(path: pathlib.Path) -> np.ndarray:
        content = path.read_bytes()
        answer = served(image_bytes=tf.constant([content]))
        photo = None
        if not answer["error"].numpy()[0]:
            mask = tf.io.decode_png(answer["mask_bytes"][0]).numpy()
            photo = decoded(content)
            if mask.shape[:2] != photo.shape[:2]:
                raise ValueError(f"a mask of {mask.shape} of a photo of {photo.shape}")
            return photo
        raise Named(answer["error"].numpy()[0].decode())

    def builder(path: pathlib.Path) -> None:
        try:
            if path.suffix == ".png":
                files.read_picture(path, "PNG")
                files.read_size(path, "PNG")
            else:
                files.read_photo(path)
                files.read_size(path, "JPEG")
        except ValueError as error:
            raise Named(str(error)) from error

    def labelled(path: pathlib.Path) -> None:
        size = (8, 8)
        with contextlib.suppress(OSError):
            size = read_photo(path).shape[1::-1]
        with tempfile.TemporaryDirectory(dir=folder) as own:
            photo = pathlib.Path(own) / path.name
            photo.write_bytes(path.read_bytes())
            Image.new("L", size).save(photo.with_name(f"{photo.stem}_mask.png"))
            try:
                LabelledFolder(own).load("all")
            except ValueError as error:
                raise Named(str(error)) from error

    return {
        "FaceParser": parse,
        "predict": predict,
        "request": request,
        "serving_bytes": serving_bytes,
        "builder": builder,
        "labelled folder": labelled,
    }


def judge(name: str, read: Reader, path: pathlib.Path, content: bytes) -> str:
    """Has a file read.

    Returns:
        `right`, `named`, or what is wrong.
    """
    try:
        pixels = read(path)
    except Named as error:
        return "named" if str(error) else "WRONG: no reason"
    except Exception as error:
        return f"WRONG: {type(error).__name__}: {str(error)[:200]}"
    if pixels is None:
        return "right"
    if name == "serving_bytes":
        # It takes no notice of chunks without pixels, EXIF data among them.
        expected = rendered(critical_chunks(content), upright=False)
    else:
        expected = rendered(content)
    if expected is None:
        return "WRONG: Pillow cannot read it"
    if expected.shape != pixels.shape:
        return f"WRONG: {pixels.shape} and not {expected.shape}"
    off = np.abs(pixels.astype("int32") - expected).max()
    through_tensorflow = name in ("request", "serving_bytes")
    if off > (_ROUNDING if through_tensorflow else 0):
        return f"WRONG: pixels differ by {off}"
    return "right"


def fuzz(
    corpus: Iterable[tuple[str, bytes]], folder: pathlib.Path
) -> tuple[dict[str, collections.Counter], list[str], float]:
    """Has files read by everything that reads photos.

    Args:
        corpus: name and content of each file.
        folder: is written to.

    Returns:
        reader -> how many files were `right`, `named` or `WRONG`; a line for each that
        is wrong, or slow; the seconds of the slowest.
    """
    readers = make_readers(folder)
    counts: dict[str, Any] = {name: collections.Counter() for name in readers}
    wrong, slowest = [], 0.0
    for file_name, content in corpus:
        path = folder / file_name
        path.write_bytes(content)
        for name, read in readers.items():
            start = time.perf_counter()
            faulthandler.dump_traceback_later(20 * MOST_SECONDS, exit=True)
            said = io.StringIO()  # Bars, and what is named.
            with warnings.catch_warnings(), contextlib.redirect_stderr(said):
                warnings.simplefilter("ignore")  # Of Pillow, on the damage.
                verdict = judge(name, read, path, content)
            seconds = time.perf_counter() - start
            slowest = max(slowest, seconds)
            counts[name][verdict.partition(":")[0]] += 1
            if verdict.startswith("WRONG"):
                wrong.append(f"{file_name}, {name}: {verdict}")
            if seconds > MOST_SECONDS:
                wrong.append(f"{file_name}, {name}: WRONG: {seconds:.0f} seconds")
        path.unlink()
    faulthandler.cancel_dump_traceback_later()
    return counts, wrong, slowest


def main(argv: list[str]) -> None:
    """Runs the script; exits 1 if anything is wrong."""
    refuse_arguments(argv)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        corpus = make_files(FLAGS.count, FLAGS.seed)
        counts, wrong, slowest = fuzz(corpus, pathlib.Path(folder))
    print(f"{'':18}{'right':>8}{'named':>8}{'wrong':>8}")
    for name, count in counts.items():
        print(f"{name:18}{count['right']:8}{count['named']:8}{count['WRONG']:8}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{sum(count.total() for count in counts.values())} readings in "
        f"{time.perf_counter() - start:.0f} s, the slowest {slowest:.1f} s; "
        f"peak memory {peak:.2f} GiB"
    )
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    define_flags()
    app.run(main)
