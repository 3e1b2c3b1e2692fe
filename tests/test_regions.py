import numpy as np
import pytest

from stn_icnn_tf.class_sets import EIGHT_PARTS, HEAD
from stn_icnn_tf.color import to_lab
from stn_icnn_tf.regions import COLUMNS, measure_regions
from tests.helpers import photos


def test_regions_are_measured_class_by_class():
    photo, mask = photos(600, 30), np.zeros((600, 30), "uint8")
    skin, hair, nose = (HEAD.id_of(name) for name in ("skin", "hair", "nose"))
    mask[100:300, 5:25], mask[150:160, 10:20] = skin, nose
    mask[0:550, 29] = hair  # One pixel wide.
    found = measure_regions(photo, mask, HEAD)
    assert [region.name for region in found] == list(HEAD.names[1:])
    regions = {region.name: region for region in found}
    assert regions["hair"].pixels == 550 and regions["hair"].box == (29, 0, 30, 550)
    assert regions["skin"].pixels == 3900
    assert regions["skin"].share_of_photo == 3900 / 18000
    assert regions["skin"].share_of_face == 3900 / 4000
    assert regions["hair"].share_of_face == 550 / 4000
    for name, class_id in (("skin", skin), ("hair", hair), ("nose", nose)):
        pixels = photo[mask == class_id]
        np.testing.assert_allclose(regions[name].rgb, pixels.mean(0), rtol=1e-6)
        lab = to_lab(pixels).mean(0)
        np.testing.assert_allclose(regions[name].lab, lab, rtol=1e-3, atol=1e-3)
    hat = regions["hat"]
    assert (hat.pixels, hat.share_of_face) == (0, 0.0)
    assert hat.rgb is hat.lab is hat.box is None
    assert hat.row() == ("hat", 0, 0.0, 0.0, *[""] * 10)
    assert all(len(region.row()) == len(COLUMNS) for region in found)


@pytest.mark.parametrize("class_set", [EIGHT_PARTS, HEAD])
def test_without_a_face_there_is_no_share_of_it(class_set):
    mask = np.zeros((20, 30), "uint8")
    if class_set is EIGHT_PARTS:
        mask[4:8, 4:8] = 5  # No skin is known: how large the face is, neither.
    found = measure_regions(photos(20, 30), mask, class_set)
    assert len(found) == class_set.num_classes - 1
    assert all(region.share_of_face is None for region in found)
