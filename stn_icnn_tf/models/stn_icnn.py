"""The model: the networks of STN-iCNN, and its config."""

import dataclasses
from typing import Any

import keras

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet, as_class_set
from stn_icnn_tf.geometry.windows import WINDOW_RULES
from stn_icnn_tf.layers.icnn import InterlinkedCNN
from stn_icnn_tf.layers.learned_crop import LearnedCrop
from stn_icnn_tf.layers.localization import MEAN_CROP, LocalizationNetwork
from stn_icnn_tf.layers.residual_icnn import (
    LABELS,
    PATCH_FOLD,
    PHOTO_FOLD,
    ResidualInterlinkedCNN,
)
from stn_icnn_tf.models.pipeline import Pipeline
from stn_icnn_tf.models.presets import preset_arguments
from stn_icnn_tf.models.search_thresholds import SearchThresholds
from stn_icnn_tf.shipped import shipped_file, shipped_models

Tensor = Any

FRAMINGS = ("stretch", "letterbox")
NETS = ("interlinked", "residual")

# Shares of background pixels in coarse images and in patches, for the nets' start.
COARSE_BACKGROUND = 0.93
PATCH_BACKGROUND = 0.8


def _choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ValueError(
            f"Argument `{name}` must be one of {choices}. Received: {name}={value}"
        )
    return value


@keras.saving.register_keras_serializable(package="stn_icnn_tf")
class StnIcnn(Pipeline, keras.Model):
    """Parses faces: any photo size in, a mask of the same size out.

    Args:
        class_set: what is labelled, and which parts are cropped: a `ClassSet`, its
            config, or a name in `CLASS_SETS`.
        framing: how a photo becomes the coarse image. `"letterbox"` centres it
            on a zero square; `"stretch"` is the paper's.
        window: `"face"`: windows grow with the face. `"fixed"`, the paper's:
            a patch pixel is a pixel of the source.
        coarse_net: `"interlinked"`, the paper's, which labels each pixel of the coarse
            image; or `"residual"`, see `ResidualInterlinkedCNN`, which sees the
            photo at twice the size that it labels it at.
        part_net: the same of the part nets; the residual one labels each pixel of a
            patch.
        coarse_size: side of the coarse scores in pixels.
        patch_size: side of a patch in pixels: odd, see `LearnedCrop`, or if `part_net`
            is `"residual"` a multiple of `2 ** rows`, 80 for four rows.
        canvas_size: side in pixels of the square source from which patches are
            cropped when photos of several sizes share a batch. A letterboxed
            photo is resized to it; a stretched one keeps its pixels.
        mean_crop: `(parts, 3)`, see `LocalizationNetwork`.
        scale_range: see `LocalizationNetwork`; without effect if `window` is
            `"fixed"`.
        coarse_filters: channels of each row of the coarse net.
        part_filters: channels of each row of the part nets.
        localization_filters: channels of each pair of convs of the localizer.
        num_interlinks: interlink layers of the coarse net and of each part net.
        activation: see `InterlinkedCNN`.
        search_thresholds: from which photos on the face is searched for, where it is:
            the arguments of `SearchThresholds`. None: its defaults.
        dtype: `"float32"` or `"mixed_bfloat16"`: policy of the three networks;
            all geometry is float32.

    Input shape:
        uint8 or float `(batch, height, width, 3)`, RGB in 0..255.

    Output:
        a dict: `mask` uint8 `(batch, height, width)`, class ids; `theta` float
        `(batch, parts, 2, 3)`, patch -> photo; `coarse_scores` float `(batch,
        coarse_size, coarse_size, classes)`, logits; `placed` float `(batch,)`, see
        `placed_share`.

    Examples:
        >>> model = StnIcnn()
        >>> model(np.zeros((1, 301, 220, 3), "uint8"))["mask"].shape
        (1, 301, 220)

    Raises:
        ValueError: if an argument is not one of the above.

    Reference:
        STN-iCNN eq. 1 to 6.
    """

    def __init__(
        self,
        class_set: ClassSet | dict | str = EIGHT_PARTS,
        framing: str = "letterbox",
        window: str = "face",
        coarse_net: str = "interlinked",
        part_net: str = "interlinked",
        coarse_size: int = 128,
        patch_size: int = 81,
        canvas_size: int = 448,
        mean_crop: tuple = MEAN_CROP,
        scale_range: float = 1.0,
        coarse_filters: tuple[int, ...] = (8, 16, 24, 32),
        part_filters: tuple[int, ...] = (8, 16, 24, 32),
        localization_filters: tuple[int, ...] = (16, 32, 64, 64),
        num_interlinks: int = 3,
        activation: str = "relu",
        search_thresholds: dict[str, float] | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        # Photos and thetas lose their last digits in bfloat16: no autocast here.
        super().__init__(dtype=dtype, autocast=False, **kwargs)
        self.class_set = as_class_set(class_set)
        if len(mean_crop) != self.class_set.num_parts:
            raise ValueError(
                "Argument `mean_crop` must hold a row for each of the parts "
                f"{self.class_set.part_names}. Received: mean_crop={mean_crop}"
            )
        self.framing = _choice("framing", framing, FRAMINGS)
        self.window = _choice("window", window, WINDOW_RULES)
        self.coarse_net = _choice("coarse_net", coarse_net, NETS)
        self.part_net = _choice("part_net", part_net, NETS)
        self.coarse_size = self.coarse_image_size = coarse_size
        if coarse_net == "residual":
            self.coarse_image_size = coarse_size * PHOTO_FOLD // LABELS
        if canvas_size < self.coarse_image_size:
            raise ValueError(
                "Argument `canvas_size` must be at least the side of the coarse image, "
                f"{self.coarse_image_size}. Received: canvas_size={canvas_size}"
            )
        self.patch_size = patch_size
        self.canvas_size = canvas_size
        self.scale_range = scale_range
        self.coarse_filters = tuple(coarse_filters)
        self.part_filters = tuple(part_filters)
        self.localization_filters = tuple(localization_filters)
        self.num_interlinks = num_interlinks
        self.activation = activation
        self.search_thresholds = SearchThresholds(**(search_thresholds or {}))

        # === Layers ===
        policy = self.dtype_policy
        self.coarse = self._make_net(
            "coarse",
            coarse_net,
            self.class_set.num_classes,
            self.coarse_filters,
            PHOTO_FOLD,
            COARSE_BACKGROUND,
        )
        self.localization = LocalizationNetwork(
            mean_crop,
            scale_range if window == "face" else 0.0,
            localization_filters,
            dtype=policy,
            name="localization",
        )
        self.mean_crop = self.localization.mean_crop
        self.crop = LearnedCrop(patch_size, name="crop")
        self.part_nets = {
            part.net: self._make_net(
                part.net,
                part_net,
                1 + len(part.classes),
                self.part_filters,
                PATCH_FOLD,
                PATCH_BACKGROUND,
            )
            for part in self.class_set.parts
        }
        # Every shape that matters is known here, so the weights exist at once.
        side = self.coarse_image_size
        self.coarse.build((None, side, side, 3))
        self.localization.build(
            (None, coarse_size, coarse_size, 1 + len(self.class_set.part_classes))
        )
        for net in self.part_nets.values():
            net.build((None, patch_size, patch_size, 3))
        self.built = True

    def _make_net(
        self,
        name: str,
        kind: str,
        num_classes: int,
        filters: tuple[int, ...],
        fold: int,
        background: float,
    ) -> InterlinkedCNN | ResidualInterlinkedCNN:
        fields = {"dtype": self.dtype_policy, "name": name}
        if kind == "residual":
            return ResidualInterlinkedCNN(
                num_classes, filters, self.num_interlinks, fold, **fields
            )
        return InterlinkedCNN(
            num_classes,
            filters,
            self.num_interlinks,
            self.activation,
            background,
            **fields,
        )

    @classmethod
    def from_preset(
        cls, preset: str, load_weights: bool | None = None, **kwargs: Any
    ) -> "StnIcnn":
        """Makes a model of a named preset.

        Args:
            preset: a key of `presets.MODEL_PRESETS`.
            load_weights: whether it is the trained model; False: the same arguments
                and random weights. None: trained, if the preset is a shipped model.
            **kwargs: arguments that replace those of the preset.

        Raises:
            ValueError: if there is no such preset; if weights are asked of one that
                has none, or by other arguments than they were trained with.
        """
        arguments = preset_arguments(preset, **kwargs)
        if load_weights is None:
            load_weights = preset in shipped_models()
        if not load_weights:
            return cls(**arguments)
        if preset not in shipped_models():
            raise ValueError(
                f"Argument `load_weights` must be False: the preset {preset} has no "
                f"weights, only {shipped_models()} have. Received: "
                f"load_weights={load_weights}"
            )
        trained = keras.saving.load_model(
            shipped_file(preset), compile=False, safe_mode=True
        )
        model = cls(**{**trained.get_config(), "dtype": None, **kwargs})
        try:
            model.set_weights(trained.get_weights())
        except ValueError as error:
            raise ValueError(
                "Argument `load_weights` must be False where other arguments change "
                f"the networks. Received: load_weights={load_weights}, {kwargs}"
            ) from error
        return model

    def call(self, photos: Tensor, training: bool = False) -> dict[str, Tensor]:
        return self.parse(photos, training=training)

    # === Config ===

    def get_config(self) -> dict:
        config = super().get_config()
        config.update(
            class_set=self.class_set.get_config(),
            framing=self.framing,
            window=self.window,
            coarse_net=self.coarse_net,
            part_net=self.part_net,
            coarse_size=self.coarse_size,
            patch_size=self.patch_size,
            canvas_size=self.canvas_size,
            mean_crop=[list(row) for row in self.mean_crop],
            scale_range=self.scale_range,
            coarse_filters=list(self.coarse_filters),
            part_filters=list(self.part_filters),
            localization_filters=list(self.localization_filters),
            num_interlinks=self.num_interlinks,
            activation=self.activation,
            search_thresholds=dataclasses.asdict(self.search_thresholds),
            dtype=self.dtype_policy.name,
        )
        return config

    def build_from_config(self, config: dict) -> None:
        """Does nothing: the weights are made with the model."""
