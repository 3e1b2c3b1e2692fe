"""The stages of a run, as frozen dataclasses, and named presets of them.

A stage trains the networks whose rate is above zero; the others are frozen,
batch norm statistics included.
"""

import dataclasses
import math

from stn_icnn_tf.augment import Augmentation

STAGE_NAMES = ("coarse", "localization", "parts", "end_to_end")
DECAYS = ("halving", "cosine")
NETWORKS = ("coarse", "localization", "parts")
# Epochs in which a cosine rate climbs: Adam's first steps know little.
WARM_UP = 0.5


@dataclasses.dataclass(frozen=True)
class Stage:
    """One stage of training.

    Attributes:
        name: one of `STAGE_NAMES`; decides the loss.
        epochs: passes over the training photos.
        batch_size: photos a step, over all replicas.
        coarse_rate: learning rate of the coarse net; 0 freezes it.
        localization_rate: learning rate of the localization network.
        parts_rate: learning rate of the part nets.
        decay: `"halving"`, the paper's (section 2.5.2), or `"cosine"`: from a short
            warm-up down to nothing at the last step.
        halve_every: epochs after which every rate is halved, if `decay` halves.
        part_loss: `"softmax"` or `"binary"` (eq. 16).
        coarse_weight: weight of the coarse loss in the joint stage.
        theta_weight: weight of the theta loss in the joint stage. The part loss
            alone likes windows that miss their part; this holds them.
        dice_weight: weight of the Dice loss within the coarse loss; 0 is the
            paper's loss (eq. 18).
        jitter: in `parts`, largest move of a window as a part of its side, and
            largest change of the log of its side: the part nets must bear what
            the localizer will get wrong.
        augmentation: ranges of the random operations.
    """

    name: str
    epochs: int
    batch_size: int = 8
    coarse_rate: float = 0.0
    localization_rate: float = 0.0
    parts_rate: float = 0.0
    decay: str = "halving"
    halve_every: int = 5
    part_loss: str = "softmax"
    coarse_weight: float = 0.3
    theta_weight: float = 1.0
    dice_weight: float = 1.0
    jitter: float = 0.15
    augmentation: Augmentation = Augmentation()

    def __post_init__(self) -> None:
        if self.name not in STAGE_NAMES:
            raise ValueError(
                f"Argument `name` must be one of {STAGE_NAMES}. "
                f"Received: name={self.name}"
            )
        if self.epochs < 0 or self.batch_size < 1:
            raise ValueError(
                "Arguments `epochs` and `batch_size` must be at least 0 and 1. "
                f"Received: epochs={self.epochs}, batch_size={self.batch_size}"
            )
        if self.decay not in DECAYS:
            raise ValueError(
                f"Argument `decay` must be one of {DECAYS}. "
                f"Received: decay={self.decay}"
            )
        if self.trained_networks == ():
            raise ValueError(
                f"Stage {self.name} must train a network. Received: all rates are 0"
            )

    def rate(self, network: str) -> float:
        """Returns the initial learning rate of one of `NETWORKS`."""
        return getattr(self, f"{network}_rate")

    def rate_at(self, network: str, epoch: float) -> float:
        """Returns the learning rate of a network.

        Args:
            network: one of `NETWORKS`.
            epoch: epochs done so far; a fraction within an epoch.
        """
        if self.decay == "halving":
            return self.rate(network) * 0.5 ** (int(epoch) // self.halve_every)
        warm_up = min(1.0, 0.1 + epoch / WARM_UP)
        fall = 0.5 * (1.0 + math.cos(math.pi * epoch / self.epochs))
        return self.rate(network) * warm_up * fall

    @property
    def needs_patches(self) -> bool:
        """Whether the stage crops patches, and so needs photos in detail."""
        return self.name in ("parts", "end_to_end")

    @property
    def trained_networks(self) -> tuple[str, ...]:
        """The networks that this stage trains."""
        return tuple(name for name in NETWORKS if self.rate(name) > 0)


def _schedule(
    epochs: tuple[int, int, int, int],
    rates: tuple[float, float, float] = (2.3e-3, 1.7e-3, 8e-4),
    joint_rates: tuple[float, float, float] = (5e-4, 5e-4, 1e-3),
    **kwargs: object,
) -> tuple[Stage, ...]:
    """Makes the four stages; `rates` are for coarse, localization, parts."""
    singles = zip(STAGE_NAMES, NETWORKS, epochs, rates, strict=False)
    joint = {f"{n}_rate": r for n, r in zip(NETWORKS, joint_rates, strict=True)}
    return (
        *(
            Stage(name, count, **{f"{network}_rate": rate}, **kwargs)
            for name, network, count, rate in singles
        ),
        Stage("end_to_end", epochs[3], **joint, **kwargs),
    )


_OURS = {
    "rates": (4e-3, 3e-3, 4e-3),
    "decay": "cosine",
    "theta_weight": 10.0,
    "augmentation": Augmentation(
        rotation=20.0, shift=0.1, scale=(0.8, 1.3), noise=8.0, color=0.3, mirror=True
    ),
}

# name -> the four stages in order. `cpu`: real HELEN on two cores. `demo`:
# synthetic faces, minutes. `paper`: rates, batch and epochs of the paper where
# it prints them (Table 1); its joint rates are not in its text.
SCHEDULES = {
    "cpu": _schedule((12, 8, 10, 6), **_OURS),
    "demo": _schedule((5, 4, 2, 1), **_OURS),
    "paper": _schedule((25, 25, 25, 25), batch_size=32, dice_weight=0.0),
}


def get_schedule(name: str, overrides: tuple[str, ...] = ()) -> tuple[Stage, ...]:
    """Returns the stages of a named schedule, with some fields replaced.

    Args:
        name: one of `SCHEDULES`.
        overrides: `STAGE.FIELD=NUMBER` each, e.g. `parts.epochs=3`; the stage
            may be `all`.

    Raises:
        ValueError: if a name or an override is none of these.
    """
    if name not in SCHEDULES:
        raise ValueError(
            f"Argument `name` must be one of {tuple(SCHEDULES)}. Received: name={name}"
        )
    stages = {stage.name: stage for stage in SCHEDULES[name]}
    fields = {
        field.name: field.type
        for field in dataclasses.fields(Stage)
        if field.type in (int, float, str) and field.name != "name"
    }
    for override in overrides:
        target, _, value = override.partition("=")
        stage_name, _, field = target.partition(".")
        if stage_name not in (*stages, "all") or field not in fields or not value:
            raise ValueError(
                "An override must read STAGE.FIELD=VALUE, with STAGE one of "
                f"{(*stages, 'all')} and FIELD one of {tuple(fields)}. "
                f"Received: {override}"
            )
        try:
            converted = fields[field](value)
        except ValueError as error:
            raise ValueError(
                f"An override of {field} must be {fields[field].__name__}. "
                f"Received: {override}"
            ) from error
        for key in stages if stage_name == "all" else (stage_name,):
            stages[key] = dataclasses.replace(stages[key], **{field: converted})
    return tuple(stages.values())
