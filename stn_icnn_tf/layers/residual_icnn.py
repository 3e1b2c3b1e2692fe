"""An interlinked CNN for whole heads: more channels, on fewer places."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from stn_icnn_tf.layers.icnn import ConvUnit, refuse_shape

Tensor = Any

# Labels that a place of the finest row gives, along one axis.
LABELS = 2
# Pixels that it sees, of a whole photo, which is labelled at half its size; and of a
# patch, which is labelled pixel by pixel.
PHOTO_FOLD = 4
PATCH_FOLD = 2


class ResidualInterlinking:
    """How the rows of a residual iCNN exchange features, whoever carries the convs out.

    `ResidualInterlinkedCNN` runs it with Keras layers, the fused model with folded
    ones: whoever inherits sets these attributes, callables and lists of them. An
    interlink is the units `(finer, coarser, first, second)` of each row; the finest
    row has no `finer`, the coarsest no `coarser`.
    """

    compute_dtype: str
    fold: int
    pool: Any
    input_units: Sequence[Any]
    interlinks: Sequence[Any]
    merges: Sequence[Any]
    integrations: Sequence[Any]
    head: Any
    logits: Any

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        features = ops.space_to_depth(ops.cast(inputs, self.compute_dtype), self.fold)
        rows = []
        for unit in self.input_units:
            rows.append(unit(features, training=training))
            features = self.pool(rows[-1])
        for interlink in self.interlinks:
            rows = self._interlink(rows, interlink, training)
        merged = rows[-1]
        for row in reversed(range(len(rows) - 1)):
            merged = self.upsample(self.merges[row](merged, training=training))
            merged = ops.relu(rows[row] + merged)
            if row > 0:
                merged = self.integrations[row - 1](merged, training=training)
        blocks = self.logits(self.head(merged, training=training))
        return ops.cast(ops.depth_to_space(blocks, LABELS), "float32")

    def upsample(self, features: Tensor) -> Tensor:
        """Doubles `(batch, height, width, channels)` by nearest neighbour."""
        return ops.repeat(ops.repeat(features, 2, axis=1), 2, axis=2)

    def _interlink(self, rows: list, interlink: list, training: bool) -> list:
        linked = []
        for row, (finer, coarser, first, second) in enumerate(interlink):
            # Never `+=`: PyTorch would change the row that its neighbours still read.
            seen = rows[row]
            if finer is not None:
                seen = seen + finer(self.pool(rows[row - 1]), training=training)
            if coarser is not None:
                said = coarser(rows[row + 1], training=training)
                seen = seen + self.upsample(said)
            seen = ops.relu(seen)
            features = second(first(seen, training=training), training=training)
            linked.append(ops.relu(seen + features))
        return linked


@keras.saving.register_keras_serializable(package="stn_icnn_tf")
class ResidualInterlinkedCNN(ResidualInterlinking, layers.Layer):
    """Labels a picture with conv towers that exchange features, on few places.

    The picture is folded by blocks of pixels: by 4x4, rows of many channels work at
    1/4, 1/8, 1/16 and 1/32 of its size. What a hat or a necklace is takes more
    channels and a wider view than where a lip ends; and a processor is quicker with
    many channels on few places than with few on many. In each interlink layer every row
    adds what its neighbours say, the finer one max-pooled, the coarser one upsampled,
    all as they were before the layer; then comes a residual pair of convs. After the
    last one the rows are merged from coarse to fine, and a head gives the logits of
    2x2 pixels a place.

    Args:
        num_classes: number of classes, background included.
        row_filters: channels of each row, finest first.
        num_interlinks: number of interlink layers.
        fold: side of the blocks in pixels. 4 labels a picture at half its size, 2 at
            its own.
        head_filters: channels of the head.

    Input shape:
        float `(batch, height, width, 3)`, a multiple of `fold * 2 ** (rows - 1)` a
        side.

    Output shape:
        float `(batch, height * 2 / fold, width * 2 / fold, num_classes)`, logits.

    Examples:
        >>> logits = ResidualInterlinkedCNN(num_classes=19)(np.zeros((1, 256, 256, 3)))
        >>> logits.shape
        (1, 128, 128, 19)

    Raises:
        ValueError: if `num_classes` or `row_filters` is too small, or the pictures'
            size does not fit.

    Reference:
        The interlinks: Zhou et al. 2015; STN-iCNN section 2.2. The rest is ours; the
        residual pairs: He et al. 2016.
    """

    def __init__(
        self,
        num_classes: int,
        row_filters: tuple[int, ...] = (48, 96, 128, 160),
        num_interlinks: int = 3,
        fold: int = PHOTO_FOLD,
        head_filters: int = 64,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse_shape(num_classes, row_filters)
        self.num_classes = num_classes
        self.row_filters = tuple(row_filters)
        self.num_interlinks = num_interlinks
        self.fold = fold
        self.head_filters = head_filters

        # === Layers ===
        policy = self.dtype_policy

        def unit(
            filters: int, size: int = 3, activation: str = "relu", scale: str = "ones"
        ) -> ConvUnit:
            return ConvUnit(filters, size, activation, scale=scale, dtype=policy)

        def link(row: int) -> tuple:
            filters = self.row_filters[row]
            coarsest = row == len(self.row_filters) - 1
            return (
                unit(filters, 1, "linear") if row > 0 else None,
                unit(filters, 1, "linear") if not coarsest else None,
                unit(filters),
                # A residual pair starts as nothing.
                unit(filters, 3, "linear", "zeros"),
            )

        rows = range(len(self.row_filters))
        self.pool = layers.MaxPooling2D(
            2, padding="same", data_format="channels_last", dtype=policy
        )
        self.input_units = [unit(filters) for filters in self.row_filters]
        self.interlinks = [[link(row) for row in rows] for _ in range(num_interlinks)]
        self.merges = [unit(filters, 1, "linear") for filters in self.row_filters[:-1]]
        self.integrations = [unit(filters) for filters in self.row_filters[1:-1]]
        self.head = unit(head_filters)
        self.logits = layers.Conv2D(
            num_classes * LABELS**2, 1, data_format="channels_last", dtype=policy
        )

    def build(self, input_shape: tuple) -> None:
        step = self.fold * 2 ** (len(self.row_filters) - 1)
        if any(side is not None and side % step for side in input_shape[1:3]):
            raise ValueError(
                f"Pictures must be a multiple of {step} pixels a side. Received: "
                f"input_shape={input_shape}"
            )
        filters = self.row_filters

        def build(unit: ConvUnit | None, channels: int) -> None:
            if unit is not None:
                unit.build((None, None, None, channels))

        seen = (self.fold**2 * input_shape[-1], *filters)
        for row, unit in enumerate(self.input_units):
            build(unit, seen[row])
        for interlink in self.interlinks:
            for row, (finer, coarser, *pair) in enumerate(interlink):
                build(finer, filters[max(row - 1, 0)])
                build(coarser, filters[min(row + 1, len(filters) - 1)])
                for unit in pair:
                    build(unit, filters[row])
        for row, unit in enumerate(self.merges):
            build(unit, filters[row + 1])
        for row, unit in enumerate(self.integrations, start=1):
            build(unit, filters[row])
        build(self.head, filters[0])
        self.logits.build((None, None, None, self.head_filters))
        self.built = True

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        batch, height, width, _ = input_shape
        sides = (
            None if side is None else side * LABELS // self.fold
            for side in (height, width)
        )
        return (batch, *sides, self.num_classes)

    def get_config(self) -> dict:
        config = super().get_config()
        config.update(
            num_classes=self.num_classes,
            row_filters=list(self.row_filters),
            num_interlinks=self.num_interlinks,
            fold=self.fold,
            head_filters=self.head_filters,
        )
        return config
