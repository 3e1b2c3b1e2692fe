"""The wheel: what it says, what it holds, and that it works with the core alone."""

import importlib.metadata
import os
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

import stn_icnn_tf
from stn_icnn_tf.drawn_faces.drawing import draw_face

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ("stn_icnn_tf", "tfds_builders", "trainers")

# What the extras bring. As sitecustomize.py Python runs this before anything else.
WITHOUT_EXTRAS = """
import sys

ABSENT = {
    "ai_edge_litert", "ai_edge_quantizer", "apache_beam", "av", "importlib_resources",
    "matplotlib", "mlcroissant", "mtcnn", "nbclient", "onnx", "onnxruntime", "skimage",
    "tensorboard", "tensorflow_datasets", "tensorflow_serving", "tf2onnx",
}

class Absent:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent)
"""


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Builds the wheel of a copy: building leaves its traces in the folder."""
    source = tmp_path_factory.mktemp("source")
    skip = shutil.ignore_patterns("__pycache__")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=skip)
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, source)
    folder = tmp_path_factory.mktemp("dist")
    # No network: setuptools is that of the extra `dev`.
    offline = ("--no-deps", "--no-build-isolation", "--no-index")
    pip("wheel", *offline, f"--wheel-dir={folder}", str(source))
    (wheel,) = folder.iterdir()
    return wheel


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Installs it; gives its folder, and the environment of one who has no extra."""
    site = tmp_path_factory.mktemp("site")
    pip("install", "--no-deps", "--no-index", f"--target={site}", str(wheel))
    (site / "sitecustomize.py").write_text(WITHOUT_EXTRAS)
    return site, {**os.environ, "PYTHONPATH": str(site)}


@pytest.fixture(scope="module")
def metadata(wheel):
    (distribution,) = importlib.metadata.distributions(path=[str(wheel)])
    return distribution.metadata


def test_the_wheel_holds_the_packages_with_their_data(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name.split("/")[0] for name in names} - set(PACKAGES) == {
        f"stn_icnn_tf-{stn_icnn_tf.__version__}.dist-info"
    }
    expected = {f"{package}/py.typed" for package in PACKAGES}
    for pattern in ("stn_icnn_tf/weights/*", "tfds_builders/*/*", "**/*.py"):
        for package in PACKAGES:
            expected |= {
                path.relative_to(ROOT).as_posix()
                for path in (ROOT / package).parent.glob(pattern)
                if path.is_file() and path.parts[len(ROOT.parts)] == package
            }
    assert "stn_icnn_tf/weights/helen.keras" in expected
    assert expected - names == set()


def test_the_metadata_names_version_licences_and_paper(metadata):
    assert metadata["Version"] == stn_icnn_tf.__version__
    assert metadata["License-Expression"].startswith("MIT AND LicenseRef-")
    assert metadata.get_all("License-File") == [
        "LICENSE",
        "stn_icnn_tf/weights/LICENSE",
    ]
    urls = metadata.get_all("Project-URL")
    citation = (ROOT / "CITATION.cff").read_text()
    (doi,) = re.findall(r"doi: (\S+)", citation)
    assert f"Paper, https://doi.org/{doi}" in urls


def test_requirements_are_the_core_and_train(metadata):
    core, train = set(), set()
    for requirement in metadata.get_all("Requires-Dist"):
        name, _, marker = requirement.partition("; ")
        if not marker:
            core.add(_normal(name))
        elif marker.replace('"', "'") == "extra == 'train'":
            train.add(_normal(name))
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    listed = [_normal(line) for line in lines if line and line[0] != "#"]
    assert set(listed) == core | train and len(listed) == len(core) + len(train)
    names = {re.match(r"[\w-]+", requirement)[0] for requirement in core}
    assert "tensorflow" in names
    assert not names & {"tensorflow-datasets", "tensorboard", "apache-beam"}


def _normal(requirement):
    """The same whatever the order of its bounds is."""
    name, bounds = re.fullmatch(r"([\w-]+)(.*)", requirement.replace(" ", "")).groups()
    return name + ",".join(sorted(filter(None, bounds.split(","))))


def test_face_parse_works_with_the_core_alone(installed, tmp_path):
    site, environment = installed
    image, _ = draw_face(np.random.default_rng(0), (200, 160))
    Image.fromarray(image).save(tmp_path / "ME.jpg")
    result = subprocess.run(
        [site / "bin" / "face-parse", "ME.jpg"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "1 of 1 photos -> masks" in result.stdout
    # As quiet as the scripts are.
    assert not re.search(r"^[IW]\d{4} ", result.stderr, re.MULTILINE), result.stderr
    with Image.open(tmp_path / "masks" / "ME_mask.png") as mask:
        assert mask.size == (160, 200)
        assert len(np.unique(np.asarray(mask))) > 5


CHECK_IMPORT = """
import pathlib, sys, stn_icnn_tf, trainers
for module in (stn_icnn_tf, trainers):
    assert pathlib.Path(module.__file__).is_relative_to(sys.argv[1]), module.__file__
stn_icnn_tf.StnIcnn
"""


def test_the_package_imports_with_the_core_alone(installed, tmp_path):
    site, environment = installed
    result = subprocess.run(
        [sys.executable, "-c", CHECK_IMPORT, site],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("extra", "arguments"),
    [
        (
            "train",
            ("trainers.train", "--run_dir=run", "--dataset=.", "--train_split=all"),
        ),
        ("train", ("trainers.preview", "--output=preview.png", "--dataset=helen")),
        ("video", ("trainers.predict", "--webcam", "--camera=any")),
    ],
    ids=["tensorboard", "tensorflow-datasets", "av"],
)
def test_what_needs_an_extra_says_which(installed, tmp_path, extra, arguments):
    _, environment = installed
    result = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode != 0
    output = result.stdout + result.stderr
    assert f"stn-icnn-tf[{extra}]" in output and "Traceback" not in output
