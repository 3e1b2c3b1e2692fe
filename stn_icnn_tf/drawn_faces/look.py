"""What one drawn face looks like."""

import dataclasses

import numpy as np

_SKINS = np.array(
    [
        (245, 214, 190),
        (232, 190, 160),
        (214, 165, 130),
        (182, 130, 96),
        (140, 94, 66),
        (92, 62, 46),
    ],
    "float32",
)
_HAIRS = np.array(
    [
        (22, 18, 16),
        (45, 32, 24),
        (92, 62, 40),
        (130, 95, 58),
        (180, 145, 95),
        (150, 147, 142),
    ],
    "float32",
)
_IRISES = np.array([(48, 32, 22), (75, 50, 30), (70, 95, 120), (80, 100, 60)])


@dataclasses.dataclass(frozen=True)
class Look:
    """What one face looks like. Lengths are in face units, colours in 0..255.

    `age` runs from 0, smooth, to 1, deep folds.
    """

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
    age: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Look":
        """Draws a look at random."""
        tone = rng.uniform(0, len(_SKINS) - 1)
        low = int(tone)
        high = min(low + 1, len(_SKINS) - 1)
        skin = _SKINS[low] + (tone - low) * (_SKINS[high] - _SKINS[low])
        skin = skin + rng.normal(0, 6, 3)
        hair = _HAIRS[rng.integers(len(_HAIRS))] * rng.uniform(0.7, 1.2)
        green = rng.uniform(0.55, 0.9)
        redness = np.array([1.0, green, green * rng.uniform(0.95, 1.1)])
        nose_length = rng.uniform(0.6, 0.8)
        # A smile widens the mouth and narrows the eyes.
        smile = rng.choice([rng.normal(0.0, 0.04), rng.uniform(0.05, 0.2)])
        joy = max(smile, 0.0)
        closed = rng.random() < 0.4
        narrow = rng.random() < 0.2
        eye_open = rng.uniform(0.04, 0.1) if narrow else rng.uniform(0.1, 0.21)
        return cls(
            skin=skin,
            hair=hair,
            iris=_IRISES[rng.integers(len(_IRISES))],
            lips=skin * redness * rng.uniform(0.72, 1.0),
            brow_color=hair * 0.55 + skin * rng.uniform(0.05, 0.45),
            eye_width=rng.uniform(0.32, 0.45),
            eye_open=eye_open * (1 - joy),
            brow_height=rng.uniform(0.2, 0.34),
            brow_thickness=rng.uniform(0.07, 0.17),
            brow_tilt=rng.normal(0, 0.04),
            nose_length=nose_length,
            nose_width=rng.uniform(0.52, 0.7),
            mouth_y=nose_length + rng.uniform(0.27, 0.42),
            mouth_width=rng.uniform(0.66, 0.9) + joy,
            mouth_open=0.0 if closed else 0.03 + 0.4 * rng.beta(1.2, 2.2),
            smile=smile,
            jaw=rng.uniform(0.92, 1.1),
            age=rng.uniform(0, 1) ** 1.5,
        )
