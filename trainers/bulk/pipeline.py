"""The pipeline of a bulk run, on any runner of Beam, and its progress."""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.ml.inference.base import RunInference
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult
from tqdm import tqdm

from trainers.bulk import storage
from trainers.bulk.parsing import NAMESPACE, ShardParser
from trainers.bulk.plan import Plan
from trainers.bulk.rows import ParsedShard
from trainers.bulk.shard_files import FORMATS, dead_letters, mask_names

# Beam's own for one machine, with worker processes. By the name DirectRunner it would
# first download and start another program, Prism.
LOCAL_RUNNER = "FnApiRunner"

_SECONDS = 2.0


class WriteShard(beam.DoFn):
    """Writes shards, each file whole or not at all; yields their names.

    A shard's own file comes last: it says that the shard is done.

    Args:
        plan: the run.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def process(self, shard: ParsedShard) -> Iterator[str]:
        """Writes a shard."""
        plan, written = self._plan, FORMATS[self._plan.settings.format]
        if written.has_mask_files:
            folder = plan.path("masks", shard.name)
            storage.remove_unfinished(folder)
            for row, name in zip(shard.rows, mask_names(shard.rows), strict=True):
                if name is not None:
                    storage.write_whole(row.mask, FileSystems.join(folder, name))
        failed = plan.path("failed", f"{shard.name}.jsonl")
        letters = dead_letters(shard.rows)
        if letters:
            storage.write_whole(letters, failed)
        else:  # An attempt before may have met a disk that failed.
            storage.remove(failed)
        storage.write_whole(written.encode(shard), plan.shard_file(shard.name))
        yield shard.name


def build(
    pipeline: beam.Pipeline, plan: Plan, shards: Sequence[str], threads: int = 0
) -> beam.PCollection[str]:
    """Adds the transforms of a run to a pipeline.

    Args:
        pipeline: Beam's.
        plan: the run.
        shards: names of those that are parsed.
        threads: of TensorFlow, a worker process; 0: as many as there are cores.

    Returns:
        the names of the shards that are written.
    """
    return (
        pipeline
        | beam.Create([(shard, None) for shard in shards])
        # Hands the shards out to the workers, on every runner.
        | beam.GroupByKey()
        | beam.Map(_alone)
        | RunInference(ShardParser(plan, threads))
        | beam.ParDo(WriteShard(plan))
    )


def _alone(group: tuple[str, object]) -> list[str]:
    """Makes a batch of a shard."""
    return [group[0]]


def run(
    plan: Plan,
    runner: str = LOCAL_RUNNER,
    workers: int = 1,
    beam_flags: Sequence[str] = (),
) -> dict[str, int]:
    """Parses the shards that are not done, and shows the progress.

    Args:
        plan: the run.
        runner: of Beam, by its name or its path.
        workers: processes of the local runner.
        beam_flags: what else is said to Beam, as on its command line.

    Returns:
        Beam's counters, as far as the runner has them.

    Raises:
        RuntimeError: if the pipeline fails, with the traceback of the worker.
    """
    shards = [shard for shard in plan.shards if shard not in plan.done()]
    if not shards:
        return {}
    threads, local = 0, {}
    if runner == LOCAL_RUNNER and workers > 1:
        threads = max((os.cpu_count() or 1) // workers, 1)
        local = {
            "direct_running_mode": "multi_processing",
            "direct_num_workers": workers,
        }
    # With flags; else the options read the command line, which is ours. Of what workers
    # log errors are shown, unless more is asked for.
    beam_flags = ["--default_sdk_harness_log_level=ERROR", *beam_flags]
    options = PipelineOptions(flags=beam_flags, **local)
    pipeline = beam.Pipeline(runner=runner, options=options)
    build(pipeline, plan, shards, threads)
    with ends_with_a_worker(), _progress(plan):
        result = pipeline.run()
        result.wait_until_finish()
    return counters(result)


def counters(result: PipelineResult) -> dict[str, int]:
    """Returns the counters of a run by their names; none if the runner has none."""
    try:
        found = result.metrics().query()["counters"]
    except NotImplementedError:
        return {}
    ours = [counter for counter in found if counter.key.metric.namespace == NAMESPACE]
    return {counter.key.metric.name: counter.result for counter in ours}


@contextlib.contextmanager
def ends_with_a_worker() -> Iterator[None]:
    """Ends this process if a worker process of the local runner dies in the block.

    Beam's thread that watches the worker raises an error, but its main thread would
    wait for the worker for ever. The other workers end when they lose this process.
    """
    before = threading.excepthook

    def hook(raised: threading.ExceptHookArgs) -> None:
        before(raised)
        if "Worker subprocess exited" in str(raised.exc_value):
            print(
                f"A worker process died ({raised.exc_value}); was memory short? "
                "The same command goes on with the shards that are not done.",
                file=sys.stderr,
                flush=True,
            )
            os._exit(1)  # What is written is whole.

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


@contextlib.contextmanager
def _progress(plan: Plan) -> Iterator[None]:
    """Shows the photos of the shards that are done, whoever writes them."""
    over = threading.Event()
    with tqdm(total=plan.photos, unit=" photos", smoothing=0.1) as bar:
        bar.update(plan.count(plan.done()))
        bar.initial = bar.n

        def watch() -> None:
            while not over.wait(_SECONDS):
                bar.update(plan.count(plan.done()) - bar.n)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
            bar.update(plan.count(plan.done()) - bar.n)
