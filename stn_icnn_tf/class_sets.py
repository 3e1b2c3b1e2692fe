"""Classes, parts, mirror pairs and colours. No TensorFlow, no Keras.

Left and right are always the IMAGE's: `left_eye` is the eye that appears on
the left-hand side of the picture, whoever's it is.
"""

import dataclasses

CLASS_NAMES = (
    "background",
    "left_brow",
    "right_brow",
    "left_eye",
    "right_eye",
    "nose",
    "upper_lip",
    "inner_mouth",
    "lower_lip",
)
NUM_CLASSES = len(CLASS_NAMES)

# Class id of each class once the picture is mirrored left to right.
MIRRORED_CLASSES = (0, 2, 1, 4, 3, 5, 6, 7, 8)

# RGB of each class in index PNGs and overlays: warm on the image's left, cold
# on its right, lips from dark to light.
PALETTE = (
    (0, 0, 0),
    (230, 159, 0),
    (0, 158, 115),
    (240, 228, 66),
    (86, 180, 233),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (255, 153, 153),
)


@dataclasses.dataclass(frozen=True)
class Part:
    """An anatomical region that is cropped and labelled on its own.

    Attributes:
        name: name of the part.
        net: name of the part net that labels it; parts may share one.
        classes: class ids that the part net tells apart, besides background.
            Channel `k + 1` of the part scores is `classes[k]`; channel 0 is
            background.
        flipped: whether the patch goes through its net mirrored left to right.
    """

    name: str
    net: str
    classes: tuple[int, ...]
    flipped: bool = False


PARTS = (
    Part("left_brow", net="brow", classes=(1,)),
    Part("right_brow", net="brow", classes=(2,), flipped=True),
    Part("left_eye", net="eye", classes=(3,)),
    Part("right_eye", net="eye", classes=(4,), flipped=True),
    Part("nose", net="nose", classes=(5,)),
    Part("mouth", net="mouth", classes=(6, 7, 8)),
)
NUM_PARTS = len(PARTS)
PART_NAMES = tuple(part.name for part in PARTS)

# Index of each part once the picture is mirrored left to right.
MIRRORED_PARTS = (1, 0, 3, 2, 4, 5)

# Columns of the paper's tables: name -> class ids merged into it.
MERGED_CLASSES = {
    "eyes": (3, 4),
    "brows": (1, 2),
    "nose": (5,),
    "inner_mouth": (7,),
    "upper_lip": (6,),
    "lower_lip": (8,),
    "mouth": (6, 7, 8),
}

# HELEN: number in `NAME_lblKK.png` -> class id. 00 background, 01 face skin and
# 10 hair have no class of their own here.
HELEN_LABELS = {2: 1, 3: 2, 4: 3, 5: 4, 6: 5, 7: 6, 8: 7, 9: 8}

# CelebAMask-HQ: suffix of `ID_PART.png` -> class id. Its `l_` and `r_` are the
# SUBJECT's, so `r_` is on the image's left. `u_lip` and `l_lip` are upper, lower.
CELEBAMASK_HQ_LABELS = {
    "r_brow": 1,
    "l_brow": 2,
    "r_eye": 3,
    "l_eye": 4,
    "nose": 5,
    "u_lip": 6,
    "mouth": 7,
    "l_lip": 8,
}
