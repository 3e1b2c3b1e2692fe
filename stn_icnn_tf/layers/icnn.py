"""The interlinked CNN."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from stn_icnn_tf.layers.batch_norm import FusedBatchNormalization
from stn_icnn_tf.layers.convolution import conv_upsampled

Tensor = Any

# Written out: Keras's defaults (0.99, 1e-3) are not the published model's.
BATCH_NORM = {"momentum": 0.9, "epsilon": 1e-5}
if keras.backend.backend() == "tensorflow":
    # Statistics of the global batch: any number of replicas, the same numbers.
    BATCH_NORM["synchronized"] = True


@keras.saving.register_keras_serializable(package="stn_icnn_tf")
class ConvUnit(layers.Layer):
    """Convolution, batch norm, activation.

    Beside its input, a unit may see features of half the size, upsampled by
    nearest neighbour. They are never drawn at full size: see `conv_upsampled`.

    Args:
        filters: number of output channels.
        kernel_size: side of the kernel, odd; 5 for a unit with `coarser_filters`.
        activation: name of the activation.
        coarser_filters: number of channels of the features of half the size.
        scale: initializer of the norm's scale; `"zeros"` for the end of a residual.

    Input shape:
        float `(batch, height, width, channels)`, and, if there are
        `coarser_filters`, float `(batch, ceil(height / 2), ceil(width / 2),
        coarser_filters)` as argument `coarser`.

    Output shape:
        float `(batch, height, width, filters)`.

    Raises:
        ValueError: if `coarser_filters` go with a kernel that is not 5 wide.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        activation: str = "relu",
        coarser_filters: int = 0,
        scale: str = "ones",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if coarser_filters and kernel_size != 5:
            raise ValueError(
                "Argument `kernel_size` must be 5 with `coarser_filters`. "
                f"Received: kernel_size={kernel_size}"
            )
        self.filters = filters
        self.kernel_size = kernel_size
        self.activation = activation
        self.coarser_filters = coarser_filters
        self.scale = scale
        policy = self.dtype_policy
        self.norm = FusedBatchNormalization(
            gamma_initializer=scale, dtype=policy, **BATCH_NORM
        )
        self.activate = layers.Activation(activation, dtype=policy)

    def build(self, input_shape: tuple) -> None:
        # One kernel over both inputs, own channels first: initial values and
        # stored weights are those of the conv over their concatenation.
        seen = input_shape[-1] + self.coarser_filters
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, self.kernel_size, seen, self.filters),
            initializer="glorot_uniform",
        )
        self.norm.build((*input_shape[:-1], self.filters))
        self.built = True

    def call(
        self, inputs: Tensor, coarser: Tensor | None = None, training: bool = False
    ) -> Tensor:
        inputs = ops.cast(inputs, self.compute_dtype)
        kernel = ops.cast(self.kernel, self.compute_dtype)
        own = kernel[:, :, : inputs.shape[-1]] if self.coarser_filters else kernel
        features = ops.conv(inputs, own, padding="same", data_format="channels_last")
        if self.coarser_filters:
            features += conv_upsampled(
                ops.cast(coarser, self.compute_dtype),
                kernel[:, :, inputs.shape[-1] :],
                inputs.shape[1:3],
            )
        return self.activate(self.norm(features, training=training))

    def compute_output_shape(
        self, input_shape: tuple, coarser_shape: tuple | None = None
    ) -> tuple:
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict:
        config = super().get_config()
        config.update(
            filters=self.filters,
            kernel_size=self.kernel_size,
            activation=self.activation,
            coarser_filters=self.coarser_filters,
            scale=self.scale,
        )
        return config


def refuse_shape(num_classes: int, row_filters: tuple[int, ...]) -> None:
    """Refuses an iCNN of too few classes or rows.

    Raises:
        ValueError: if there are less than two of one.
    """
    if num_classes < 2:
        raise ValueError(
            "Argument `num_classes` must be at least 2, background included. "
            f"Received: num_classes={num_classes}"
        )
    if len(row_filters) < 2:
        raise ValueError(
            "Argument `row_filters` must hold at least two rows. "
            f"Received: row_filters={row_filters}"
        )


class Interlinking:
    """How the rows of an iCNN exchange features, whoever carries the convs out.

    `InterlinkedCNN` runs it with Keras layers, the fused model with folded ones:
    whoever inherits sets these attributes, callables and lists of them.
    """

    pool: Any
    input_units: Sequence[Any]
    interlinks: Sequence[Any]
    integrations: Sequence[Any]
    head: Any
    head_conv: Any
    logits: Any

    def pool_row(self, features: Tensor, row: int) -> Tensor:
        """Halves the features of a row, for the next coarser one."""
        return self.pool(features)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        pyramid = [inputs]
        for _ in self.input_units[1:]:
            pyramid.append(self.pool_row(pyramid[-1], len(pyramid) - 1))
        rows = [
            unit(image, training=training)
            for unit, image in zip(self.input_units, pyramid, strict=True)
        ]
        for interlink in self.interlinks:
            rows = self._interlink(rows, interlink, training)
        merged = rows[-1]
        for row in reversed(range(len(self.integrations))):
            merged = self.integrations[row](rows[row], merged, training=training)
        merged = self.head(merged, training=training)
        return ops.cast(self.logits(self.head_conv(merged)), "float32")

    def _interlink(self, rows: list, interlink: list, training: bool) -> list:
        linked = []
        for row, (first, second) in enumerate(interlink):
            features = rows[row]
            if row > 0:
                finer = self.pool_row(rows[row - 1], row - 1)
                features = ops.concatenate([finer, features], axis=-1)
            coarser = rows[row + 1] if row + 1 < len(rows) else None
            features = first(features, coarser, training=training)
            features = second(features, training=training)
            linked.append(features)
        return linked


@keras.saving.register_keras_serializable(package="stn_icnn_tf")
class InterlinkedCNN(Interlinking, layers.Layer):
    """Labels each pixel with four conv towers that exchange features.

    Four rows work at full, 1/2, 1/4 and 1/8 size. In each interlink layer every
    row sees its finer neighbour max-pooled, itself, and its coarser neighbour
    upsampled, all as they were before the layer. After the last one the rows
    are merged from coarse to fine and a head turns the finest into logits.

    Args:
        num_classes: number of output channels L.
        row_filters: channels of each row, finest first.
        num_interlinks: number of interlink layers.
        activation: activation at input, integration and head. The paper has
            ReLU; its published model has tanh.
        background: share of pixels expected to be background, channel 0: where
            the logits' bias starts. At the default all classes are alike, and
            the first hundred steps go into learning that most pixels are none.

    Input shape:
        float `(batch, height, width, channels)`, any size of at least 8 pixels
        a side that is known when the layer is called.

    Output shape:
        float `(batch, height, width, num_classes)`, logits.

    Examples:
        >>> logits = InterlinkedCNN(num_classes=9)(np.zeros((1, 128, 128, 3)))
        >>> logits.shape
        (1, 128, 128, 9)

    Raises:
        ValueError: if `num_classes` or `row_filters` is too small.

    Reference:
        Zhou et al. 2015; STN-iCNN section 2.2, eq. 1 and 4.
    """

    def __init__(
        self,
        num_classes: int,
        row_filters: tuple[int, ...] = (8, 16, 24, 32),
        num_interlinks: int = 3,
        activation: str = "relu",
        background: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if background is not None and not 0 < background < 1:
            raise ValueError(
                "Argument `background` must lie between 0 and 1. "
                f"Received: background={background}"
            )
        refuse_shape(num_classes, row_filters)
        self.num_classes = num_classes
        self.row_filters = tuple(row_filters)
        self.num_interlinks = num_interlinks
        self.activation = activation
        self.background = background

        # === Layers ===
        policy = self.dtype_policy
        coarser_filters = (*self.row_filters[1:], 0)
        self.pool = layers.MaxPooling2D(
            3, strides=2, padding="same", data_format="channels_last", dtype=policy
        )
        self.input_units = [
            ConvUnit(filters, 5, activation, dtype=policy) for filters in row_filters
        ]
        self.interlinks = [
            [
                [
                    ConvUnit(filters, 5, coarser_filters=coarser, dtype=policy),
                    ConvUnit(filters, 5, dtype=policy),
                ]
                for filters, coarser in zip(row_filters, coarser_filters, strict=True)
            ]
            for _ in range(num_interlinks)
        ]
        self.integrations = [
            ConvUnit(filters, 5, activation, coarser_filters=coarser, dtype=policy)
            for filters, coarser in zip(row_filters, coarser_filters[:-1], strict=False)
        ]
        self.head = ConvUnit(2 * num_classes + 8, 5, activation, dtype=policy)
        self.head_conv = layers.Conv2D(
            num_classes, 5, padding="same", data_format="channels_last", dtype=policy
        )
        # Logits stay float32 under mixed precision: losses and argmax need it.
        self.logits = layers.Conv2D(
            num_classes,
            9,
            padding="same",
            data_format="channels_last",
            bias_initializer=self._log_shares,
            dtype=policy,
        )

    def _log_shares(self, shape: tuple, dtype: Any = None) -> Tensor:
        if self.background is None:
            return ops.zeros(shape, dtype)
        rest = (1.0 - self.background) / (self.num_classes - 1)
        shares = [self.background] + [rest] * (self.num_classes - 1)
        return ops.log(ops.convert_to_tensor(shares, dtype))

    def build(self, input_shape: tuple) -> None:
        filters = self.row_filters
        rows = range(len(filters))

        def shape(channels: int) -> tuple:
            return (None, None, None, channels)

        for unit in self.input_units:
            unit.build(shape(input_shape[-1]))
        for interlink in self.interlinks:
            for row in rows:
                seen = sum(filters[max(row - 1, 0) : row + 1])
                interlink[row][0].build(shape(seen))
                interlink[row][1].build(shape(filters[row]))
        for row, unit in enumerate(self.integrations):
            unit.build(shape(filters[row]))
        self.head.build(shape(filters[0]))
        self.head_conv.build(shape(self.head.filters))
        self.logits.build(shape(self.num_classes))
        self.built = True

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], self.num_classes)

    def get_config(self) -> dict:
        config = super().get_config()
        config.update(
            num_classes=self.num_classes,
            row_filters=list(self.row_filters),
            num_interlinks=self.num_interlinks,
            activation=self.activation,
            background=self.background,
        )
        return config
