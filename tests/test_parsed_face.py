import io

import numpy as np
import pytest
from PIL import Image

from stn_icnn_tf import visualize
from stn_icnn_tf.class_sets import EIGHT_PARTS
from stn_icnn_tf.parsed_face import ParsedFace
from stn_icnn_tf.visualize import overlay
from tests.helpers import photos

PHOTO = photos(40, 60)


@pytest.fixture
def face():
    mask = np.zeros((40, 60), "uint8")
    mask[10:14, 20:31] = 5  # Nose.
    mask[30:32, 15:25], mask[32:36, 18:28] = 6, 8  # Both lips; a closed mouth.
    mask[0, 59] = 2  # A right brow in the corner.
    return ParsedFace(PHOTO, mask, name="me")


def test_boxes_are_around_the_parts_that_are_seen(face):
    assert face.boxes == {
        "right_brow": (59, 0, 60, 1),
        "nose": (20, 10, 31, 14),
        "mouth": (15, 30, 28, 36),
    }
    assert face.class_names == EIGHT_PARTS.names
    assert face.palette == EIGHT_PARTS.palette
    assert face.faces == (face,)
    assert repr(face) == "<ParsedFace me: 60 x 40, right_brow, nose, mouth>"


def test_crop_cuts_a_part_or_a_class(face):
    for name, (left, top, right, bottom) in (
        ("nose", (20, 10, 31, 14)),
        ("mouth", (15, 30, 28, 36)),
        ("upper_lip", (15, 30, 25, 32)),
    ):
        crop = face.crop(name, margin=0.0)
        np.testing.assert_array_equal(crop, PHOTO[top:bottom, left:right])
    # A margin ends at the photo's border.
    assert face.crop("mouth", margin=0.5).size == (13 + 2 * 6, 6 + 6 + 4)
    with pytest.raises(ValueError, match="`name` must be one of.*ear"):
        face.crop("ear")
    with pytest.raises(ValueError, match="seen.*left_eye"):
        face.crop("left_eye")


def test_pictures_and_files(face, tmp_path):
    expected = overlay(PHOTO, face.mask)
    np.testing.assert_array_equal(face.overlay(), expected)
    with Image.open(io.BytesIO(face._repr_png_())) as picture:
        np.testing.assert_array_equal(picture, expected)
    files = face.save(tmp_path / "new" / "folder")
    assert [file.name for file in files] == ["me_mask.png", "me_overlay.png"]
    with Image.open(files[0]) as mask:
        assert (
            mask.mode == "P" and tuple(mask.getpalette()[3:6]) == EIGHT_PARTS.palette[1]
        )
        np.testing.assert_array_equal(mask, face.mask)
    with Image.open(files[1]) as picture:
        np.testing.assert_array_equal(picture, expected)
    assert face.save(tmp_path, "you")[0] == tmp_path / "you_mask.png"


def test_what_is_not_known_is_said(face):
    with pytest.raises(ValueError, match="probabilities"):
        face.probabilities()
    with pytest.raises(ValueError, match=r"`mask`.*\(40, 60, 3\).*\(40, 50\)"):
        ParsedFace(PHOTO, face.mask[:, :50])


def test_an_overlay_is_the_same_in_pieces(monkeypatch):
    photo, mask = photos(40, 30), photos(40, 30)[..., 0] // 29
    whole = visualize.overlay(photo, mask)
    monkeypatch.setattr(visualize, "_PIXELS_AT_ONCE", 70)
    np.testing.assert_array_equal(visualize.overlay(photo, mask), whole)
    colors = np.float32(EIGHT_PARTS.palette)[mask]
    tinted = np.clip(np.round(photo * 0.65 + colors * 0.35), 0, 255)
    calm = np.zeros(mask.shape, bool)
    calm[1:, 1:] = (mask[1:, 1:] == mask[:-1, 1:]) & (mask[1:, 1:] == mask[1:, :-1])
    inside = calm & (mask > 0)
    assert inside.sum() > 5
    np.testing.assert_array_equal(whole[inside], tinted[inside])
    np.testing.assert_array_equal(whole[calm & (mask == 0)], photo[calm & (mask == 0)])
