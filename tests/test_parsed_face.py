import io

import numpy as np
import pytest
from PIL import Image

from stn_icnn_tf import visualize
from stn_icnn_tf.class_sets import EIGHT_PARTS, HEAD
from stn_icnn_tf.parsed_face import ParsedFace
from stn_icnn_tf.visualize import legend, overlay
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


def head_of(shape, boxes, **kwargs):
    """A face of the whole head: class -> rows and columns."""
    mask = np.zeros(shape, "uint8")
    for name, where in boxes.items():
        mask[where] = HEAD.id_of(name)
    return ParsedFace(photos(*shape), mask, class_set=HEAD, **kwargs)


HEAD_BOXES = {
    "hair": np.s_[5:90, 20:80],
    "skin": np.s_[20:85, 25:75],
    "left_brow": np.s_[32:35, 32:45],
    "right_brow": np.s_[32:35, 55:68],
    "left_eye": np.s_[38:44, 34:44],
    "right_eye": np.s_[38:44, 56:66],
    "nose": np.s_[42:60, 46:54],
    "upper_lip": np.s_[65:68, 40:60],
    "lower_lip": np.s_[68:72, 40:60],
}


def test_masks_of_a_class_and_of_a_union(face):
    head = head_of((96, 100), HEAD_BOXES)
    hair = head.mask == HEAD.id_of("hair")
    np.testing.assert_array_equal(head.mask_of("hair"), hair)
    np.testing.assert_array_equal(head.mask_of("hair", "hat"), hair)
    assert not head.mask_of("hat").any()
    assert head.mask_of("all").sum() == (head.mask > 0).sum()
    with pytest.raises(ValueError, match="`names` must be of .*upper_lip.*names=hair"):
        face.mask_of("hair")


@pytest.mark.parametrize("known", [False, True])
def test_effects_change_what_they_are_asked_to(known):
    def probabilities(size):
        mask = Image.fromarray(head.mask).resize(size[::-1], Image.Resampling.NEAREST)
        return np.eye(19, dtype="float32")[np.asarray(mask)]

    head = head_of(
        (96, 100), HEAD_BOXES, probabilities=probabilities if known else None
    )
    lips = head.mask_of("lips")
    matte = head.matte("lips")
    assert matte.dtype == np.float32 and matte[lips].mean() > 4 * matte[~lips].mean()
    tinted = np.asarray(head.tint(["lips", "hat"], "crimson"))
    np.testing.assert_array_equal(tinted[:40], head.photo[:40])
    assert (tinted[lips] != head.photo[lips]).any(axis=-1).mean() > 0.5
    smooth = np.asarray(head.smooth_skin(1.0))
    skin, soft = head.mask_of("skin", "nose"), head.smoothing_mask()
    np.testing.assert_array_equal(smooth[~skin], head.photo[~skin])
    assert soft.dtype == np.float32 and not soft[~skin].any() and soft.max() == 1.0
    assert (smooth[soft > 0.9] != head.photo[soft > 0.9]).any(axis=-1).mean() > 0.5
    # One effect after the other.
    both = np.asarray(head.tint("lips", "crimson", photo=head.smooth_skin(1.0)))
    np.testing.assert_array_equal(
        both[~skin & (matte == 0)], head.photo[~skin & (matte == 0)]
    )
    assert (both != tinted).any() and (both != smooth).any()
    cut = head.cut_out("head", photo=head.smooth_skin(1.0))
    assert cut.mode == "RGBA" and cut.size == (100, 96)
    alpha = np.asarray(cut)[..., 3]
    assert alpha[head.mask > 0].mean() > 4 * alpha[head.mask == 0].mean()
    with pytest.raises(ValueError, match="`photo` must have the size"):
        head.cut_out("head", photo=photos(10, 10))


@pytest.mark.parametrize(
    "boxes",
    [{}, {"hair": np.s_[:, 7]}, {"skin": np.s_[3, :]}, {"upper_lip": np.s_[2:3, 2:3]}],
    ids=["nothing", "column", "row", "pixel"],
)
@pytest.mark.parametrize("shape", [(20, 30), (20, 8)])
def test_absent_and_thin_classes_work(boxes, shape):
    head = head_of(shape, boxes)
    for name in ("hair", "skin", "lips", "hat"):
        picture = np.asarray(head.tint(name, "teal"))
        assert picture.shape == (*shape, 3)
        if not head.mask_of(name).any():
            np.testing.assert_array_equal(picture, head.photo)
            assert not np.asarray(head.cut_out(name))[..., 3].any()
    assert head.smooth_skin().size == shape[::-1]
    assert len(head.regions()) == 18


def test_photos_without_a_face_and_of_one_pixel():
    nobody = ParsedFace(
        photos(9, 9), np.zeros((9, 9), "uint8"), faces=(), class_set=HEAD
    )
    np.testing.assert_array_equal(nobody.tint("hair", "teal"), nobody.photo)
    assert not np.asarray(nobody.cut_out())[..., 3].any()
    dot = head_of((1, 1), {"skin": np.s_[:]})
    assert dot.tint("skin", "teal").size == dot.smooth_skin().size == (1, 1)
    assert dot.cut_out().size == (1, 1)


def test_large_photos_are_asked_for_few_probabilities():
    asked = []

    def probabilities(size):
        asked.append(size)
        return np.full((*size, 9), 1 / 9, "float32")

    shape = (1500, 2000)
    face = ParsedFace(
        np.zeros((*shape, 3), "uint8"), np.zeros(shape, "uint8"), probabilities
    )
    assert face.matte("lips").shape == shape
    assert len(asked) == 1 and asked[0][0] * asked[0][1] <= 1.01 * 2**20
    assert face.probabilities().shape == (*shape, 9)


def test_smoothing_needs_skin(face):
    with pytest.raises(ValueError, match="`names` must be of .*names=skin"):
        face.smooth_skin()


def test_legend_shows_every_color():
    for class_set, columns in ((EIGHT_PARTS, 1), (HEAD, 6)):
        pixels = np.asarray(legend(class_set, columns)).reshape(-1, 3)
        shown = set(map(tuple, np.unique(pixels, axis=0).tolist()))
        assert set(class_set.palette[1:]) <= shown


@pytest.mark.parametrize("size", [(40, 30), (810, 820)])  # Of these two lines are wide.
def test_an_overlay_is_the_same_in_pieces(size, monkeypatch):
    rng = np.random.default_rng(0)
    photo, mask = photos(*size), rng.integers(0, 9, size, "uint8")
    whole = visualize.overlay(photo, mask)
    monkeypatch.setattr(visualize, "_PIXELS_AT_ONCE", size[1] * 7)
    np.testing.assert_array_equal(visualize.overlay(photo, mask), whole)


def test_an_overlay_tints_what_is_inside():
    photo, mask = photos(40, 30), photos(40, 30)[..., 0] // 29
    whole = visualize.overlay(photo, mask)
    colors = np.float32(EIGHT_PARTS.palette)[mask]
    tinted = np.clip(np.round(photo * 0.65 + colors * 0.35), 0, 255)
    calm = np.zeros(mask.shape, bool)
    calm[1:, 1:] = (mask[1:, 1:] == mask[:-1, 1:]) & (mask[1:, 1:] == mask[1:, :-1])
    inside = calm & (mask > 0)
    assert inside.sum() > 5
    np.testing.assert_array_equal(whole[inside], tinted[inside])
    np.testing.assert_array_equal(whole[calm & (mask == 0)], photo[calm & (mask == 0)])
