"""Batch normalisation whose training step is one kernel."""

import math
from typing import Any

import keras
from keras import layers

Tensor = Any

# In bfloat16 the kernel for processors is fast where the channels are a multiple of
# these; elsewhere it takes up to eight times as long as in float32.
FAST_CHANNELS = 16


@keras.saving.register_keras_serializable(package="stn_icnn_tf")
class FusedBatchNormalization(layers.BatchNormalization):
    """Keras's batch normalisation; TensorFlow trains it by its own fused kernel.

    The same numbers, weights and files, with some 80 operations less a layer, gradient
    included: our networks hold hundreds of these layers. Statistics over several
    replicas are Keras's. The arguments are those of `keras.layers.BatchNormalization`,
    with its scale and centre, over the last axis.

    Input shape:
        float `(batch, height, width, channels)`.

    Output shape:
        the same.

    Reference:
        Ioffe and Szegedy 2015, "Batch normalization".
    """

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if not (training and self.trainable) or keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training)
        # Not at the head of the file: other backends need no TensorFlow.
        import tensorflow as tf

        replica = tf.distribute.get_replica_context()
        if replica is None or replica.num_replicas_in_sync > 1:
            return super().call(inputs, training=training)
        features = inputs
        if inputs.shape[-1] % FAST_CHANNELS:
            features = tf.cast(inputs, "float32")
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=features,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=[],
            variance=[],
            epsilon=self.epsilon,
            is_training=True,
        )
        # The kernel returns the variance of all there might be, Keras keeps that of
        # what is there.
        count: Any = math.prod(side or 0 for side in inputs.shape[:-1])
        if not count:
            count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), "float32")
        for kept, value in (
            (self.moving_mean, mean),
            (self.moving_variance, variance * ((count - 1) / count)),
        ):
            kept.assign(kept * self.momentum + value * (1 - self.momentum))
        return tf.cast(outputs, inputs.dtype)
