"""What one drawn face looks like."""

import dataclasses

import numpy as np

_SKINS = np.array(
    [
        (245, 214, 190),
        (232, 190, 160),
        (210, 160, 125),
        (178, 125, 90),
        (135, 90, 62),
        (88, 58, 42),
    ],
    "float32",
)
_HAIRS = np.array(
    [(30, 24, 20), (60, 40, 26), (105, 70, 40), (170, 130, 80), (150, 145, 140)],
    "float32",
)


@dataclasses.dataclass(frozen=True)
class Look:
    """What one face looks like. Lengths are in face units, colours in 0..255."""

    skin: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    lips: np.ndarray
    brow_color: np.ndarray
    eye_width: float
    eye_open: float
    brow_height: float
    brow_thickness: float
    brow_tilt: float
    nose_length: float
    nose_width: float
    mouth_y: float
    mouth_width: float
    mouth_open: float
    smile: float
    jaw: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Look":
        """Draws a look at random."""
        tone = rng.uniform(0, len(_SKINS) - 1)
        low = int(tone)
        high = min(low + 1, len(_SKINS) - 1)
        skin = _SKINS[low] + (tone - low) * (_SKINS[high] - _SKINS[low])
        skin = skin + rng.normal(0, 6, 3)
        hair = _HAIRS[rng.integers(len(_HAIRS))] * rng.uniform(0.7, 1.2)
        redness = np.array([1.0, rng.uniform(0.5, 0.75), rng.uniform(0.5, 0.8)])
        return cls(
            skin=skin,
            hair=hair,
            iris=np.array([(60, 40, 25), (70, 95, 120), (80, 100, 60)])[
                rng.integers(3)
            ],
            lips=skin * redness * rng.uniform(0.75, 1.0),
            brow_color=hair * 0.6 + skin * rng.uniform(0.05, 0.3),
            eye_width=rng.uniform(0.42, 0.52),
            eye_open=rng.choice(
                [rng.uniform(0.13, 0.24), rng.uniform(0.05, 0.13)], p=[0.8, 0.2]
            ),
            brow_height=rng.uniform(0.27, 0.45),
            brow_thickness=rng.uniform(0.07, 0.15),
            brow_tilt=rng.normal(0, 0.05),
            nose_length=rng.uniform(0.55, 0.75),
            nose_width=rng.uniform(0.44, 0.62),
            mouth_y=rng.uniform(0.98, 1.14),
            mouth_width=rng.uniform(0.68, 1.0),
            mouth_open=0.0 if rng.random() < 0.35 else rng.uniform(0.04, 0.42),
            smile=rng.normal(0.05, 0.07),
            jaw=rng.uniform(0.92, 1.1),
        )
