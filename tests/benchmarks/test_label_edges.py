import json

import numpy as np
import pytest

from benchmarks.label_edges import count_wrong, near_edge
from stn_icnn_tf.class_sets import HEAD
from tests.helpers import small_model


def distances_to_edge(parts):
    """Rows and columns to the nearest pixel of the other kind, pixel by pixel."""
    rows, columns = np.indices(parts.shape)
    result = np.empty(parts.shape)
    for y, x in np.ndindex(parts.shape):
        other = parts != parts[y, x]
        far = np.maximum(abs(rows - y), abs(columns - x))
        result[y, x] = far[other].min()
    return result


@pytest.mark.parametrize("reach", [1, 2, 4])
def test_pixels_near_an_edge(reach):
    parts = np.zeros((17, 23), bool)
    parts[3:14, 5:20] = True
    parts[8, 11] = False
    expected = distances_to_edge(parts) <= reach
    np.testing.assert_array_equal(near_edge(parts, reach), expected)
    assert not near_edge(np.zeros((5, 5), bool), reach).numpy().any()


def test_wrong_pixels_are_counted_by_distance():
    label = np.zeros((20, 20), "uint8")
    label[:5] = HEAD.id_of("hair")
    label[5:15, 5:15] = 5
    mask = label.copy()
    mask[5, 5:15] = 0  # The outermost row: 10 pixels beside the edge.
    mask[10, 8] = 0  # Four pixels from the nearest background.
    mask[0, 0] = 3  # Five from the nearest part.
    mask[12, 12] = 6  # A part for another is no error here.
    assert count_wrong(label, mask, (1, 3, 4, 5), HEAD).numpy().tolist() == [
        12,
        10,
        10,
        11,
        12,
    ]


@pytest.mark.slow
def test_script(tmp_path):
    from tests.helpers import script

    small_model().save(tmp_path / "model.keras")
    done = script(
        "benchmarks.label_edges",
        f"--model={tmp_path}",
        "--dataset=synthetic_faces/tiny",
        f"--data_dir={tmp_path / 'data'}",
        f"--output={tmp_path / 'edges.json'}",
        "--reach=2",
        "--reach=400",
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "edges.json").read_text())
    shares = record["share_within"]
    assert 0 <= shares["2"] <= shares["400"] == 1.0
    assert record["wrong_pixels"] > 0 and f"{record['overall']:.4f}" in done.stdout
