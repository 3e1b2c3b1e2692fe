"""Named settings of the model."""

from typing import Any

from stn_icnn_tf.class_sets import EIGHT_PARTS, HEAD, as_class_set
from stn_icnn_tf.layers.localization import CELEBAMASK_HQ_CROP

# Half as wide again as the paper's.
_WIDE_FILTERS = (12, 24, 36, 48)

# Arguments of named models. `paper` is the published setting for HELEN. `celebamask_hq`
# and `helen` are those of the shipped models, which have wider part nets; the first has
# that data set's mean face. `head` labels the whole head.
MODEL_PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "celebamask_hq": {
        "mean_crop": CELEBAMASK_HQ_CROP,
        "part_filters": _WIDE_FILTERS,
    },
    "helen": {"part_filters": _WIDE_FILTERS},
    "head": {
        "class_set": HEAD,
        "mean_crop": CELEBAMASK_HQ_CROP,
        "coarse_net": "residual",
        "coarse_filters": (48, 96, 128, 160),
        # Half the work of the other two's, at the same score.
        "part_net": "residual",
        "part_filters": (32, 64, 64, 64),
        "patch_size": 80,
    },
    "paper": {
        "framing": "stretch",
        "window": "fixed",
        "patch_size": 81,
        "canvas_size": 1024,
    },
}


def preset_arguments(preset: str, **kwargs: Any) -> dict[str, Any]:
    """Returns the arguments of a named preset, its class set among them.

    Args:
        preset: one of `MODEL_PRESETS`.
        **kwargs: override those of the preset.

    Raises:
        ValueError: if there is no such preset, or class set.
    """
    if preset not in MODEL_PRESETS:
        raise ValueError(
            f"Argument `preset` must be one of {tuple(MODEL_PRESETS)}. Received: "
            f"preset={preset}"
        )
    arguments: dict[str, Any] = {
        "class_set": EIGHT_PARTS,
        **MODEL_PRESETS[preset],
        **kwargs,
    }
    return {**arguments, "class_set": as_class_set(arguments["class_set"])}
