"""Measuring a model's search thresholds on the photos of a dataset."""

import tensorflow as tf

from stn_icnn_tf.inference.calibration import calibrate_search
from stn_icnn_tf.inference.fused import FusedModel
from stn_icnn_tf.models.search_thresholds import SearchThresholds
from stn_icnn_tf.models.stn_icnn import StnIcnn
from trainers.common.data import decoded_photos

# More photos tell no more than that.
_PHOTOS = 300


def measured_thresholds(model: StnIcnn, dataset: tf.data.Dataset) -> SearchThresholds:
    """Measures which photos a model parses as they are, see `calibrate_search`.

    Args:
        model: the model.
        dataset: its validation photos, examples of a TFDS builder of this project.

    Raises:
        ValueError: if the dataset is empty.
    """
    examples = decoded_photos(dataset.take(_PHOTOS))
    photos = (example["image"].numpy() for example in examples)
    return calibrate_search(FusedModel(model), photos)
