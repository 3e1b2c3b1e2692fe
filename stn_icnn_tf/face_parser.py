"""The model for users: photos of any kind in, parsed faces out."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from PIL import Image

from stn_icnn_tf.files import as_path
from stn_icnn_tf.inference.engine import Engine
from stn_icnn_tf.inference.large_photos import (
    LargePhotos,
    is_large,
    scaled_square,
    shrunk,
)
from stn_icnn_tf.matting import resize_photo
from stn_icnn_tf.parsed_face import ParsedFace
from stn_icnn_tf.photos import photo_array

if TYPE_CHECKING:
    from stn_icnn_tf.models.stn_icnn import StnIcnn

ENGINES = ("tensorflow", "onnx")

# Photos of one size that are parsed at once, at most, and their pixels, which take
# some 30 bytes each on the way.
_MOST_PHOTOS, _MOST_PIXELS = 8, 2**23

# Finds the squares of the faces of a photo, see `FaceDetector`.
Detector = Callable[[np.ndarray], list[np.ndarray]]


class FaceParser:
    """Parses faces: a photo in, its mask out.

    With TensorFlow it is compiled when it is first called; later calls take no longer
    than the networks do, whatever the sizes of the photos.

    Args:
        model: a shipped model, a run folder, a `.keras` file, or a `StnIcnn`.
        find_faces: whether a face that is small, off the middle or rolled is searched
            for, see `FaceSearch`. Photos that the model was made for are parsed as
            they are, in the same time. False: all are.
        detect_faces: whether to parse every face of a photo, as MTCNN finds them; it
            needs the extra `detect`. Or what finds them: takes a photo, gives their
            squares, see `squares`, the largest first.
        precision: of the networks: `"float32"`; `"bfloat16"` with TensorFlow; `"int8"`
            with ONNX Runtime.
        device: where it runs, such as `"GPU:0"` or `"CPU"`; None: TensorFlow chooses.
        engine: `"tensorflow"`; or `"onnx"`, which starts fast and gives the same masks,
            on the CPU, in float32. It needs the extra `onnx`; TensorFlow makes a file
            for it once, see `engine_cache`, and is not imported any more.

    Attributes:
        class_set: of the masks.
        engine: what carries the model out, see `Engine`; with TensorFlow it has the
            fused `model`, and `search`, what searches for a face.

    Examples:
        >>> parser = FaceParser("head")
        >>> face = parser("me.jpg")
        >>> face.mask.shape
        (512, 512)
        >>> face.crop("mouth").save("mouth.png")

    Raises:
        ValueError: if an argument is not one of the above.
        ImportError: if `detect_faces` needs a package that is not installed.
    """

    def __init__(
        self,
        model: "str | os.PathLike | StnIcnn" = "head",
        find_faces: bool = True,
        detect_faces: bool | Detector = False,
        precision: str = "float32",
        device: str | None = None,
        engine: str = "tensorflow",
    ) -> None:
        self.engine: Engine = _made_engine(engine, model, precision, device)
        self.class_set = self.engine.class_set
        self.find_faces = find_faces
        self._detector = detect_faces if callable(detect_faces) else None
        if detect_faces is True:
            from stn_icnn_tf.inference.detection import FaceDetector

            self._detector = FaceDetector(self.engine.mean_crop)
        self._large = LargePhotos(self.engine, find_faces)

    @overload
    def __call__(self, photos: str | os.PathLike | bytes | Image.Image) -> ParsedFace:
        pass

    @overload
    def __call__(self, photos: list | tuple) -> list[ParsedFace]:
        pass

    @overload  # By its axes.
    def __call__(self, photos: np.ndarray) -> ParsedFace | list[ParsedFace]:
        pass

    def __call__(self, photos: Any) -> ParsedFace | list[ParsedFace]:
        """Parses a photo, or several.

        Args:
            photos: a path; the content of a file, bytes; a Pillow image; an array,
                uint8 or float of 0..255 or 0..1, `(height, width, 3)`, grey, or with
                alpha. Files are turned upright as their EXIF data say. Or a list of
                these, or an array of four axes. Those of one size go through the
                networks together; with ONNX Runtime, those of any sizes do.

        Returns:
            one `ParsedFace`, or a list of them in the order of the photos.

        Raises:
            OSError: if a file cannot be read as a picture, see `photos.read_photo`.
            ValueError: if an array is no photo; it says why.
        """
        if isinstance(photos, (list, tuple)) or getattr(photos, "ndim", 0) == 4:
            arrays = [photo_array(photo) for photo in photos]
            names = [_name(photo, f"face_{i}") for i, photo in enumerate(photos)]
            return self._parse(arrays, names)
        return self._parse([photo_array(photos)], [_name(photos, "face")])[0]

    def _parse(self, photos: list[np.ndarray], names: list[str]) -> list[ParsedFace]:
        if self._detector is not None:
            return [
                self._parse_every_face(photo, name, self._detector)
                for photo, name in zip(photos, names, strict=True)
            ]
        faces: dict[int, ParsedFace] = {}
        sizes = [photo.shape[:2] for photo in photos]
        for batch in batches_by_size(sizes, self.engine.MIXED_SIZES):
            first = batch[0]
            if is_large(photos[first]):  # Then it is alone.
                faces[first] = self._parse_large(photos[first], names[first])
                continue
            framed = self.engine.parse_framed([photos[i] for i in batch])
            for i, one in zip(batch, framed, strict=True):
                faces[i] = self._finish(photos[i], names[i], one)
        return [faces[i] for i in range(len(photos))]

    def _parse_large(self, photo: np.ndarray, name: str) -> ParsedFace:
        found = self._large.parse(photo)
        make = self._face_in_square if found["is_cut"] else self._face_in_photo
        return make(photo, name, found)

    def _finish(self, photo: np.ndarray, name: str, framed: dict) -> ParsedFace:
        """Searches for the face of a photo that was parsed as it is, if need be."""
        if self.find_faces and not framed["fits"]:
            found = self.engine.find(photo, framed)
            if np.any(found["square"] != framed["square"]):
                return self._face_in_square(photo, name, found)
        return self._face_in_photo(photo, name, framed)

    def _face_in_photo(self, photo: np.ndarray, name: str, framed: dict) -> ParsedFace:
        return ParsedFace(
            photo,
            framed["mask"],
            lambda size: self.engine.probabilities(resize_photo(photo, size)),
            framed["theta"],
            name,
            class_set=self.class_set,
        )

    def _face_in_square(self, photo: np.ndarray, name: str, found: dict) -> ParsedFace:
        def probabilities(size: tuple[int, int]) -> np.ndarray:
            # Of the same square in the photo at that size.
            square = scaled_square(found["square"], size[0] / len(photo))
            small = resize_photo(photo, size)
            return self.engine.square_probabilities(small, square)

        return ParsedFace(
            photo,
            found["mask"],
            probabilities,
            found["theta"],
            name,
            class_set=self.class_set,
        )

    def _parse_every_face(
        self, photo: np.ndarray, name: str, detector: Detector
    ) -> ParsedFace:
        """Parses every face that is detected; the larger ones are in front."""
        squares = self._detect(photo, detector)
        found = [self._parse_detected(photo, square) for square in squares]
        faces = [
            self._face_in_square(photo, f"{name}_{i}", face)
            for i, face in enumerate(found)
        ]
        mask = np.zeros(photo.shape[:2], "uint8")
        for face in faces:
            mask = np.where(mask > 0, mask, face.mask)

        def probabilities(size: tuple[int, int]) -> np.ndarray:
            together = np.zeros((*size, self.class_set.num_classes), "float32")
            together[..., 0] = 1.0
            taken = np.zeros(size, bool)
            for face in faces:
                own = face.probabilities(size)
                wins = (np.argmax(own, axis=-1) > 0) & ~taken
                together[wins] = own[wins]
                taken |= wins
            return together

        return ParsedFace(photo, mask, probabilities, None, name, faces, self.class_set)

    def _detect(self, photo: np.ndarray, detector: Detector) -> list[np.ndarray]:
        if not is_large(photo):
            return detector(photo)
        copy, factor = shrunk(photo)
        return [scaled_square(square, factor) for square in detector(copy)]

    def _parse_detected(self, photo: np.ndarray, square: np.ndarray) -> dict:
        square, found = np.asarray(square, "float32"), None
        if is_large(photo):
            found = self._large.parse_square(photo, square)
        return found or self.engine.parse_square(photo, square)

    def find_square(self, photo: np.ndarray) -> np.ndarray:
        """Finds the square in which the face of a photo is parsed.

        Args:
            photo: uint8 `(height, width, 3)`, RGB.

        Returns:
            float32 `(4,)`, see `squares`: that of the whole photo if the face lies
            there as the model wants it, or is not searched for.
        """
        (framed,) = self.engine.parse_framed([photo])
        if self.find_faces and not framed["fits"]:
            framed = self.engine.find(photo, framed)
        return framed["square"]


def _made_engine(
    engine: str,
    model: "str | os.PathLike | StnIcnn",
    precision: str,
    device: str | None,
) -> Engine:
    """Imports the one engine that is asked for: TensorFlow takes seconds."""
    if engine == "onnx":
        from stn_icnn_tf.export.engine_cache import load_engine, made_engine
        from stn_icnn_tf.onnx_engine.engine import ONNX_PRECISIONS

        if precision not in ONNX_PRECISIONS or device not in (None, "CPU"):
            raise ValueError(
                f'With engine="onnx", precision must be one of {ONNX_PRECISIONS}, and '
                f'device None or "CPU". Received: precision={precision}, '
                f"device={device}"
            )
        if isinstance(model, (str, os.PathLike)):
            return load_engine(model, precision)
        return made_engine(model, precision)
    if engine != "tensorflow":
        raise ValueError(
            f"Argument `engine` must be one of {ENGINES}. Received: engine={engine}"
        )
    from stn_icnn_tf.inference.tensorflow_engine import TensorFlowEngine

    if isinstance(model, (str, os.PathLike)):
        from stn_icnn_tf.pretrained import load_model

        model = load_model(os.fspath(model))
    return TensorFlowEngine(model, precision, device)


def _name(photo: Any, otherwise: str) -> str:
    is_path = isinstance(photo, (str, os.PathLike))
    return as_path(photo).stem if is_path else otherwise


def batches_by_size(
    sizes: Sequence[tuple[int, int]], mixed: bool = False
) -> Iterator[list[int]]:
    """Groups photos that go through the networks together.

    Args:
        sizes: `(height, width)` of each photo in pixels.
        mixed: whether those of a group may have different sizes.

    Yields:
        the indices of photos, a batch's at a time.
    """
    by_size: dict[tuple[int, int] | None, list[int]] = {}
    for index, size in enumerate(sizes):
        by_size.setdefault(None if mixed else size, []).append(index)
    for indices in by_size.values():
        batch: list[int] = []
        pixels = 0
        for index in indices:
            own = max(sizes[index]) ** 2  # They become squares.
            if batch and (len(batch) == _MOST_PHOTOS or pixels + own > _MOST_PIXELS):
                yield batch
                batch, pixels = [], 0
            batch.append(index)
            pixels += own
        if batch:
            yield batch
