"""All that reads photos, and what Pillow makes of them: for `benchmarks.fuzz`."""

import contextlib
import io
import pathlib
import struct
import tempfile
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

from stn_icnn_tf.data.preprocess import decode_example
from stn_icnn_tf.export.image_decoding import decode_photo
from stn_icnn_tf.export.saved_model import export_saved_model
from stn_icnn_tf.face_parser import FaceParser
from stn_icnn_tf.models.stn_icnn import StnIcnn
from stn_icnn_tf.photos import read_photo
from tfds_builders import files
from trainers.common.labelled_folder import LabelledFolder
from trainers.common.photo_parsing import parse_photos
from trainers.common.photos import encoded_photo

# JPEG decoders round differently; what trains takes the faster transform.
_ROUNDING, _FAST_ROUNDING = 2, 8


class Named(Exception):
    """A file was named as bad."""


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


class Reader(NamedTuple):
    """What reads a file.

    Attributes:
        read: gives what it made of a file; raises `Named` if it names it as bad.
        expect: the same of a file's content, by Pillow; None if that cannot read it.
        rounding: by how much the two may differ.
    """

    read: Callable[[pathlib.Path], np.ndarray]
    expect: Callable[[bytes], np.ndarray | None] = rendered
    rounding: int = 0


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

    # To compile takes longer than any file may.
    parser(np.zeros((8, 8, 3), "uint8"))
    served(image_bytes=tf.constant([b""]))

    def parse(path: pathlib.Path) -> np.ndarray:
        try:
            face = parser(path)
        except OSError as error:
            raise Named(str(error)) from error
        return face.photo

    def predict(path: pathlib.Path) -> np.ndarray:
        output = folder / "masks"
        failed = parse_photos(parser, [path], output, overwrite=True)
        if failed:
            raise Named(failed[0][1])
        written = [output / f"{path.stem}_{kind}.png" for kind in ("overlay", "mask")]
        return np.dstack([np.array(Image.open(file)) for file in written])

    def predicted(content: bytes) -> np.ndarray | None:
        photo = rendered(content)
        if photo is None:
            return None
        face = parser(photo)
        return np.dstack([np.array(face.overlay()), face.mask])

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
        problem = answer["error"].numpy()[0]
        if problem:
            raise Named(problem.decode())
        mask = tf.io.decode_png(answer["mask_bytes"][0]).numpy()
        photo = decoded(content)
        if mask.shape[:2] != photo.shape[:2]:
            raise ValueError(f"a mask of {mask.shape} of a photo of {photo.shape}")
        return photo

    def image_of(example: dict) -> np.ndarray:
        return decode_example(example)["image"].numpy()

    def builder(path: pathlib.Path) -> np.ndarray:
        try:
            if path.suffix == ".png":
                picture = files.read_picture(path, "PNG")
                files.read_size(path, "PNG")
                return np.array(picture.convert("RGB"))
            content, size = files.read_photo(path)
            files.read_size(path, "JPEG")
        except ValueError as error:
            raise Named(str(error)) from error
        mask = tf.zeros((*size[::-1], 1), tf.uint8)
        example = {"image": tf.constant(content), "segmentation_mask": mask}
        fast = image_of(example)
        # The bytes are stored as they are. TFDS decodes them fast, which is some grey
        # levels off, and any number where a damaged table makes numbers overflow.
        pixels = tf.io.decode_jpeg(content, 3, dct_method="INTEGER_ACCURATE").numpy()
        if (
            fast.shape != pixels.shape
            or np.median(np.abs(fast.astype(int) - pixels)) > _FAST_ROUNDING
        ):
            raise ValueError("TFDS decodes another picture")
        return pixels

    def labelled(path: pathlib.Path) -> np.ndarray:
        size = (8, 8)
        with contextlib.suppress(OSError):
            size = read_photo(path).shape[1::-1]
        with tempfile.TemporaryDirectory(dir=folder) as own:
            photo = pathlib.Path(own) / path.name
            photo.write_bytes(path.read_bytes())
            Image.new("L", size).save(photo.with_name(f"{photo.stem}_mask.png"))
            try:
                (example,) = LabelledFolder(own).load("all")
            except ValueError as error:
                raise Named(str(error)) from error
            return image_of(example)

    def stored(content: bytes) -> np.ndarray | None:
        # It takes no notice of chunks without pixels, EXIF data among them.
        return rendered(critical_chunks(content), upright=False)

    return {
        "FaceParser": Reader(parse),
        "predict": Reader(predict, predicted),
        "request": Reader(request, rounding=_ROUNDING),
        "serving_bytes": Reader(serving_bytes, stored, _ROUNDING),
        "builder": Reader(builder, stored, _ROUNDING),
        "labelled folder": Reader(labelled),
    }
