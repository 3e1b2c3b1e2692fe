"""The stages of a run, as frozen dataclasses; `schedules` puts runs together.

A stage trains the networks whose rate is above zero; the others are frozen,
batch norm statistics included.
"""

import dataclasses
import math

from stn_icnn_tf.data.augment import Augmentation
from trainers.training.optimizer import OPTIMIZERS

STAGE_NAMES = ("coarse", "localization", "parts", "end_to_end")
DECAYS = ("halving", "cosine")
NETWORKS = ("coarse", "localization", "parts")
# Epochs in which a cosine rate climbs: Adam's first steps know little.
WARM_UP = 0.5


@dataclasses.dataclass(frozen=True)
class Jitter:
    """How far the window of a part is off at random while its part net trains.

    Attributes:
        shift: largest move, as a part of the window's side, either way.
        scale: `(smallest, largest)` factor of what is in the patch; above 1
            enlarges it, so the window shrinks.
    """

    shift: float
    scale: tuple[float, float]

    def __post_init__(self) -> None:
        if self.shift < 0 or not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(
                "Arguments `shift` and `scale` must be at least 0 and (smallest, "
                "largest), both positive. "
                f"Received: shift={self.shift}, scale={self.scale}"
            )


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
        optimizer: `"adam"`, the paper's, or `"muon"`, see `optimizer.Muon`.
        decay: `"halving"`, the paper's (section 2.5.2), or `"cosine"`: from a short
            warm-up down to nothing at the last step.
        halve_every: epochs after which every rate is halved, if `decay` halves.
        part_loss: `"softmax"` or `"binary"` (eq. 16).
        coarse_weight: weight of the coarse loss in the joint stage.
        theta_weight: weight of the theta loss in the joint stage. The part loss
            alone likes windows that miss their part; this holds them.
        dice_weight: weight of the Dice loss within the coarse and the part loss; 0
            gives the paper's losses (eq. 16 and 18).
        batch_dice: whether the Dice loss of the coarse net is that of all photos that
            a replica has in a step, instead of each photo's, see `losses.dice_loss`.
        jitter: in `parts` and `end_to_end`, how far windows are off at random: the
            part nets must bear what the localizer will get wrong, and on photos that
            it knows it errs less than on others. A number: largest move as a
            part of the window's side, and largest change of the log of its side.
            Or one `Jitter` a part: the paper's augmentation of part patches, but
            for its rotation and noise, which come with the photo's.
        repeat_threshold: photos with a class that less than this share of the photos
            show are drawn more often, see `data.mixture.repeat_factors`; 0: none is.
        augmentation: ranges of the random operations.
    """

    name: str
    epochs: int
    batch_size: int = 8
    coarse_rate: float = 0.0
    localization_rate: float = 0.0
    parts_rate: float = 0.0
    optimizer: str = "adam"
    decay: str = "halving"
    halve_every: int = 5
    part_loss: str = "softmax"
    coarse_weight: float = 0.3
    theta_weight: float = 1.0
    dice_weight: float = 1.0
    batch_dice: bool = False
    jitter: float | tuple[Jitter, ...] = 0.0
    repeat_threshold: float = 0.0
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
        if not 0.0 <= self.repeat_threshold <= 1.0:
            raise ValueError(
                "Argument `repeat_threshold` must be a share of the photos, 0 to 1. "
                f"Received: repeat_threshold={self.repeat_threshold}"
            )
        for field, choices in (("decay", DECAYS), ("optimizer", tuple(OPTIMIZERS))):
            if getattr(self, field) not in choices:
                raise ValueError(
                    f"Argument `{field}` must be one of {choices}. "
                    f"Received: {field}={getattr(self, field)}"
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
