"""What `face-parse --json` says of a photo, or of a frame of a video."""

from typing import Any

from stn_icnn_tf.parsed_face import ParsedFace


def face_record(face: ParsedFace) -> dict[str, Any]:
    """Describes a parsed photo: sizes, colours and boxes of what is seen in it.

    Returns:
        what `json` can write: `width`, `height`; and `faces`, each with `classes`, by
        their names, see `Region`, and `parts`, the box of each. Boxes are left, top,
        right, bottom, in pixels, right and bottom exclusive.
    """
    height, width = face.mask.shape
    faces = [_one_face(one) for one in face.faces]
    return {"width": width, "height": height, "faces": faces}


def _one_face(face: ParsedFace) -> dict[str, Any]:
    classes = {
        region.name: {
            "pixels": region.pixels,
            "share_of_photo": _rounded(region.share_of_photo, 6),
            "share_of_face": _rounded(region.share_of_face, 6),
            "rgb": _color(region.rgb),
            "lab": _color(region.lab),
            "box": region.box,
        }
        for region in face.regions()
        if region.pixels
    }
    return {"classes": classes, "parts": face.boxes}


def _color(values: tuple[float, ...] | None) -> list[float | None]:
    return [_rounded(value, 2) for value in values or ()]


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
