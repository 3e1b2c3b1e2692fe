"""The localization network of the spatial transformer."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from stn_icnn_tf.geometry.affine import make_theta
from stn_icnn_tf.layers.icnn import ConvUnit

Tensor = Any

# Scale, x and y of each part's window on the mean face, in the frame of the
# coarse image. Symmetric, so that a mirrored face starts mirrored. Measured on
# 300 letterboxed HELEN training photos: centres are their mean; a window holds
# 99 % of the parts (of the mean face's size) and 5 % of the frame to spare.
MEAN_CROP = (
    (0.22, -0.20, -0.335),
    (0.22, 0.20, -0.335),
    (0.14, -0.18, -0.235),
    (0.14, 0.18, -0.235),
    (0.24, 0.0, -0.095),
    (0.26, 0.0, 0.16),
)
# The same of 300 training photos of CelebAMask-HQ, which are aligned: larger faces,
# lower in the frame.
CELEBAMASK_HQ_CROP = (
    (0.29, -0.255, -0.173),
    (0.29, 0.255, -0.173),
    (0.165, -0.243, -0.045),
    (0.165, 0.243, -0.045),
    (0.31, 0.0, 0.154),
    (0.35, 0.0, 0.505),
)


class Localizing:
    """How coarse scores become windows, whoever carries the layers out.

    `LocalizationNetwork` runs it with Keras layers, the fused model with folded
    ones: whoever inherits sets these attributes.
    """

    convs: Sequence[Any]
    pool: Any
    dense: Any
    mean_crop: Sequence[Any]
    scale_range: float

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        # Scores are far from centred: most are 0. Spread them around 0.
        features = inputs * 2.0 - 1.0
        for pair in self.convs:
            for unit in pair:
                features = unit(features, training=training)
            features = self.pool(features)
        features = ops.cast(features, "float32")
        size = int(np.prod(features.shape[1:]))
        # Adam moves each of `size` weights alike; unscaled, the first step would
        # throw the windows out of the picture.
        raw = self.dense(ops.reshape(features, (-1, size)) / np.sqrt(size))
        mean = ops.convert_to_tensor(self.mean_crop, dtype="float32")
        raw = ops.reshape(raw, (-1, len(self.mean_crop), 3))
        scale = mean[:, :1] * ops.exp(self.scale_range * ops.tanh(raw[..., :1]))
        return make_theta(ops.repeat(scale, 2, axis=-1), mean[:, 1:] + raw[..., 1:])


@keras.saving.register_keras_serializable(package="stn_icnn_tf")
class LocalizationNetwork(Localizing, layers.Layer):
    """Turns coarse scores into one crop-only theta a part.

    Nine layers in the manner of VGG16: eight 3x3 convs in pairs, a 2x2 max-pool
    after each pair, and one dense layer. The dense layer starts at zero, so the
    network starts at `mean_crop`. The scale is `mean * exp(scale_range * tanh)`,
    so it is positive, bounded, and its inverse never blows up.

    Args:
        mean_crop: `(parts, 3)`: scale, x and y of each part's window on the
            mean face, in the frame of the coarse image.
        scale_range: log of the largest ratio between a scale and its mean; 0
            fixes the scale.
        filters: channels of each pair of convs.

    Input shape:
        float `(batch, height, width, classes)`: softmax of the coarse scores.

    Output shape:
        float32 `(batch, parts, 2, 3)`: patch -> coarse frame.

    Raises:
        ValueError: if `mean_crop` is not `(parts, 3)` with positive scales, or
            `scale_range` is negative.

    Reference:
        STN-iCNN section 2.3, eq. 2 and 15. The batch norm between the convs is
        ours, as the paper added it to the iCNN.
    """

    def __init__(
        self,
        mean_crop: tuple = MEAN_CROP,
        scale_range: float = 1.0,
        filters: tuple[int, ...] = (16, 32, 64, 64),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        crop = np.asarray(mean_crop, "float32")
        if crop.ndim != 2 or crop.shape[1] != 3 or not (crop[:, 0] > 0).all():
            raise ValueError(
                "Argument `mean_crop` must hold (scale, x, y) of each part, with "
                f"positive scales. Received: mean_crop={mean_crop}"
            )
        if scale_range < 0:
            raise ValueError(
                "Argument `scale_range` must not be negative. "
                f"Received: scale_range={scale_range}"
            )
        self.mean_crop = tuple(tuple(map(float, row)) for row in crop)
        self.scale_range = scale_range
        self.filters = tuple(filters)
        self.num_parts = len(crop)

        # === Layers ===
        policy = self.dtype_policy
        self.convs = [
            [ConvUnit(channels, 3, dtype=policy) for _ in range(2)]
            for channels in filters
        ]
        self.pool = layers.MaxPooling2D(
            2, padding="same", data_format="channels_last", dtype=policy
        )
        # float32 whatever the policy: bfloat16 has 2 significant digits, a
        # window's position needs 4.
        self.dense = layers.Dense(
            3 * self.num_parts,
            kernel_initializer="zeros",
            bias_initializer="zeros",
            dtype="float32",
        )

    def build(self, input_shape: tuple) -> None:
        _, height, width, channels = input_shape
        for pair in self.convs:
            for unit in pair:
                unit.build((None, height, width, channels))
                channels = unit.filters
            height, width = -(-height // 2), -(-width // 2)
        self.dense.build((None, height * width * channels))
        self.built = True

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (input_shape[0], self.num_parts, 2, 3)

    def get_config(self) -> dict:
        config = super().get_config()
        config.update(
            mean_crop=[list(row) for row in self.mean_crop],
            scale_range=self.scale_range,
            filters=list(self.filters),
        )
        return config
