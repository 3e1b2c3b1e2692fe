import numpy as np

from benchmarks import windows
from stn_icnn_tf.class_sets import HEAD
from stn_icnn_tf.parsed_face import ParsedFace


def test_the_sheet_shows_photo_windows_and_mask():
    side = 60
    photo = np.full((side, side, 3), 128, "uint8")
    mask = np.zeros((side, side), "uint8")
    mask[side // 2 :] = HEAD.id_of("skin")
    # Each window is half as large as the photo, in its middle.
    theta = np.tile([[0.5, 0, 0], [0, 0.5, 0]], (HEAD.num_parts, 1, 1))
    sheet = windows.sheet(ParsedFace(photo, mask, theta=theta, class_set=HEAD))
    plain, windowed, drawn = np.split(np.asarray(sheet), 3, axis=1)
    assert plain.shape == (side, side, 3) and np.all(plain == 128)
    rows, columns = np.nonzero(np.any(windowed != plain, axis=-1))
    for places in (rows, columns):
        assert abs(places.min() - side / 4) < 3 and abs(places.max() - 3 * side / 4) < 3
    assert np.all(windowed[side // 2, side // 2] == 128)
    changed = np.any(drawn != plain, axis=-1)
    assert changed[side // 2 :].all() and not changed[: side // 2].any()
