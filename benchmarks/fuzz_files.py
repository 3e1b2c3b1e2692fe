"""Broken, odd and hostile photos, made from a seed: the corpus of `benchmarks.fuzz`."""

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageCms

from stn_icnn_tf.drawn_faces.drawing import draw_face

Files = dict[str, bytes]

_ORIENTATION = 0x0112


def _encode(picture: Image.Image, kind: str, **options: object) -> bytes:
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    return exif


def _png(size: tuple[int, int], depth: int, color: int, data: bytes) -> bytes:
    """Writes a PNG whose header says what it likes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", *size, depth, color, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(data, 9))
        + chunk(b"IEND", b"")
    )


def _without_adobe(jpeg: bytes) -> bytes:
    start = jpeg.index(b"\xff\xee")
    (length,) = struct.unpack(">H", jpeg[start + 2 : start + 4])
    return jpeg[:start] + jpeg[start + 2 + length :]


def whole_files(rng: np.random.Generator) -> Files:
    """Encodes a drawn face in every way that Pillow has; name -> content."""
    face = draw_face(rng, (72, 64))[0]
    rgb = Image.fromarray(face)
    grey = np.asarray(rgb.convert("L"))
    deep = Image.fromarray(grey * np.uint16(257))
    files = {}
    for mode in ("RGB", "L", "RGBA", "LA", "P", "1"):
        picture = rgb.convert(mode)
        if mode in ("RGBA", "LA"):
            picture.putalpha(77)
        files[f"{mode}.png"] = _encode(picture, "PNG")
        files[f"{mode}.tif"] = _encode(picture, "TIFF")
    for mode in ("RGB", "L", "CMYK"):
        for progressive in (False, True):
            options = {"progressive": progressive, "quality": 90}
            name = f"{mode}{'_progressive' if progressive else ''}.jpg"
            files[name] = _encode(rgb.convert(mode), "JPEG", **options)
    files["cmyk_plain.jpg"] = _without_adobe(files["CMYK.jpg"])
    for turn in range(1, 9):
        files[f"turned_{turn}.jpg"] = _encode(rgb, "JPEG", exif=_exif(turn))
        files[f"turned_{turn}.png"] = _encode(rgb, "PNG", exif=_exif(turn))
    for kind, suffix in (("BMP", "bmp"), ("GIF", "gif"), ("WEBP", "webp")):
        files[f"face.{suffix}"] = _encode(rgb, kind)
    for kind, suffix in (("PPM", "ppm"), ("TGA", "tga"), ("JPEG2000", "jp2")):
        files[f"face.{suffix}"] = _encode(rgb, kind)
    if ".avif" in Image.registered_extensions():
        files["face.avif"] = _encode(rgb, "AVIF")
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"):
        content = _encode(rgb, "TIFF", compression=compression)
        files[f"{compression}.tif"] = content
    files["deep.png"], files["deep.tif"] = _encode(deep, "PNG"), _encode(deep, "TIFF")
    files["deep.pgm"] = _encode(deep, "PPM")
    files["whole.tif"] = _encode(Image.fromarray(grey.astype("int32")), "TIFF")
    for name, scale in (("float", 1.0), ("unit", 1 / 255), ("far", 1e4)):
        numbers = (grey * scale).astype("float32")
        files[f"{name}.tif"] = _encode(Image.fromarray(numbers), "TIFF")
    files["nan.tif"] = _encode(Image.fromarray(np.full((9, 9), np.nan, "f4")), "TIFF")
    for width, height in ((1, 1), (1, 40), (40, 1), (2, 2), (3, 700)):
        thin = rgb.resize((width, height))
        for kind, suffix in (("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp")):
            files[f"thin_{width}x{height}.{suffix}"] = _encode(thin, kind)
    others = [Image.new("RGB", rgb.size, color) for color in ("red", "blue")]
    for kind, suffix in (("GIF", "gif"), ("WEBP", "webp"), ("TIFF", "tif")):
        content = _encode(rgb, kind, save_all=True, append_images=others)
        files[f"animated.{suffix}"] = content
    files["animated.png"] = _encode(rgb, "PNG", save_all=True, append_images=others)
    for colors in (2, 17, 256):
        few = rgb.quantize(colors)
        files[f"palette_{colors}.png"] = _encode(few, "PNG")
        seen = {"transparency": bytes(range(colors))}
        files[f"palette_{colors}_alpha.png"] = _encode(few, "PNG", **seen)
    for transparent in (0, 5):
        keyed = {"transparency": transparent}
        files[f"key_{transparent}.png"] = _encode(rgb.convert("L"), "PNG", **keyed)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile[:24] + bytes(12) + profile[36:]  # It has the time of its making.
    for bad, icc in (("", profile), ("_bad", profile[:99]), ("_junk", b"\xff" * 4000)):
        files[f"icc{bad}.jpg"] = _encode(rgb, "JPEG", icc_profile=icc)
        files[f"icc{bad}.png"] = _encode(rgb, "PNG", icc_profile=icc)
    return files


def hostile_files() -> Files:
    """Writes files that lie about their size, or are no photos; name -> content."""
    files = {"empty.jpg": b"", "text.png": b"no picture", "zeros.jpg": bytes(5000)}
    for size in ((0, 9), (9, 0), (0, 0), (2**31 - 1, 9), (70_000, 70_000)):
        files[f"claims_{size[0]}x{size[1]}.png"] = _png(size, 8, 2, bytes(999))
    for depth, color in ((3, 2), (16, 3), (8, 5), (32, 0)):
        files[f"depth_{depth}_{color}.png"] = _png((9, 9), depth, color, bytes(999))
    side = 6000  # What is there, is zeros, and comes from a few kilobytes.
    files["bomb.png"] = _png((side, side), 1, 0, bytes((side // 8 + 1) * side))
    files["bomb.gif"] = b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0)
    files["claims.bmp"] = b"BM" + struct.pack(
        "<IHHIIiiHHIIiiII", 99, 0, 0, 54, 40, 90_000, -90_000, 1, 24, 0, 0, 0, 0, 0, 0
    )
    files["claims.jpg"] = b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03" + bytes(9)
    files["claims.tif"] = b"II*\0" + struct.pack("<IH", 8, 65535) + b"\xff" * 600
    files["loop.tif"] = b"II*\0" + struct.pack("<IHI", 8, 0, 8)
    files["program.jpg"] = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage"
    files["phone.heic"] = struct.pack(">I4s4s", 24, b"ftyp", b"heic") + bytes(90)
    files["claims.ppm"] = b"P6 99999 99999 255\n" + bytes(99)
    files["svg.png"] = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
    return files


def make_files(count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Makes at least `count` files: the whole, the hostile, then damaged ones.

    A damaged file is a whole one cut off, with some bits turned or bytes replaced, or
    under another's name.

    Yields:
        name, no two alike, and content.
    """
    rng = np.random.default_rng(seed)
    whole = whole_files(rng)
    made = {**whole, **hostile_files()}
    yield from made.items()
    names = list(whole)
    for index in range(max(count - len(made), 0)):
        name = names[rng.integers(len(names))]
        yield f"{index:05}_{name}", _damaged(rng, whole, name)


def _damaged(rng: np.random.Generator, whole: Files, name: str) -> bytes:
    content = bytearray(whole[name])
    kind = rng.integers(4)
    if kind == 0:
        return bytes(content[: rng.integers(len(content))])
    if kind == 1:
        for place in rng.integers(len(content), size=rng.integers(1, 9)):
            content[place] ^= 1 << rng.integers(8)
        return bytes(content)
    if kind == 2:  # In the header, where sizes and kinds are.
        for place in rng.integers(min(len(content), 64), size=rng.integers(1, 5)):
            content[place] = rng.integers(256)
        return bytes(content)
    return whole[list(whole)[rng.integers(len(whole))]]
