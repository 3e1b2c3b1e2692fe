"""Saved and shipped models give the same masks on JAX and PyTorch as on TensorFlow."""

import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

import stn_icnn_tf
from stn_icnn_tf.drawn_faces.drawing import draw_face
from stn_icnn_tf.pretrained import load_model
from stn_icnn_tf.shipped import shipped_models
from tests.helpers import small_model

ROOT = pathlib.Path(__file__).parents[1]
WEIGHTS = pathlib.Path(stn_icnn_tf.__file__).parent / "weights"
PYTHON = ROOT / ".venv-backends" / "bin" / "python"

MODELS = {
    "letterbox_face": {},
    "stretch_fixed": {"framing": "stretch", "window": "fixed"},
}
SIZES = ((96, 80), (64, 91), (151, 300))

# Called as it is, and through `predict`, which JAX compiles as a whole.
PARSE = """
import pathlib, sys
import keras, numpy as np, stn_icnn_tf

folder = pathlib.Path(sys.argv[1])
photos = np.load(folder / "photos.npz")
results = {}
for path in folder.glob("*.keras"):
    model = keras.saving.load_model(path)
    for name, photo in photos.items():
        outputs = model(photo)
        for key in ("mask", "theta"):
            value = keras.ops.convert_to_numpy(outputs[key])
            results[f"{path.stem}/{name}/{key}"] = value
    predicted = model.predict(photo, verbose=0)
    results[f"{path.stem}/{name}/predicted"] = predicted["mask"]
np.savez(folder / f"{keras.backend.backend()}.npz", **results)
"""


def roughen(model):
    """Gives the weights values without symmetry: masks then hold many classes."""
    rng = np.random.default_rng(5)
    for variable in model.trainable_variables:
        variable.assign_add(rng.normal(0, 0.1, variable.shape))
    for net in (model.coarse, *model.part_nets.values()):
        net.logits.bias.assign(rng.normal(0, 0.5, net.logits.bias.shape))
    for variable in model.non_trainable_variables:
        if variable.name == "moving_variance":
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        if variable.name == "moving_mean":
            variable.assign(rng.normal(0, 0.2, variable.shape))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Returns a folder of models and photos, and what TensorFlow makes of them."""
    folder = tmp_path_factory.mktemp("saved")
    rng = np.random.default_rng(0)
    photos = {
        f"{height}x{width}": np.stack(
            [draw_face(rng, (height, width))[0] for _ in range(2)]
        )
        for height, width in SIZES
    }
    data = pytest.importorskip("skimage.data", reason="extra `demo`")
    photos["astronaut"] = data.astronaut()[None, :240, 100:340]
    np.savez(folder / "photos.npz", **photos)
    expected = {}
    for name, arguments in MODELS.items():
        model = small_model(**arguments)
        roughen(model)
        model.save(folder / f"{name}.keras")
        expected[name] = {size: model(photo) for size, photo in photos.items()}
    for name in shipped_models():
        shutil.copy(WEIGHTS / f"{name}.keras", folder)
        model = load_model(name)
        expected[name] = {size: model(photo) for size, photo in photos.items()}
    return folder, expected


@pytest.mark.skipif(
    not PYTHON.exists(),
    reason="`make backends` builds the environment of JAX and PyTorch and runs this",
)
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_saved_model_gives_the_masks_of_tensorflow(saved, backend):
    folder, expected = saved
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": str(ROOT),
        # No accelerator, whose float32 is another; no threads that wait for each other.
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
    }
    subprocess.run([str(PYTHON), "-c", PARSE, str(folder)], env=environment, check=True)
    results = np.load(folder / f"{backend}.npz")
    for name, outputs in expected.items():
        masks = {size: np.array(output["mask"]) for size, output in outputs.items()}
        assert len(np.unique(np.concatenate([m.ravel() for m in masks.values()]))) > 6
        same = [results[f"{name}/{size}/mask"] == mask for size, mask in masks.items()]
        assert np.concatenate([s.ravel() for s in same]).mean() >= 0.9999
        last, mask = list(masks.items())[-1]
        assert (results[f"{name}/{last}/predicted"] == mask).mean() >= 0.9999
        for size, output in outputs.items():
            assert results[f"{name}/{size}/mask"].dtype == np.uint8
            np.testing.assert_allclose(
                results[f"{name}/{size}/theta"], output["theta"], atol=1e-5
            )


def test_importing_the_package_needs_tensorflow_only_through_keras():
    script = (
        "import sys, keras\n"
        "sys.modules['tensorflow'] = None\n"  # From here on it cannot be imported.
        "import stn_icnn_tf\n"
        "stn_icnn_tf.StnIcnn, stn_icnn_tf.load_model\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
