"""A C program loads the SavedModel and parses photos: no Python in the process."""

import os
import pathlib
import shutil
import subprocess

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from tests.helpers import encode, photos

SOURCE = pathlib.Path(__file__).parent / "capi" / "parse.c"
LIBRARIES = ("libtensorflow_cc.so.2", "libtensorflow_framework.so.2")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Compiles the program against the installed TensorFlow."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("needs a C compiler: cc, gcc or clang")
    folder = tf.sysconfig.get_lib()
    for library in LIBRARIES:
        if not os.path.isfile(os.path.join(folder, library)):
            pytest.skip(f"the installed TensorFlow has no {library}")
    target = tmp_path_factory.mktemp("capi") / "parse"
    flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror"]
    flags += [f"-I{tf.sysconfig.get_include()}", f"-L{folder}", f"-Wl,-rpath,{folder}"]
    libraries = [f"-l:{name}" for name in LIBRARIES]
    subprocess.run(
        [compiler, *flags, str(SOURCE), "-o", str(target), *libraries], check=True
    )
    return target


def _tensor_names(folder, signature):
    """Names of the tensors of a signature, as `saved_model_cli show` prints them."""
    data = (folder / "saved_model.pb").read_bytes()
    model = saved_model_pb2.SavedModel.FromString(data)
    definition = model.meta_graphs[0].signature_def[signature]
    tensors = [*definition.inputs.items(), *definition.outputs.items()]
    return {name: info.name for name, info in tensors}


def _run(program, *arguments):
    # Nothing of this environment's Python can help it.
    return subprocess.run(
        [program, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={"TF_CPP_MIN_LOG_LEVEL": "2", "PATH": "/nowhere"},
    )


def test_c_api_parses_raw_pixels(served, program, tmp_path):
    _, folder = served
    photo = photos(70, 51)
    (tmp_path / "photo.rgb").write_bytes(photo.tobytes())
    names = _tensor_names(folder, "serving_default")
    tensors = (names["images"], names["mask"])
    files = (tmp_path / "photo.rgb", tmp_path / "mask")
    result = _run(program, folder, "pixels", *tensors, 51, 70, *files)
    assert result.returncode == 0, result.stderr
    mask = np.fromfile(tmp_path / "mask", "uint8").reshape(70, 51)
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    expected = signature(images=tf.constant(photo[None]))["mask"][0]
    np.testing.assert_array_equal(mask, expected)
    assert len(np.unique(mask)) > 2


def test_c_api_parses_encoded_photos_and_goes_on_past_a_bad_one(
    served, program, tmp_path
):
    _, folder = served
    picture = Image.fromarray(photos(64, 45))
    batch = {
        "one.png": encode(picture, "PNG"),
        "cut.jpg": encode(picture, "JPEG")[:700],
        "two.jpg": encode(picture.resize((33, 80)), "JPEG"),
    }
    for name, data in batch.items():
        (tmp_path / name).write_bytes(data)
    names = _tensor_names(folder, "serving_bytes")
    tensors = (names["image_bytes"], names["mask_bytes"], names["error"])
    paths = [tmp_path / name for name in batch]
    result = _run(program, folder, "encoded", *tensors, *paths)
    assert result.returncode == 1, result.stderr
    assert "cut.jpg: The photo is broken" in result.stdout
    assert not (tmp_path / "cut.jpg_mask.png").exists()
    signature = tf.saved_model.load(str(folder)).signatures["serving_bytes"]
    masks = signature(image_bytes=tf.constant(list(batch.values())))["mask_bytes"]
    for index, name in ((0, "one.png"), (2, "two.jpg")):
        written = (tmp_path / f"{name}_mask.png").read_bytes()
        assert written == masks[index].numpy()
