"""A client of a served model, for Python code; `trainers.request` is its script.

```python
from stn_icnn_tf.client.serving_client import ServingClient

with ServingClient("localhost:8500") as client:
    (face,) = client.parse([open("me.jpg", "rb").read()])
face.mask  # uint8 (height, width), or None with a reason in face.error
```

With `protocol="rest"` neither TensorFlow nor gRPC is imported.
"""

import dataclasses
import io
import random
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from PIL import Image

from stn_icnn_tf.client.transports import GrpcTransport, RestTransport, ServingError

__all__ = ["PROTOCOLS", "ParsedPhoto", "ServingClient", "ServingError"]

PROTOCOLS = ("grpc", "rest")
MAX_BACKOFF = 10.0

Answer = TypeVar("Answer")


@dataclasses.dataclass(frozen=True)
class ParsedPhoto:
    """What came back for one photo.

    Attributes:
        mask: uint8 `(height, width)`, class ids; None where there is an `error`.
        error: why the photo could not be parsed; empty where it was.
    """

    mask: np.ndarray | None
    error: str = ""


class ServingClient:
    """Sends encoded photos to the signature `serving_bytes` of a served model.

    Failures that may pass, `serving_transports.WORTH_RETRYING`, are tried again after
    a wait that doubles each time. Threads may share a client.

    Args:
        address: `HOST:PORT` of the server: by default 8500 is gRPC's port, 8501 REST's.
        protocol: `"grpc"`, which needs the extra `serving`, or `"rest"`.
        model_name: name that the server knows the model by.
        version: a version of it, or None for the server's latest.
        deadline: seconds that an attempt may take; of REST, without an answer's byte.
        retries: attempts after the first.
        backoff: seconds before the second attempt, at most.

    Raises:
        ValueError: if an argument is not as above.
        ImportError: if gRPC is wanted and `tensorflow-serving-api` not installed.
    """

    def __init__(
        self,
        address: str,
        protocol: str = "grpc",
        model_name: str = "face_parser",
        version: int | None = None,
        deadline: float = 30.0,
        retries: int = 4,
        backoff: float = 0.5,
    ) -> None:
        if protocol not in PROTOCOLS:
            raise ValueError(
                f"Argument `protocol` must be one of {PROTOCOLS}. "
                f"Received: protocol={protocol}"
            )
        host, _, port = address.rpartition(":")
        if not host or "/" in address or not port.isdecimal():
            raise ValueError(
                f"Argument `address` must be HOST:PORT. Received: address={address}"
            )
        if not deadline > 0:
            raise ValueError(
                f"Argument `deadline` must be positive. Received: deadline={deadline}"
            )
        if retries < 0:
            raise ValueError(
                f"Argument `retries` must not be negative. Received: retries={retries}"
            )
        self.deadline, self.retries, self.backoff = deadline, retries, backoff
        transport = GrpcTransport if protocol == "grpc" else RestTransport
        self._transport = transport(address, model_name, version)

    def parse(self, photos: Sequence[bytes]) -> list[ParsedPhoto]:
        """Parses encoded photos, one roughly centred face each.

        Args:
            photos: JPEG or PNG files, of any sizes. The server takes no notice of an
                EXIF rotation: `trainers.common.photos.encoded_photo` does.

        Returns:
            as many, in the same order; a broken photo costs the others nothing.

        Raises:
            ServingError: if the request as a whole is refused or not answered.
        """
        photos = list(photos)
        if not photos:
            return []
        masks, errors = self._retry(
            lambda: self._transport.predict(photos, self.deadline)
        )
        if not len(masks) == len(errors) == len(photos):
            raise ServingError(
                "INTERNAL",
                f"{len(photos)} photos were answered by {len(masks)} masks "
                f"and {len(errors)} errors",
            )
        return [
            ParsedPhoto(None, error) if error else ParsedPhoto(_decode_mask(mask))
            for mask, error in zip(masks, errors, strict=True)
        ]

    def status(self) -> dict[int, str]:
        """Asks for the state of each version of the model, such as `AVAILABLE`.

        Raises:
            ServingError: if the server does not answer, or does not know the model.
        """
        return self._retry(lambda: self._transport.status(self.deadline))

    def close(self) -> None:
        """Closes the connection."""
        self._transport.close()

    def __enter__(self) -> "ServingClient":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _retry(self, attempt: Callable[[], Answer]) -> Answer:
        for failures in range(self.retries):
            try:
                return attempt()
            except ServingError as error:
                if not error.worth_retrying:
                    raise
            wait = min(self.backoff * 2**failures, MAX_BACKOFF)
            # Clients that failed together must not come back together.
            time.sleep(wait * random.uniform(0.5, 1.0))
        return attempt()


def _decode_mask(content: bytes) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(content)) as picture:
            return np.array(picture.convert("L"))
    except (OSError, ValueError, SyntaxError) as error:
        raise ServingError("INTERNAL", f"a mask is no picture: {error}") from error
