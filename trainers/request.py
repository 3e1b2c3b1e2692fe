"""Parses photos by a served model: STEM_mask.png and STEM_overlay.png for each.

The files are those of trainers.predict; the model is the server's (serving/README.md).
One face a photo is assumed, anywhere in it, unless it was exported with --nofind_faces.
A file that is there already stays, and its photo is left, unless --overwrite is given.

  python -m trainers.request --address=localhost:8500 --input=photos --output=masks
"""

import pathlib
import sys
from collections.abc import Callable, Iterator

from absl import app, flags
from tqdm import tqdm

from stn_icnn_tf.client.serving_client import (
    PROTOCOLS,
    ParsedPhoto,
    ServingClient,
    ServingError,
)
from stn_icnn_tf.files import as_path
from stn_icnn_tf.parsed_face import ParsedFace
from stn_icnn_tf.photos import read_photo
from trainers.common.flags import define_overwrite, refuse_arguments, usage_errors
from trainers.common.paths import define_path, output_folder
from trainers.common.photos import (
    encoded_photo,
    existing_output,
    list_photos,
    output_stems,
)

FLAGS = flags.FLAGS

# A batch of large photos is shorter, so that it stays within the deadline.
MAX_BATCH_BYTES = 16 * 2**20

# (file, stem of its outputs, content)
Batch = list[tuple[pathlib.Path, str, bytes]]
# Hears of a file that cannot be parsed, and why.
Report = Callable[[pathlib.Path, str], None]


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    flags.DEFINE_string("address", "localhost:8500", "HOST:PORT of the server.")
    flags.DEFINE_enum("protocol", "grpc", PROTOCOLS, "What that port speaks.")
    define_path("input", None, "A photo, or a folder of photos.", remote=True)
    define_path("output", None, "Folder for the masks and overlays.", remote=True)
    define_overwrite()
    flags.DEFINE_string("model_name", "face_parser", "Name of the served model.")
    flags.DEFINE_integer("version", None, "Version of it; default: the latest.")
    flags.DEFINE_integer("batch", 4, "Photos a request, at most.", 1)
    flags.DEFINE_float("deadline", 30.0, "Seconds that an attempt may take.")
    flags.DEFINE_integer("retries", 4, "Attempts after the first.")


def read_batches(
    photos: list[pathlib.Path],
    batch: int,
    report: Report,
    kept: pathlib.Path | None = None,
) -> Iterator[Batch]:
    """Reads photos in batches of at most `batch`.

    Args:
        photos: their files.
        batch: photos a batch.
        report: hears of bad files.
        kept: folder whose files are not to be replaced: photos that have some there
            are not read, and reported. None: all are read.
    """
    current: Batch = []
    for path, stem in zip(photos, output_stems(photos), strict=True):
        there = existing_output(kept, stem) if kept else None
        if there is not None:
            report(path, there)
            continue
        try:
            content = encoded_photo(path)
        except OSError as error:
            report(path, str(error))
            continue
        size = sum(len(content) for *_, content in current) + len(content)
        if current and (len(current) == batch or size > MAX_BATCH_BYTES):
            yield current
            current = []
        current.append((path, stem, content))
    if current:
        yield current


def request_photos(
    client: ServingClient,
    photos: list[pathlib.Path],
    output: pathlib.Path,
    batch: int,
    overwrite: bool = False,
) -> dict[pathlib.Path, str]:
    """Parses photos by a served model, and writes masks and overlays.

    Returns:
        the files that could not be parsed, with the reason.
    """
    output.mkdir(parents=True, exist_ok=True)
    failed: dict[pathlib.Path, str] = {}

    def report(path: pathlib.Path, reason: str) -> None:
        failed[path] = reason
        print(f"{path}: not parsed: {reason}", file=sys.stderr)

    tried: set[pathlib.Path] = set()
    with tqdm(total=len(photos), unit=" photos") as progress:
        for sent in read_batches(photos, batch, report, None if overwrite else output):
            tried.update(path for path, *_ in sent)
            try:
                answers = client.parse([content for *_, content in sent])
            except ServingError as error:
                for path, *_ in sent:
                    report(path, str(error))
                # Only a late answer has to do with the photos that were sent.
                if error.code != "DEADLINE_EXCEEDED":
                    break
            else:
                _save_answers(sent, answers, output, report)
            progress.update(len(sent))
    unsent = [path for path in photos if path not in tried and path not in failed]
    for path in unsent:
        report(path, "was not sent")
    return failed


def _save_answers(
    sent: Batch, answers: list[ParsedPhoto], output: pathlib.Path, report: Report
) -> None:
    for (path, stem, _), answer in zip(sent, answers, strict=True):
        if answer.mask is None:
            report(path, answer.error)
            continue
        try:
            ParsedFace(read_photo(path), answer.mask).save(output, stem)
        # A mask of another size is a `ValueError`.
        except (OSError, ValueError) as error:
            report(path, str(error))


def main(argv: list[str]) -> None:
    """Runs the script; exits 1 if a file failed."""
    refuse_arguments(argv)
    with usage_errors():
        output = output_folder(FLAGS.output)
        photos = list_photos(as_path(FLAGS.input))
        client = ServingClient(
            FLAGS.address,
            FLAGS.protocol,
            FLAGS.model_name,
            FLAGS.version,
            FLAGS.deadline,
            FLAGS.retries,
        )
    with client:
        failed = request_photos(client, photos, output, FLAGS.batch, FLAGS.overwrite)
    print(f"{len(photos) - len(failed)} of {len(photos)} photos -> {FLAGS.output}")
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    define_flags()
    flags.mark_flags_as_required(["input", "output"])
    app.run(main)
