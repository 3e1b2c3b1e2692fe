"""Keras's data format, of which the models know nothing: theirs is channels last."""

from collections.abc import Iterator

import keras
import numpy as np
import pytest

from stn_icnn_tf.face_parser import FaceParser
from stn_icnn_tf.pretrained import load_model
from tests.helpers import photos, shake, small_model


@pytest.fixture
def channels_first() -> Iterator[None]:
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format(before)


@pytest.fixture(scope="module", params=["interlinked", "residual"])
def saved(request, tmp_path_factory):
    """A model made as usual: its file, a photo, the coarse scores, the mask."""
    model = small_model(coarse_net=request.param, part_net=request.param, patch_size=16)
    shake(model)
    path = tmp_path_factory.mktemp("model") / "model.keras"
    model.save(path)
    image = photos(1, 70, 60)
    mask = FaceParser(model, find_faces=False)(image[0]).mask
    return path, image, model(image)["coarse_scores"], mask


def test_channels_first_in_keras_json_changes_nothing(saved, channels_first):
    path, image, logits, mask = saved
    model = load_model(path)
    np.testing.assert_allclose(model(image)["coarse_scores"], logits, atol=1e-5)
    parsed = FaceParser(model, find_faces=False)(image[0])
    np.testing.assert_array_equal(parsed.mask, mask)
