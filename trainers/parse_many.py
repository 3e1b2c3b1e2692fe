"""Parses very many photos by Apache Beam, which the extra `beam` installs.

Photos are parsed in shards: a run that was killed goes on, by the same command, with
the shards that are not done, and gives the same bytes. A photo that cannot be read is
named in OUTPUT/failed with the reason, and costs nothing else. docs/scale.md says more.

  python -m trainers.parse_many --input='photos/**.jpg' --output=masks
  python -m trainers.parse_many --input=list.txt --output=masks --format=parquet
  python -m trainers.parse_many --input=gs://B/list.txt --output=gs://B/masks \
    --runner=DataflowRunner -- --project=PROJECT --region=REGION

What follows `--` is Beam's.
"""

import os

from absl import app, flags

from stn_icnn_tf.extras import needs_extra
from stn_icnn_tf.files import is_remote
from stn_icnn_tf.inference.fused import PRECISIONS
from stn_icnn_tf.pretrained import load_model
from stn_icnn_tf.shipped import model_file
from trainers.bulk.shard_files import FORMATS
from trainers.common.flags import refuse_arguments, refuse_flags, usage_errors
from trainers.common.paths import define_path, output_folder

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_path("model", "head", "Shipped model, run folder, or .keras file.")
    # Beam reads and writes remote storage, too.
    flags.DEFINE_multi_string(
        "input",
        [],
        "A photo, a folder, a pattern (`**` crosses folders), or a list: a .txt file "
        "with a path a line. May be repeated.",
    )
    flags.DEFINE_string("output", "masks", "Folder for the shards.")
    flags.DEFINE_enum(
        "format",
        "png",
        tuple(FORMATS),
        "png: a file a mask, and an index; else the shards hold the masks.",
    )
    flags.DEFINE_integer("shard_size", 500, "Photos a shard.", lower_bound=1)
    flags.DEFINE_string("runner", "local", "local, or any runner of Beam.")
    flags.DEFINE_integer(
        "workers", os.cpu_count() or 1, "Processes of the local runner.", lower_bound=1
    )
    flags.DEFINE_bool(
        "find_faces", True, "Search for a face that is small, off the middle or rolled."
    )
    flags.DEFINE_bool(
        "detect_faces", False, "Parse every face of a photo; needs the extra `detect`."
    )
    flags.DEFINE_enum("precision", "float32", PRECISIONS, "Of the networks.")


def main(argv: list[str]) -> None:
    """Runs the script. Photos that could not be read do not make it fail."""
    if argv[1:] and not argv[1].startswith("--"):
        refuse_arguments(argv)
    with usage_errors():
        with needs_extra("Parsing very many photos needs Apache Beam", "beam"):
            from trainers.bulk import pipeline, plan, storage
        if not FLAGS.input:
            raise ValueError("Name photos: --input='photos/**.jpg'")
        is_local = FLAGS.runner == "local"
        if not is_local:
            refuse_flags(("workers",), "goes with --runner=local")
        output = storage.full_path(FLAGS.output)
        if storage.is_glob(output):
            raise ValueError(
                "Argument `output` must have none of the characters * ? [. "
                f"Received: output={FLAGS.output}"
            )
        if not is_remote(output):
            output_folder(output)
        settings = plan.Settings(
            FLAGS.format,
            FLAGS.shard_size,
            FLAGS.find_faces,
            FLAGS.detect_faces,
            FLAGS.precision,
        )
        photos = plan.list_inputs(FLAGS.input)
        load_model(FLAGS.model)  # Lest every worker fails.
        made = plan.make_plan(photos, model_file(FLAGS.model), settings, output)
    runner = pipeline.LOCAL_RUNNER if is_local else FLAGS.runner
    counters = pipeline.run(made, runner, FLAGS.workers, argv[1:])
    for name, value in sorted(counters.items()):
        print(f"{name}: {value:,}")
    failed = made.failures()
    print(f"{made.photos - failed:,} of {made.photos:,} photos -> {FLAGS.output}")
    if failed:
        print(f"{failed:,} could not be read: {made.path('failed')}")


if __name__ == "__main__":
    define_flags()
    app.run(main)
