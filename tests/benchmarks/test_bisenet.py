"""The net that ours is timed against has the shape of the published one."""

import numpy as np
import pytest

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


def test_it_labels_photos_and_has_the_published_weights():
    from benchmarks.bisenet import bisenet

    content = bisenet()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    photos = np.random.default_rng(0).integers(0, 256, (2, 512, 512, 3)).astype("uint8")
    (mask,) = session.run(None, {"photos": photos})
    assert mask.shape == (2, 512, 512)
    assert len(np.unique(mask)) > 1 and mask.min() >= 0 and mask.max() < 19
    # A ResNet-18 without its classifier has 11.2 million.
    assert 12.5e6 < len(content) / 4 < 13.5e6
