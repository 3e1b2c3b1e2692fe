"""What the scripts share: flags, and turning bad values into usage errors."""

import contextlib
import re
from collections.abc import Iterator

from absl import app, flags

from trainers.common.paths import define_path


def define_scoring_flags() -> None:
    """Defines the flags that name a model and the photos that it is scored on."""
    define_model_flag()
    define_dataset_flags()
    flags.DEFINE_string("split", "test", "Split, or slice of one.")


def define_model_flag() -> None:
    """Defines the flag that names a trained model."""
    define_path(
        "model", None, "Run folder, .keras file, or shipped model.", remote=True
    )


def define_overwrite() -> None:
    """Defines the flag without which no file of a photo is replaced."""
    flags.DEFINE_bool("overwrite", False, "Replace masks and overlays that are there.")


def define_dataset_flags(default: str | None = "helen") -> None:
    """Defines the flags that name a data set."""
    flags.DEFINE_string(
        "dataset",
        default,
        "Data set, or DATASET/CONFIG; a folder of photos and labels; or package.module "
        "of a TFDS builder.",
    )
    # TFDS reads and writes remote storage, too.
    flags.DEFINE_string("data_dir", None, "TFDS data folder.")
    define_path("manual_dir", None, "Folder with the data set's download.")


def parse_mix(texts: list[str]) -> dict[str, float]:
    """Reads `DATASET=SHARE` each, as in helen=0.15.

    Raises:
        ValueError: if one is something else, or names a data set again.
    """
    shares: dict[str, float] = {}
    for text in texts:
        name, _, share = text.rpartition("=")
        if not (name and re.fullmatch(r"0?\.\d+", share)) or name in shares:
            raise ValueError(
                "Argument `mix` must be DATASET=SHARE, a share between 0 and 1, each "
                f"data set once. Received: mix={texts}"
            )
        shares[name] = float(share)
    return shares


def parse_size(text: str) -> tuple[int, int]:
    """Reads `HEIGHTxWIDTH`, as in 480x640.

    Raises:
        ValueError: if it is something else.
    """
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None:
        raise ValueError(
            f"Argument `size` must be HEIGHTxWIDTH in pixels. Received: size={text}"
        )
    return int(match[1]), int(match[2])


def refuse_arguments(argv: list[str]) -> None:
    """Refuses what is no flag: absl hands it on."""
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")


def refuse_flags(names: tuple[str, ...], reason: str) -> None:
    """Refuses flags that were given though nothing would come of them.

    Args:
        names: of the flags.
        reason: why not, e.g. `"goes with --format=onnx"`.

    Raises:
        ValueError: if one was given.
    """
    given = [f"--{name}" for name in names if flags.FLAGS[name].present]
    if given:
        raise ValueError(f"{' and '.join(given)}: {reason}")


@contextlib.contextmanager
def usage_errors() -> Iterator[None]:
    """Shows what the user can mend as a usage error, without a traceback.

    That is a `ValueError` about what was given, or an `ImportError` for an extra that
    is not installed.
    """
    try:
        yield
    except (ValueError, ImportError) as error:
        raise app.UsageError(str(error)) from error
