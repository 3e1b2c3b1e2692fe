"""The networks folded for inference: the same numbers up to rounding, faster.

Batch norm goes into the convs before it, the kernels over upsampled features into
their four phases.
"""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from stn_icnn_tf.inference.blocks import block_kernel, inside, to_blocks
from stn_icnn_tf.layers.convolution import conv_phases, from_blocks, phase_kernel
from stn_icnn_tf.layers.icnn import ConvUnit, InterlinkedCNN, Interlinking
from stn_icnn_tf.layers.localization import LocalizationNetwork, Localizing
from stn_icnn_tf.layers.residual_icnn import (
    ResidualInterlinkedCNN,
    ResidualInterlinking,
)


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
        constants: whether the weights become constants of graphs, see `FusedModel`.
    """

    def __init__(
        self,
        kernel: np.ndarray,
        bias: np.ndarray,
        dtype: str,
        activation: str | None = None,
        coarser_filters: int = 0,
        blocks_of: tuple[int, int] | None = None,
        constants: bool = True,
    ) -> None:
        own = kernel.shape[2] - coarser_filters
        self.dtype = dtype
        self.kernel, self.bias = kernel[:, :, :own], bias
        self.coarser_kernel: np.ndarray | None = None
        self.activation = keras.activations.get(activation)
        self.mask = None
        if coarser_filters:
            self.coarser_kernel = _array(phase_kernel(kernel[:, :, own:]))
        self.in_blocks = blocks_of is not None
        if blocks_of is not None:
            self.kernel, self.bias = block_kernel(self.kernel), np.tile(bias, 4)
            if self.coarser_kernel is not None:
                # Half-size features lie on blocks: one conv sees both.
                both = [self.kernel, self.coarser_kernel]
                self.kernel, self.coarser_kernel = np.concatenate(both, axis=2), None
            marks = inside(blocks_of)
            if marks is not None:
                self.mask = np.repeat(marks, len(bias), axis=-1)
                self.mask = self.mask.reshape(*marks.shape[:3], -1)
        if not constants:
            self.kernel = tf.constant(self.kernel, dtype)
            if self.coarser_kernel is not None:
                self.coarser_kernel = tf.constant(self.coarser_kernel, dtype)

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
    unit: ConvUnit,
    dtype: str,
    blocks_of: tuple[int, int] | None = None,
    constants: bool = True,
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
        constants,
    )


class FoldedIcnn(Interlinking):
    """An `InterlinkedCNN` folded for pictures of one size.

    The finest row works on blocks. So does the head if it has few channels;
    with the nine classes of the coarse net it fills the vectors as it is.

    Args:
        net: whose weights are copied.
        size: `(height, width)` of the pictures.
        dtype: `"float32"` or `"bfloat16"`.
        blocks: whether the finest row works on blocks; False: on pixels.
        constants: see `FusedModel`.

    Input and output are those of the net.
    """

    def __init__(
        self,
        net: InterlinkedCNN,
        size: tuple[int, int],
        dtype: str = "float32",
        blocks: bool = True,
        constants: bool = True,
    ) -> None:
        self.size = size
        self.in_blocks = blocks
        self.head_in_blocks = blocks and net.num_classes <= 4

        def fold(unit: ConvUnit, row: int) -> FoldedConv:
            blocks_of = size if blocks and row == 0 else None
            return fold_unit(unit, dtype, blocks_of, constants)

        def fold_row(units: list, row: int) -> list[FoldedConv]:
            return [fold(unit, row) for unit in units]

        self.input_units = [fold(u, row) for row, u in enumerate(net.input_units)]
        self.interlinks = [
            [fold_row(units, row) for row, units in enumerate(interlink)]
            for interlink in net.interlinks
        ]
        self.integrations = [fold(u, row) for row, u in enumerate(net.integrations)]
        tail = size if self.head_in_blocks else None
        self.folded_head = fold_unit(net.head, dtype, tail, constants)
        self.head_conv, self.logits = (
            FoldedConv(
                _array(conv.kernel),
                _array(conv.bias),
                dtype,
                blocks_of=tail,
                constants=constants,
            )
            for conv in (net.head_conv, net.logits)
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


class FoldedResidualIcnn(ResidualInterlinking):
    """A `ResidualInterlinkedCNN` folded; it has channels enough without blocks.

    Args:
        net: whose weights are copied.
        dtype: `"float32"` or `"bfloat16"`.
        constants: see `FusedModel`.

    Input and output are those of the net.
    """

    def __init__(
        self,
        net: ResidualInterlinkedCNN,
        dtype: str = "float32",
        constants: bool = True,
    ) -> None:
        self.compute_dtype, self.fold = dtype, net.fold

        def fold(unit: ConvUnit | None) -> FoldedConv | None:
            if unit is None:
                return None
            return fold_unit(unit, dtype, constants=constants)

        def fold_all(units: Iterable) -> list[FoldedConv | None]:
            return [fold(unit) for unit in units]

        self.input_units = fold_all(net.input_units)
        self.interlinks = [[fold_all(row) for row in link] for link in net.interlinks]
        self.merges = fold_all(net.merges)
        self.integrations = fold_all(net.integrations)
        self.head = fold(net.head)
        self.logits = FoldedConv(
            _array(net.logits.kernel),
            _array(net.logits.bias),
            dtype,
            constants=constants,
        )

    def __call__(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.call(inputs)

    def pool(self, features: tf.Tensor) -> tf.Tensor:
        """Halves the features of a row, for the next coarser one."""
        return tf.nn.max_pool2d(features, 2, 2, "SAME")

    def upsample(self, features: tf.Tensor) -> tf.Tensor:
        """Doubles features as the net does, in one operation where that is faster."""
        if self.compute_dtype == "bfloat16":
            return super().upsample(features)
        size = [2 * side for side in features.shape[1:3]]
        return tf.raw_ops.ResizeNearestNeighbor(images=features, size=size)


class FoldedLocalization(Localizing):
    """A `LocalizationNetwork` of folded units.

    Args:
        net: whose weights are copied.
        dtype: `"float32"` or `"bfloat16"`, of the convs; theta is float32.
        constants: see `FusedModel`.

    Input and output are those of the net.
    """

    def __init__(
        self, net: LocalizationNetwork, dtype: str = "float32", constants: bool = True
    ) -> None:
        self.convs = [
            [fold_unit(unit, dtype, constants=constants) for unit in pair]
            for pair in net.convs
        ]
        self.kernel, self.bias = _array(net.dense.kernel), _array(net.dense.bias)
        self.mean_crop, self.scale_range = net.mean_crop, net.scale_range

    def __call__(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.call(inputs)

    def pool(self, features: tf.Tensor) -> tf.Tensor:
        """Halves the features after a pair of convs."""
        return tf.nn.max_pool2d(features, 2, 2, "SAME")

    def dense(self, features: tf.Tensor) -> tf.Tensor:
        """Runs the last layer."""
        return tf.matmul(features, self.kernel) + self.bias
