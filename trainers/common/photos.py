"""Which photos the scripts read, and under which names they write."""

import io
import pathlib

from PIL import ExifTags, Image

from stn_icnn_tf.photos import read_photo

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp")


def is_photo(path: pathlib.Path) -> bool:
    """Tells a photo by its name: `.JPG` is one, `._a.jpg` is not.

    macOS puts a file `._NAME`, which holds no picture, beside every file that it
    copies to a foreign disk.
    """
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def list_photos(path: pathlib.Path, argument: str = "input") -> list[pathlib.Path]:
    """Lists the photos of a folder, or the one file given.

    Args:
        path: the folder or file.
        argument: which argument named it, for the error.

    Raises:
        ValueError: if there is nothing there.
    """
    if path.is_file():
        return [path]
    photos = []
    if path.is_dir():
        photos = sorted(filter(is_photo, path.iterdir()))
    if not photos:
        raise ValueError(
            f"Argument `{argument}` must be a photo or a folder that holds some "
            f"({', '.join(SUFFIXES)}). Received: {argument}={path}"
        )
    return photos


def output_stems(photos: list[pathlib.Path]) -> list[str]:
    """Names the outputs: STEM, or the whole file name where two stems are one."""
    stems = [photo.stem for photo in photos]
    return [
        photo.stem if stems.count(photo.stem) == 1 else photo.name for photo in photos
    ]


def encoded_photo(path: pathlib.Path) -> bytes:
    """Reads a photo as a server can decode it: a JPEG or PNG file, upright.

    A server takes no notice of EXIF, and decodes nothing else. Other formats, and
    photos that EXIF rotates, become PNG, which costs them nothing but size.

    Raises:
        OSError: if the file cannot be read as a picture, see also
            `stn_icnn_tf.photos.READ_ERRORS`.
    """
    with Image.open(path) as picture:
        upright = picture.getexif().get(ExifTags.Base.Orientation, 1) == 1
        # MPO is a JPEG with more pictures behind it.
        if upright and picture.format in ("JPEG", "MPO", "PNG"):
            return path.read_bytes()
    content = io.BytesIO()
    Image.fromarray(read_photo(path)).save(content, "PNG")
    return content.getvalue()
