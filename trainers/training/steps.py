"""The compiled steps of a stage under any `tf.distribute` strategy."""

import tensorflow as tf

from stn_icnn_tf.models.stn_icnn import StnIcnn
from trainers.configs.stages import Stage
from trainers.training.objectives import stage_counts, stage_losses
from trainers.training.optimizer import OPTIMIZERS


def network_variables(model: StnIcnn, network: str) -> list:
    """Returns the trainable variables of one of `NETWORKS`."""
    if network == "parts":
        return [v for net in model.part_nets.values() for v in net.trainable_variables]
    return getattr(model, network).trainable_variables


class StageSteps:
    """What a stage does with one batch, to train and to score; summed over replicas.

    `train(batch, key)` returns float scalars, the losses that its stage names, and
    `evaluate(batch)` the counts that `metrics.scores` reads. Both take distributed
    batches; `key` is int64 `(2,)`, the seed of the step. `optimizers` holds one a
    trained network.

    Args:
        model: made under the scope of `strategy`.
        stage: what to train and how.
        strategy: any synchronous `tf.distribute` strategy.
        jit_compile: whether XLA compiles the training step; on one device alone.
    """

    def __init__(
        self,
        model: StnIcnn,
        stage: Stage,
        strategy: tf.distribute.Strategy,
        jit_compile: bool = False,
    ) -> None:
        self._model = model
        self._stage = stage
        self._strategy = strategy
        with strategy.scope():
            self.optimizers = {}
            for network in stage.trained_networks:
                optimizer = OPTIMIZERS[stage.optimizer](stage.rate(network))
                optimizer.build(network_variables(model, network))
                self.optimizers[network] = optimizer
        # No autograph: nothing to convert, and reading Keras's source through it
        # doubles the time to the first step.
        self.train = tf.function(self._train, jit_compile=jit_compile, autograph=False)
        self.evaluate = tf.function(self._evaluate, autograph=False)

    def _replica_train(self, batch: dict, key: tf.Tensor) -> dict:
        first = None
        if self._strategy.num_replicas_in_sync > 1:
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            first = replica * tf.shape(batch["image"])[0]
        variables = {
            name: [v.value for v in network_variables(self._model, name)]
            for name in self.optimizers
        }
        with tf.GradientTape() as tape:
            losses = stage_losses(self._model, self._stage, batch, key, first)
            losses = {
                name: tf.reduce_sum(values) / self._stage.batch_size
                for name, values in losses.items()
            }
        # One pass back for all networks, whose optimizers have their own rates.
        gradients = tape.gradient(losses["loss"], variables)
        for network, optimizer in self.optimizers.items():
            optimizer.apply(gradients[network])
        return losses

    def _train(self, batch: dict, key: tf.Tensor) -> dict:
        return self._sum(self._strategy.run(self._replica_train, args=(batch, key)))

    def _evaluate(self, batch: dict) -> dict:
        return self._sum(
            self._strategy.run(
                lambda batch: stage_counts(self._model, self._stage, batch),
                args=(batch,),
            )
        )

    def _sum(self, values: dict) -> dict:
        return {
            name: self._strategy.reduce("SUM", value, axis=None)
            for name, value in values.items()
        }
