"""Which photos the scripts read, and under which names they write."""

import collections
import io
import os
import pathlib
import stat
import sys
from collections.abc import Iterable

from PIL import Image

from stn_icnn_tf.class_groups import known_names
from stn_icnn_tf.class_sets import CLASS_SETS
from stn_icnn_tf.files import is_remote
from stn_icnn_tf.photos import open_picture, orientation, read_photo

# What is tried. Pillow reads the last row with a plug-in alone; without it they are
# named as bad files, lest they be taken for parsed.
SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".avif"),
    *(".jpe", ".jfif", ".mpo", ".apng", ".jp2", ".j2k", ".ppm", ".pgm", ".pnm"),
    *(".heic", ".heif", ".hif", ".jxl"),
)
_USUAL = SUFFIXES[:9]

# Of what the scripts write beside a photo's stem, and what labels are called.
OUTPUT_ENDINGS = ("_mask", "_overlay")
# Of what `predict` writes when asked; and it writes classes by their names.
EFFECT_ENDINGS = ("_smoothed", "_retouched", "_cutout")


def is_photo(path: pathlib.Path) -> bool:
    """Tells a photo by its name: `.JPG` is one, `._a.jpg` is not.

    macOS puts a file `._NAME`, which holds no picture, beside every file that it
    copies to a foreign disk.
    """
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def list_photos(path: pathlib.Path, argument: str = "input") -> list[pathlib.Path]:
    """Lists the photos of a folder, or the one file given.

    Masks and overlays of photos that lie beside them are no photos. What else is
    passed over in a folder is said, but for hidden files.

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
        try:
            entries = sorted(path.iterdir())
        except OSError as error:
            raise ValueError(
                f"Argument `{argument}` must be a folder that can be read. "
                f"Received: {argument}={path}: {error.strerror}"
            ) from error
        named = [entry for entry in entries if is_photo(entry) and _may_be_read(entry)]
        made = set(_made_of_others(named))
        photos = [photo for photo in named if photo not in made]
        _say_what_is_passed_over(path, set(entries) - set(named), made)
    if not photos:
        raise ValueError(
            f"Argument `{argument}` must be a photo or a folder that holds some "
            f"({', '.join(_USUAL)}, ...). Received: {argument}={path}"
        )
    return photos


def unique_photos(photos: Iterable[pathlib.Path]) -> list[pathlib.Path]:
    """Drops photos that are listed again, as a file and in its folder."""
    return list({_full_name(photo): photo for photo in photos}.values())


def _full_name(photo: pathlib.Path) -> str:
    return str(photo) if is_remote(photo) else os.path.abspath(photo)


def _may_be_read(path: pathlib.Path) -> bool:
    """Whether it is a file, or a link to nothing, which is then named."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True


def _made_of_others(photos: list[pathlib.Path]) -> list[pathlib.Path]:
    """Lists the outputs, by their names, of photos that lie beside them."""
    names = {name for photo in photos for name in (photo.stem, photo.name)}
    return [photo for photo in photos if _is_output_of(photo, names)]


def _is_output_of(photo: pathlib.Path, names: set[str]) -> bool:
    endings = (*OUTPUT_ENDINGS, *EFFECT_ENDINGS)
    stem = photo.stem
    places = [place for place, letter in enumerate(stem) if letter == "_"]
    return photo.suffix.lower() == ".png" and any(
        stem[:place] in names
        and (stem[place:].lower() in endings or _names_classes(stem[place + 1 :]))
        for place in places
    )


def _names_classes(text: str) -> bool:
    known = {name for classes in CLASS_SETS.values() for name in known_names(classes)}
    return set(text.split("+")) <= known


def _say_what_is_passed_over(
    folder: pathlib.Path, others: set[pathlib.Path], made: set[pathlib.Path]
) -> None:
    kinds: collections.Counter = collections.Counter()
    for other in others:
        if not other.name.startswith("."):
            kinds["folders" if other.is_dir() else other.suffix or other.name] += 1
    if made:
        kinds["masks and overlays of photos"] = len(made)
    if kinds:
        counts = ", ".join(f"{kind}: {count}" for kind, count in sorted(kinds.items()))
        print(f"{folder}: passed over, no photos by name: {counts}", file=sys.stderr)


def output_stems(photos: list[pathlib.Path]) -> list[str]:
    """Names the outputs: no two alike, on disks that do not tell capitals apart, too.

    That is STEM; where two would be alike, the whole file name; then its folder's name
    before it; at last a number behind it.
    """
    forms = [
        (photo.stem, photo.name, f"{photo.absolute().parent.name}_{photo.name}")
        for photo in photos
    ]
    chosen = [0] * len(photos)
    while True:
        stems = [form[index] for form, index in zip(forms, chosen)]
        alike: dict[str, list[int]] = {}
        for photo, stem in enumerate(stems):
            alike.setdefault(stem.casefold(), []).append(photo)
        # Of those that are alike, the ones that have the most left to say say more.
        short = [
            photo
            for group in alike.values()
            for photo in group
            if len(group) > 1 and chosen[photo] == min(chosen[p] for p in group) < 2
        ]
        if not short:
            break
        for photo in short:
            chosen[photo] += 1
    return _numbered(stems)


def _numbered(stems: list[str]) -> list[str]:
    taken = {stem.casefold() for stem in stems}
    seen: set[str] = set()
    result = []
    for stem in stems:
        number, unique = 1, stem
        while unique.casefold() in (seen if number == 1 else taken):
            number += 1
            unique = f"{stem}_{number}"
        seen.add(unique.casefold())
        taken.add(unique.casefold())
        result.append(unique)
    return result


def existing_output(
    folder: pathlib.Path, stem: str, endings: Iterable[str] = ()
) -> str | None:
    """Says which output of a photo is there already; None if none is.

    Args:
        folder: of the outputs.
        stem: of the photo, see `output_stems`.
        endings: of what is written besides mask and overlay.
    """
    names = (f"{stem}{ending}.png" for ending in (*OUTPUT_ENDINGS, *endings))
    return first_existing(folder / name for name in names)


def first_existing(files: Iterable[pathlib.Path]) -> str | None:
    """Says which of some outputs is there already; None if none is."""
    for file in files:
        if file.exists() if is_remote(file) else os.path.lexists(file):
            return f"{file} is there already, --overwrite would replace it"
    return None


def encoded_photo(path: pathlib.Path) -> bytes:
    """Reads a photo as a server can decode it: a JPEG or PNG file, upright.

    A server takes no notice of EXIF, and decodes nothing else. Other formats, and
    photos that EXIF rotates, become PNG, which costs them nothing but size.

    Raises:
        OSError: if the file cannot be read as a picture, see `read_photo`.
    """
    with open_picture(path) as picture:
        # MPO is a JPEG with more pictures behind it.
        known = picture.format in ("JPEG", "MPO", "PNG")
        if known and orientation(picture) == 1:
            return path.read_bytes()
    content = io.BytesIO()
    Image.fromarray(read_photo(path)).save(content, "PNG")
    return content.getvalue()
