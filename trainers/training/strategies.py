"""What a run is distributed over: the devices of a host, or those of several."""

import contextlib
import faulthandler
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2
from tensorflow.python.distribute import mirrored_strategy as mirrored_strategy_lib

# Only here can the time be set after which a silent worker is lost.
from tensorflow.python.eager import context

from stn_icnn_tf.data.mixture import WHOLE, Share
from trainers.training.cluster import Cluster
from trainers.training.errors import RunError

# Seconds without a sign of life after which a worker is lost.
LOST_AFTER = 30.0
# What TensorFlow raises in the workers that are left, depending on what they just did.
_LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.UnavailableError,
)


def mirrored_strategy(devices: Sequence[str] = ()) -> tf.distribute.MirroredStrategy:
    """Mirrors over the named devices, or over every local GPU, else the CPU.

    Raises:
        ValueError: if a device is not there.
    """
    local = [d.name.removeprefix("/device:") for d in tf.config.list_logical_devices()]
    for device in devices:
        if device.removeprefix("/device:").upper() not in local:
            raise ValueError(
                f"Argument `device` must be one of {local}. Received: device={device}"
            )
    return tf.distribute.MirroredStrategy(list(devices) or None)


def multi_worker_strategy(
    cluster: Cluster, timeout: float
) -> tf.distribute.MultiWorkerMirroredStrategy:
    """Mirrors over the workers of TF_CONFIG; to be called before TensorFlow is used.

    Args:
        cluster: as TF_CONFIG has it; its workers are there, see `wait_for_all`.
        timeout: seconds after which the process ends, where one of them is gone again.
    """
    jobs = tf.distribute.cluster_resolver.TFConfigClusterResolver().cluster_spec()
    leader = "chief" if "chief" in jobs.jobs else "worker"
    lost_after = int(1000 * min(LOST_AFTER, timeout))
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader=f"/job:{leader}/replica:0/task:0",
        cluster_register_timeout_in_ms=int(1000 * timeout),
        heartbeat_timeout_in_ms=lost_after,
        shutdown_barrier_timeout_in_ms=lost_after,
        coordinated_jobs=[
            coordination_config_pb2.CoordinatedJob(
                name=job, num_tasks=jobs.num_tasks(job)
            )
            for job in jobs.jobs
        ],
    )
    # While it waits, neither signals nor other threads of Python get their turn.
    faulthandler.dump_traceback_later(timeout + LOST_AFTER, exit=True)
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    finally:
        faulthandler.cancel_dump_traceback_later()
    # Else the chief would send every variable on its own when it is made, hundreds of
    # times over the network, and again by `take_from_chief`, which sends all at once.
    extended = strategy.extended
    extended._get_variable_creator_initial_value = types.MethodType(
        mirrored_strategy_lib.MirroredExtended._get_variable_creator_initial_value,
        extended,
    )
    return strategy


def is_multi_worker(strategy: tf.distribute.Strategy) -> bool:
    """Whether other processes train along."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the one that writes."""
    if not is_multi_worker(strategy):
        return True
    resolver = strategy.cluster_resolver
    first = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    return (resolver.task_type, resolver.task_id) == (first, 0)


def distributed_batches(
    strategy: tf.distribute.Strategy, make_batches: Callable[[Share], tf.data.Dataset]
) -> Iterator[dict]:
    """Yields the batches of a strategy, of which each worker makes its own share.

    Args:
        strategy: of the run.
        make_batches: makes the share of a worker.
    """
    if not is_multi_worker(strategy):
        return iter(strategy.experimental_distribute_dataset(make_batches(WHOLE)))

    def make_own(context: tf.distribute.InputContext) -> tf.data.Dataset:
        workers = context.num_input_pipelines
        replicas = context.num_replicas_in_sync // workers
        return make_batches(Share(context.input_pipeline_id, workers, replicas))

    # Not by TensorFlow's own sharding: its shares depend on the number of files.
    return iter(strategy.distribute_datasets_from_function(make_own))


def take_from_chief(strategy: tf.distribute.Strategy, variables: Sequence[Any]) -> None:
    """Gives the variables of every worker the values that the chief's have.

    So nobody but the chief reads the run folder. Every worker must call it.
    """
    if not is_multi_worker(strategy):
        return

    def own_share(values: tf.Tensor) -> tf.Tensor:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return tf.where(replica == 0, values, tf.zeros_like(values))

    @tf.function(autograph=False)
    def add_up(values: tf.Tensor) -> tf.Tensor:
        return strategy.reduce("SUM", strategy.run(own_share, (values,)), axis=None)

    by_type: dict[tf.DType, list] = {}
    for variable in variables:
        by_type.setdefault(tf.as_dtype(variable.dtype), []).append(variable)
    # All of a type in one message.
    for alike in by_type.values():
        values = [tf.reshape(tf.convert_to_tensor(v), [-1]) for v in alike]
        sizes = [int(tf.size(value)) for value in values]
        together = add_up(tf.concat(values, axis=0))
        for variable, value in zip(alike, tf.split(together, sizes), strict=True):
            variable.assign(tf.reshape(value, variable.shape))


def meet(strategy: tf.distribute.Strategy) -> None:
    """Waits until every worker has come so far."""
    take_from_chief(strategy, [tf.Variable(0.0)])


@contextlib.contextmanager
def lost_workers(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Says what the user can do where TensorFlow tells of a lost worker.

    Args:
        strategy: of the run; if other processes have no part in it, nothing changes.

    Raises:
        RunError: in place of TensorFlow's errors of that kind.
    """
    try:
        yield
    except _LOST as error:
        if not is_multi_worker(strategy):
            raise
        lines = str(error).splitlines()
        found = [line for line in lines if "task:" in line or "onnect" in line]
        raise RunError(
            "Another worker is gone, or cannot be reached. Start every worker again: "
            "the run goes on after the last finished epoch. TensorFlow says: "
            + (found or lines)[0].strip()
        ) from error
