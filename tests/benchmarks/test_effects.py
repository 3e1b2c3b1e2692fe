import numpy as np

from benchmarks import effects
from stn_icnn_tf.class_sets import HEAD
from stn_icnn_tf.parsed_face import ParsedFace
from tests.helpers import photos


def test_the_sheet_shows_eight_pictures_and_the_legend():
    mask = np.zeros((80, 80), "uint8")
    mask[10:30, 20:60], mask[30:60, 20:60] = HEAD.id_of("hair"), HEAD.id_of("skin")
    face = ParsedFace(photos(80, 80), mask, class_set=HEAD)
    pictures = effects.pictures(face)
    assert len({picture.tobytes() for picture in pictures[:6]}) == 6
    assert all(p.size == (80, 80) and p.mode == "RGB" for p in pictures)
    sheet = effects.sheet(face)
    assert sheet.width == 4 * effects.SIDE and sheet.height > 2 * effects.SIDE
    below = np.asarray(sheet)[2 * effects.SIDE :].reshape(-1, 3)
    assert set(HEAD.palette) <= set(map(tuple, np.unique(below, axis=0).tolist()))
