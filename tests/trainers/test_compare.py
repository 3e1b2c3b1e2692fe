import types

import numpy as np
from PIL import Image

from stn_icnn_tf.class_sets import EIGHT_PARTS, HEAD
from stn_icnn_tf.visualize import overlay
from tests.helpers import faces, shake, small_model
from trainers import compare
from trainers.common.label_map import LabelMap

PARTS = LabelMap.of(range(9), EIGHT_PARTS)


def test_pairs_are_the_label_and_the_models_mask():
    model = small_model()
    shake(model)
    pictures = compare.compare(model, faces(2), PARTS)
    assert len(pictures) == 4
    for index, face in enumerate(faces(2).as_numpy_iterator()):
        photo, label = face["image"], face["segmentation_mask"][..., 0]
        np.testing.assert_array_equal(pictures[2 * index], overlay(photo, label))
        mask = np.array(model(photo[None])["mask"])[0]
        assert len(np.unique(mask)) > 2
        same = pictures[2 * index + 1] == overlay(photo, mask)
        assert np.mean(same) > 0.99  # The fused model is exact up to rounding.


def test_masks_show_no_class_that_the_labels_do_not_draw():
    # Its mask is of few pieces: outlines lie on the pixels beside them.
    model = small_model(class_set="head", num_interlinks=3)
    shake(model, seed=1)
    plain, parts = (
        compare.compare(model, faces(1), LabelMap.of(range(count), HEAD))
        for count in (19, 9)
    )
    (face,) = faces(1).as_numpy_iterator()
    mask = np.array(model(face["image"][None])["mask"])[0]
    base = mask > 8
    assert 0 < base.mean() < 1
    same = np.all(parts[1] == face["image"], axis=-1)
    assert same[base].mean() > 0.99
    same = np.all(parts[1] == plain[1], axis=-1)
    assert same[~base].mean() > 0.99 and not same[base].all()


def test_script_writes_the_sheet(tmp_path, monkeypatch):
    asked = []

    def load_photos(*arguments):
        asked.append(arguments)
        return faces(3), PARTS

    values = types.SimpleNamespace(
        model="m",
        dataset="drawn",
        data_dir="d",
        manual_dir=None,
        split="test",
        count=3,
        columns=2,
        side=40,
        output=str(tmp_path / "new" / "sheet.png"),
    )
    monkeypatch.setattr(compare, "FLAGS", values)
    monkeypatch.setattr(compare, "load_model", lambda _: small_model())
    monkeypatch.setattr(compare, "load_photos", load_photos)
    compare.main(["compare"])
    assert asked == [("drawn", "test", EIGHT_PARTS, "d", None, 3)]
    with Image.open(values.output) as sheet:
        assert sheet.size == (2 * 2 * 40, 2 * 40)
