"""Photos and masks in the layout of CelebAMask-HQ, for tests."""

import numpy as np
from PIL import Image

from tfds_builders.celeb_a_mask_hq import layout

# Out of order on purpose, and in more than one folder of masks.
SPLITS = {"train": [2000, 7, 1999], "validation": [12345, 3], "test": [0]}
IDS = [photo_id for ids in SPLITS.values() for photo_id in ids]
SIZE = (32, 48)

# Part -> rows and columns. `l_` is the subject's, so on the image's right.
BOXES = {
    "skin": (4, 28, 8, 40),
    "nose": (12, 18, 22, 26),
    "eye_g": (9, 13, 10, 38),
    "l_eye": (10, 12, 28, 34),
    "r_eye": (10, 12, 14, 20),
    "l_brow": (6, 8, 27, 35),
    "r_brow": (6, 8, 13, 21),
    "mouth": (20, 24, 18, 30),
    "u_lip": (19, 21, 18, 30),
    "l_lip": (23, 25, 18, 30),
    "hair": (0, 7, 4, 44),
    "cloth": (29, 32, 0, 48),
}


def write_sample(root, photo_id, rng, absent=()):
    photo = rng.integers(0, 256, (*SIZE, 3)).astype("uint8")
    path = layout.photo_path(root, photo_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo).save(path)
    for part, (top, bottom, left, right) in BOXES.items():
        if part not in absent:
            mask = np.zeros(SIZE, "uint8")
            mask[top:bottom, left:right] = 255
            path = layout.mask_path(root, photo_id, part)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(path)


def write_celeb(root):
    rng = np.random.default_rng(0)
    for photo_id in IDS:
        write_sample(root, photo_id, rng, absent=("u_lip",) if photo_id == 3 else ())
    (root / "splits").mkdir()
    for split, ids in SPLITS.items():
        (root / "splits" / f"{split}.txt").write_text("".join(f"{i}\n" for i in ids))
    return root
