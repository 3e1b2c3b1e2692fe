"""STN-iCNN: end-to-end face parsing for Keras 3.

Importing the package registers every layer, so that `keras.saving.load_model`
reads a saved `.keras` file.
"""

from stn_icnn_tf.class_sets import CLASS_NAMES, PALETTE, PART_NAMES
from stn_icnn_tf.geometry.affine import (
    affine_grid,
    compose_theta,
    frame_theta,
    grid_sample,
    invert_theta,
    theta_from_centers,
)
from stn_icnn_tf.geometry.paste_back import paste_back
from stn_icnn_tf.layers.icnn import InterlinkedCNN
from stn_icnn_tf.layers.learned_crop import LearnedCrop
from stn_icnn_tf.layers.localization import LocalizationNetwork
from stn_icnn_tf.metrics import FaceParsingScores
from stn_icnn_tf.models.stn_icnn import StnIcnn
from stn_icnn_tf.pretrained import load_model

__version__ = "0.1.0"

__all__ = [
    "CLASS_NAMES",
    "PALETTE",
    "PART_NAMES",
    "FaceParsingScores",
    "InterlinkedCNN",
    "LearnedCrop",
    "LocalizationNetwork",
    "StnIcnn",
    "affine_grid",
    "compose_theta",
    "frame_theta",
    "grid_sample",
    "invert_theta",
    "load_model",
    "paste_back",
    "theta_from_centers",
]
