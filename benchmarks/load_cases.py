"""The requests of `benchmarks.load`, and what their answers must be."""

import dataclasses
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from stn_icnn_tf.client.transports import ServingError
from stn_icnn_tf.drawn_faces.drawing import draw_face

REFUSED = "INVALID_ARGUMENT"

# Kind of request -> share of the requests.
SHARES = {"photos": 0.6, "broken photos": 0.2, "pixels": 0.1, "malformed": 0.1}


@dataclasses.dataclass(frozen=True)
class Case:
    """A request whose answer is known.

    Attributes:
        kind: of `SHARES`.
        signature: that it asks for.
        inputs: name -> value.
        masks: uint8 `(height, width)` of each photo, None for a broken one; or None
            if the request is malformed, and must be refused.
    """

    kind: str
    signature: str
    inputs: dict[str, np.ndarray]
    masks: Sequence[np.ndarray | None] | None

    def judge(self, answer: Any) -> tuple[str, bool]:
        """Judges a `PredictResponse`, or a `ServingError`.

        Returns:
            the kind of answer, and whether it is the right one.
        """
        if isinstance(answer, ServingError):
            return answer.code, self.masks is None and answer.code == REFUSED
        if self.masks is None:
            return "not refused", False
        outputs = {name: tf.make_ndarray(t) for name, t in answer.outputs.items()}
        if self.signature == "serving_bytes":
            pairs = zip(outputs["mask_bytes"], outputs["error"], strict=True)
            masks = [None if error else decode_mask(mask) for mask, error in pairs]
        else:
            masks = list(outputs["mask"])
        difference = _difference(masks, self.masks)
        if difference:
            return f"wrong: {difference}", False
        broken = any(mask is None for mask in masks)
        return "masks and errors" if broken else "masks", True


def decode_mask(content: bytes) -> np.ndarray | None:
    """Decodes a picture; None of nothing."""
    if not content:
        return None
    with Image.open(io.BytesIO(content)) as picture:
        return np.array(picture)


def _difference(
    masks: Sequence[np.ndarray | None], expected: Sequence[np.ndarray | None]
) -> str:
    """Says in what masks differ; nothing if they do not."""
    if len(masks) != len(expected):
        return f"{len(masks)} masks, not {len(expected)}"
    differences = []
    for index, (mask, wanted) in enumerate(zip(masks, expected)):
        if mask is None or wanted is None:
            if mask is not wanted:
                wrong = "an error" if mask is None else "no error"
                differences.append(f"{wrong} of photo {index}")
        elif mask.shape != wanted.shape:
            differences.append(f"{mask.shape}, not {wanted.shape}, of photo {index}")
        elif count := np.count_nonzero(mask != wanted):
            differences.append(f"{count} of {mask.size} pixels of photo {index}")
    return ", ".join(differences)


def _encode(image: np.ndarray, suffix: str) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, suffix)
    return content.getvalue()


def make_cases(
    parse: Callable[[np.ndarray | bytes], np.ndarray], side: int
) -> list[Case]:
    """Makes requests with drawn faces of several sizes and formats.

    Args:
        parse: gives the mask, uint8 `(height, width)`, of a photo, uint8 `(height,
            width, 3)`, or of the content of a file.
        side: of the largest photo, in pixels, at least 128.

    Raises:
        ValueError: if `side` is smaller.
    """
    if side < 128:
        raise ValueError(f"Argument `side` must be at least 128. Received: side={side}")
    rng = np.random.default_rng(0)
    sizes = [(side, side), (side, side * 3 // 4), (side // 2, side), (side // 2,) * 2]
    files = [
        _encode(draw_face(rng, size)[0], suffix)
        for size in sizes
        for suffix in ("PNG", "JPEG")
    ]
    masks = [parse(file) for file in files]
    pixels = [decode_mask(file) for file in files[-2:]]

    def of_files(kind: str, contents: list[bytes], wanted: list) -> Case:
        inputs = {"image_bytes": np.array(contents, object)}
        return Case(kind, "serving_bytes", inputs, wanted)

    cases = [of_files("photos", [file], [mask]) for file, mask in zip(files, masks)]
    # Several sizes in one request.
    cases.append(of_files("photos", files[1:6:2], masks[1:6:2]))
    cases.append(of_files("photos", files[::-3], masks[::-3]))
    broken = [b"", b"no picture", files[0][: len(files[0]) // 2], files[1][:40]]
    for index, content in enumerate(broken):
        cases.append(
            of_files(
                "broken photos",
                [files[index], content, files[-index]],
                [masks[index], None, masks[-index]],
            )
        )
    cases.append(of_files("broken photos", broken, [None] * len(broken)))
    for photo in pixels:
        images = {"images": photo[None]}
        cases.append(Case("pixels", "serving_default", images, [parse(photo)]))
    return cases + _malformed(files[0], pixels[-1])


def _malformed(file: bytes, photo: np.ndarray) -> list[Case]:
    inputs = [
        ("serving_bytes", "image_bytes", np.ones(3, "float32")),  # dtype
        ("serving_bytes", "image_bytes", np.array([[file]], object)),  # shape
        ("serving_bytes", "photos", np.array([file], object)),  # name
        ("serving_default", "images", photo[None].astype("float32")),
        ("serving_default", "images", photo),
        ("serving_default", "image_bytes", photo[None]),
    ]
    return [
        Case("malformed", signature, {name: value}, None)
        for signature, name, value in inputs
    ]
