"""Pictures of masks and windows, in NumPy arrays and Pillow."""

from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet

_PIXELS_AT_ONCE = 2**17


def palette_image(mask: np.ndarray, class_set: ClassSet = EIGHT_PARTS) -> Image.Image:
    """Turns a mask, uint8 `(height, width)`, into an 8-bit index picture."""
    picture = Image.fromarray(np.asarray(mask, "uint8"), mode="P")
    picture.putpalette([value for color in class_set.palette for value in color])
    return picture


def overlay(
    image: np.ndarray,
    mask: np.ndarray,
    opacity: float = 0.35,
    class_set: ClassSet = EIGHT_PARTS,
) -> np.ndarray:
    """Tints each part of a photo in its colour and outlines it.

    Args:
        image: uint8 `(height, width, 3)`.
        mask: uint8 `(height, width)`, class ids.
        opacity: of the tint, 0..1.
        class_set: has the colours.

    Returns:
        uint8 `(height, width, 3)`.

    Raises:
        ValueError: if the sizes differ.
    """
    if image.shape[:2] != mask.shape:
        raise ValueError(
            "Arguments `image` and `mask` must have one size. Received: "
            f"image.shape={image.shape}, mask.shape={mask.shape}"
        )
    result = np.empty_like(image)
    for start, rows in overlaid_rows(image, mask, opacity, class_set):
        result[start : start + len(rows)] = rows
    return result


def overlaid_rows(
    image: np.ndarray, mask: np.ndarray, opacity: float, class_set: ClassSet
) -> Iterator[tuple[int, np.ndarray]]:
    """Makes an overlay some rows at a time: a large photo has no room for more.

    Args:
        image: see `overlay`.
        mask: see `overlay`.
        opacity: see `overlay`.
        class_set: see `overlay`.

    Yields:
        the first row; uint8 `(rows, width, 3)`.
    """
    palette = np.asarray(class_set.palette, "float32")
    # One pixel is not to be seen on a large photo.
    is_wide = min(mask.shape) > 800
    step = max(_PIXELS_AT_ONCE // mask.shape[1], 1)
    for start in range(0, len(mask), step):
        rows = slice(start, start + step)
        line, outline = _outline(mask, rows, is_wide)
        inside, pixels = mask[rows] > 0, image[rows].copy()
        tint = palette[mask[rows][inside]] * opacity
        tinted = np.round(pixels[inside] * (1.0 - opacity) + tint)
        pixels[inside] = np.clip(tinted, 0, 255).astype("uint8")
        pixels[line] = palette[outline[line]].astype("uint8")
        yield start, pixels


def _outline(
    mask: np.ndarray, rows: slice, is_wide: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Says where outlines run in some rows of a mask, and of which classes they are.

    An outline pixel has a neighbour, to its left or above, of another class; if
    `is_wide`, the pixels to its left and above are outline as well.

    Returns:
        bool and uint8, `(rows, width)`.
    """
    above, count = min(rows.start, 1), len(mask[rows])
    near = mask[rows.start - above : rows.stop + 1]
    edge = np.zeros(near.shape, bool)
    edge[1:] |= near[1:] != near[:-1]
    edge[:, 1:] |= near[:, 1:] != near[:, :-1]
    if is_wide:
        edge[:-1] |= edge[1:]
        edge[:, :-1] |= edge[:, 1:]
    beside = np.pad(near, ((1, 0), (1, 0)), "edge")[:-1, :-1]
    own = slice(above, above + count)
    return edge[own], np.where(near > 0, near, beside)[own]


def overlay_batch(
    images: np.ndarray, masks: np.ndarray, class_set: ClassSet = EIGHT_PARTS
) -> np.ndarray:
    """Overlays a batch: uint8 `(batch, height, width, 3)`."""
    pairs = zip(images, masks, strict=True)
    return np.stack([overlay(*pair, class_set=class_set) for pair in pairs])


def window_boxes(theta: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Lists the pixels that windows reach from and to.

    Args:
        theta: float `(parts, 2, 3)`, patch -> photo, without rotation.
        size: `(height, width)` of the photo in pixels.

    Returns:
        float32 `(parts, 4)`, see `windows.window_boxes`.
    """
    # Here, since it needs Keras, and pictures do not.
    from stn_icnn_tf.geometry import windows

    return np.asarray(windows.window_boxes(theta, size))


def outline_windows(
    image: np.ndarray,
    boxes: np.ndarray,
    parts: Iterable[int] | None = None,
    width: int = 1,
    class_set: ClassSet = EIGHT_PARTS,
) -> np.ndarray:
    """Draws the windows of some parts, each in the colour of its first class.

    Args:
        image: uint8 `(height, width, 3)`.
        boxes: float `(parts, 4)`, see `window_boxes`.
        parts: indices of the parts whose windows are drawn; None: all.
        width: of the lines, in pixels.
        class_set: has the parts and their colours.

    Returns:
        uint8 `(height, width, 3)`.
    """
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    for part in range(class_set.num_parts) if parts is None else parts:
        box = [round(position) for position in boxes[part].tolist()]
        color = class_set.palette[class_set.parts[part].classes[0]]
        draw.rectangle(box, outline=color, width=width)
    return np.asarray(picture)


def contact_sheet(images: list[np.ndarray], columns: int, side: int) -> Image.Image:
    """Lays pictures out in rows, each shrunk to fit a square of `side` pixels."""
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * side, rows * side), "white")
    for index, image in enumerate(images):
        picture = Image.fromarray(image)
        picture.thumbnail((side, side))
        row, column = divmod(index, columns)
        sheet.paste(picture, (column * side, row * side))
    return sheet


def legend(
    class_set: ClassSet = EIGHT_PARTS, columns: int = 1, text_size: int = 16
) -> Image.Image:
    """Draws the colour and name of each class but background, in columns."""
    font = ImageFont.load_default(text_size)
    names = class_set.names[1:]
    row, swatch = round(1.5 * text_size), 2 * text_size
    width = swatch + 2 * text_size + round(max(map(font.getlength, names)))
    rows = -(-len(names) // columns)
    picture = Image.new("RGB", (columns * width, rows * row), "white")
    draw = ImageDraw.Draw(picture)
    for index, (name, color) in enumerate(zip(names, class_set.palette[1:])):
        column, line = divmod(index, rows)
        left, top = column * width + text_size // 2, line * row + text_size // 4
        box = [left, top, left + swatch, top + text_size]
        draw.rectangle(box, fill=color, outline="black")
        at = (box[2] + text_size // 2, top + text_size / 2)
        draw.text(at, name.replace("_", " "), fill="black", font=font, anchor="lm")
    return picture
