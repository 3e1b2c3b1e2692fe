"""The networks folded for inference: the same numbers up to rounding, faster.

Batch norm goes into the convs before it, the kernels over upsampled features into
their four phases, and all weights become constants of the graph, which the CPU's
convolutions lay out once instead of at every call.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from stn_icnn_tf.blocks import block_kernel, from_blocks, inside, to_blocks
from stn_icnn_tf.convolution import conv_phases, phase_kernel
from stn_icnn_tf.geometry import make_theta
from stn_icnn_tf.icnn import ConvUnit, InterlinkedCNN, Interlinking
from stn_icnn_tf.localization import LocalizationNetwork


def _array(variable: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable).astype("float32")


class FoldedConv:
    """A conv with a bias and constant weights, over pixels or over blocks.

    Args:
        kernel: float32 `(size, size, channels, filters)`. The last of its channels
            may be those of features of half the size, see `ConvUnit`.
        bias: float32 `(filters,)`.
        dtype: `"float32"` or `"bfloat16"`, of weights and arithmetic.
        activation: name of the activation, or None.
        coarser_filters: how many channels are those of features of half the size.
        blocks_of: `(height, width)` of the picture if the conv works on its 2x2
            blocks; None: it works on pixels.
    """

    def __init__(
        self,
        kernel: np.ndarray,
        bias: np.ndarray,
        dtype: str,
        activation: str | None = None,
        coarser_filters: int = 0,
        blocks_of: tuple[int, int] | None = None,
    ) -> None:
        own = kernel.shape[2] - coarser_filters
        self.dtype = dtype
        self.kernel, self.bias = kernel[:, :, :own], bias
        self.coarser_kernel = None
        self.activation = keras.activations.get(activation)
        self.mask = None
        if coarser_filters:
            self.coarser_kernel = _array(phase_kernel(kernel[:, :, own:]))
        self.in_blocks = blocks_of is not None
        if self.in_blocks:
            self.kernel, self.bias = block_kernel(self.kernel), np.tile(bias, 4)
            if coarser_filters:
                # Half-size features lie on blocks: one conv sees both.
                both = [self.kernel, self.coarser_kernel]
                self.kernel, self.coarser_kernel = np.concatenate(both, axis=2), None
            marks = inside(blocks_of)
            if marks is not None:
                self.mask = np.repeat(marks, len(bias), axis=-1)
                self.mask = self.mask.reshape(*marks.shape[:3], -1)

    def __call__(
        self,
        inputs: tf.Tensor,
        coarser: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        inputs = tf.cast(inputs, self.dtype)
        if coarser is not None and self.in_blocks:
            inputs = tf.concat([inputs, coarser], axis=-1)
        features = tf.nn.conv2d(inputs, tf.cast(self.kernel, self.dtype), 1, "SAME")
        features = tf.nn.bias_add(features, tf.cast(self.bias, self.dtype))
        if self.coarser_kernel is not None:
            kernel = tf.cast(self.coarser_kernel, self.dtype)
            features += conv_phases(coarser, kernel, inputs.shape[1:3])
        features = self.activation(features)
        if self.mask is not None:
            # Beyond the border a conv must see zeros.
            features *= tf.cast(self.mask, self.dtype)
        return features


def fold_unit(
    unit: ConvUnit, dtype: str, blocks_of: tuple[int, int] | None = None
) -> FoldedConv:
    """Folds the batch norm of a `ConvUnit` into its conv."""
    norm = unit.norm
    scale = _array(norm.gamma) / np.sqrt(_array(norm.moving_variance) + norm.epsilon)
    return FoldedConv(
        _array(unit.kernel) * scale,
        _array(norm.beta) - _array(norm.moving_mean) * scale,
        dtype,
        unit.activation,
        unit.coarser_filters,
        blocks_of,
    )


class FoldedIcnn(Interlinking):
    """An `InterlinkedCNN` folded for pictures of one size.

    The finest row works on blocks. So does the head if it has few channels;
    with the nine classes of the coarse net it fills the vectors as it is.

    Args:
        net: whose weights are copied.
        size: `(height, width)` of the pictures.
        dtype: `"float32"` or `"bfloat16"`.
        against_background: whether a net of two classes gives one channel, the
            logit of the second class against background: softmax needs no more.
        blocks: whether the finest row works on blocks; False: on pixels.

    Input and output are those of the net, but for that.
    """

    def __init__(
        self,
        net: InterlinkedCNN,
        size: tuple[int, int],
        dtype: str = "float32",
        against_background: bool = False,
        blocks: bool = True,
    ) -> None:
        self.size = size
        self.in_blocks = blocks
        self.head_in_blocks = blocks and net.num_classes <= 4

        def fold(unit: ConvUnit, row: int) -> FoldedConv:
            return fold_unit(unit, dtype, size if blocks and row == 0 else None)

        def fold_row(units: list, row: int) -> list[FoldedConv]:
            return [fold(unit, row) for unit in units]

        self.input_units = [fold(u, row) for row, u in enumerate(net.input_units)]
        self.interlinks = [
            [fold_row(units, row) for row, units in enumerate(interlink)]
            for interlink in net.interlinks
        ]
        self.integrations = [fold(u, row) for row, u in enumerate(net.integrations)]
        tail = size if self.head_in_blocks else None
        self.folded_head = fold_unit(net.head, dtype, tail)
        weights = [
            (_array(conv.kernel), _array(conv.bias))
            for conv in (net.head_conv, net.logits)
        ]
        if against_background and net.num_classes == 2:
            weights[1] = tuple(w[..., 1:] - w[..., :1] for w in weights[1])
        self.head_conv, self.logits = (
            FoldedConv(kernel, bias, dtype, blocks_of=tail) for kernel, bias in weights
        )

    def __call__(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        logits = self.call(to_blocks(inputs) if self.in_blocks else inputs)
        return from_blocks(logits, self.size) if self.head_in_blocks else logits

    def head(self, features: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Runs the first conv of the head."""
        if self.in_blocks and not self.head_in_blocks:
            features = from_blocks(features, self.size)
        return self.folded_head(features)

    def pool_row(self, features: tf.Tensor, row: int) -> tf.Tensor:
        """Halves the features of a row, for the next coarser one."""
        if self.in_blocks and row == 0:
            features = from_blocks(features, self.size)
        return tf.nn.max_pool2d(features, 3, 2, "SAME")


class FoldedLocalization:
    """A `LocalizationNetwork` of folded units.

    Args:
        net: whose weights are copied.
        dtype: `"float32"` or `"bfloat16"`, of the convs; theta is float32.

    Input and output are those of the net.
    """

    def __init__(self, net: LocalizationNetwork, dtype: str) -> None:
        self.convs = [[fold_unit(unit, dtype) for unit in pair] for pair in net.convs]
        size = net.dense.kernel.shape[0]
        self.kernel = _array(net.dense.kernel) / np.sqrt(size)
        self.bias = _array(net.dense.bias)
        self.mean = np.asarray(net.mean_crop, "float32")
        self.scale_range = net.scale_range

    def __call__(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        features = inputs * 2.0 - 1.0
        for pair in self.convs:
            for unit in pair:
                features = unit(features)
            features = tf.nn.max_pool2d(features, 2, 2, "SAME")
        features = tf.reshape(tf.cast(features, "float32"), (-1, len(self.kernel)))
        raw = tf.matmul(features, self.kernel) + self.bias
        raw = tf.reshape(raw, (-1, len(self.mean), 3))
        scale = self.mean[:, :1] * tf.exp(self.scale_range * tf.tanh(raw[..., :1]))
        return make_theta(tf.repeat(scale, 2, axis=-1), self.mean[:, 1:] + raw[..., 1:])
