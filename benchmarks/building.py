"""Measures building `celeb_a_mask_hq` by Beam: time, processor time, memory, bytes.

The photos of a folder are repeated under new ids, as links, to as many as are asked
for. What a photo costs is what the last number of photos took more than the first.

  python -m benchmarks.building --input=CELEBAMASK_HQ --counts=500,1000 --output=b.json
"""

import itertools
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from typing import Any

from absl import app, flags

from tfds_builders.celeb_a_mask_hq import layout
from trainers.common.paths import define_path, output_file

FLAGS = flags.FLAGS

# What the process does whose memory is measured.
BUILD = """
import sys
import tensorflow_datasets as tfds
from apache_beam.options.pipeline_options import PipelineOptions
from tfds_builders.celeb_a_mask_hq import Builder

manual, data = sys.argv[1:3]
workers = int(sys.argv[3])
config = tfds.download.DownloadConfig(manual_dir=manual)
if workers:
    config.beam_runner = "FnApiRunner"
    config.beam_options = PipelineOptions(
        flags=[], direct_running_mode="multi_processing", direct_num_workers=workers
    )
builder = Builder(config="all", data_dir=data)
builder.download_and_prepare(download_config=config)
print(int(builder.info.dataset_size))
"""


def define_flags() -> None:
    """Defines the flags."""
    define_path("input", None, "Folder of the data set.")
    define_path("output", None, "JSON file of the record.")
    flags.DEFINE_list("counts", ["500", "1000"], "Photos of the builds.")
    flags.DEFINE_integer(
        "workers", 0, "Processes of Beam's FnApiRunner; 0: the builder's own runner."
    )
    flags.mark_flags_as_required(["input", "output"])


def repeat(root: pathlib.Path, count: int, folder: pathlib.Path) -> None:
    """Makes a data set of so many photos, which are links to those of another."""
    ids = layout.list_photos(root)[:count]
    parts = layout.list_parts(root, ids)
    for fresh, photo_id in zip(range(count), itertools.cycle(ids)):
        pairs = [(layout.photo_path(folder, fresh), layout.photo_path(root, photo_id))]
        for part in parts[photo_id]:
            link = layout.mask_path(folder, fresh, part)
            pairs.append((link, layout.mask_path(root, photo_id, part)))
        for link, file in pairs:
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file.resolve())


def build(root: pathlib.Path, count: int) -> dict[str, Any]:
    """Builds the data set in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        made = pathlib.Path(folder) / layout.FOLDER_NAMES[0]
        repeat(root, count, made)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        command = [sys.executable, "-c", BUILD, str(made), str(folder)]
        result = subprocess.run(
            [*command, str(FLAGS.workers)], capture_output=True, text=True
        )
        if result.returncode:
            raise RuntimeError(result.stderr[-2000:])
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "photos": count,
        "seconds": time.perf_counter() - start,
        "processor_seconds": after.ru_utime
        + after.ru_stime
        - before.ru_utime
        - before.ru_stime,
        # Of the largest process; so counts must grow.
        "most_bytes": after.ru_maxrss * 1024,
        "data_bytes": int(result.stdout.split()[-1]),
    }


def main(argv: list[str]) -> None:
    """Runs the script."""
    del argv
    record = output_file(FLAGS.output)
    root = layout.find_root(FLAGS.input)
    builds = [build(pathlib.Path(root), int(count)) for count in FLAGS.counts]
    record.write_text(json.dumps(builds, indent=1))
    for values in builds:
        print(" ".join(f"{name}={value:.6g}" for name, value in values.items()))
    first, last = builds[0], builds[-1]
    more = last["photos"] - first["photos"]
    if more:
        for name in ("seconds", "processor_seconds", "most_bytes", "data_bytes"):
            print(f"{name} a photo: {(last[name] - first[name]) / more:.6g}")


if __name__ == "__main__":
    define_flags()
    app.run(main)
