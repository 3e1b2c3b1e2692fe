"""Imports run one way, without a circle: CONTRIBUTING.md has the order."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ("stn_icnn_tf", "tfds_builders", "trainers", "serving", "benchmarks")

# From below to above: each imports what stands below it, and its own kind.
RANKS = (
    ("class_sets", "files", "extras", "photos", "clips", "shipped", "client"),
    ("drawn_faces",),
    ("class_groups", "color", "matting"),
    ("effects", "regions", "geometry"),
    ("visualize", "face_effects", "parsed_face", "layers", "losses", "metrics", "data"),
    ("models",),
    ("inference", "onnx_engine"),
    ("keras_file", "pretrained", "export"),
    ("face_parser",),
    ("video_parser",),
)


def modules():
    """Every module's name, and the names of those of ours that it imports."""
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    imports = {}
    for name, path in found.items():
        wanted = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                wanted.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                wanted.update(n if n in found else node.module for n in names)
        imports[name] = {other for other in wanted if other in found} - {name}
    return imports


def rank(name):
    part = name.split(".")[1]
    return next(i for i, names in enumerate(RANKS) if part in names)


def test_the_core_imports_in_its_order():
    for name, wanted in modules().items():
        if not name.startswith("stn_icnn_tf."):
            continue
        for other in wanted:
            assert other.startswith("stn_icnn_tf"), f"{name} imports {other}"
            if other != "stn_icnn_tf":
                assert rank(other) <= rank(name), f"{name} imports {other}"


@pytest.mark.parametrize(
    ("below", "above"),
    [
        ("tfds_builders", ("trainers", "serving", "benchmarks")),
        ("trainers", ("serving", "benchmarks")),
    ],
)
def test_packages_import_what_is_below_them(below, above):
    for name, wanted in modules().items():
        if name.startswith(f"{below}."):
            assert not {w for w in wanted if w.split(".")[0] in above}, name


def test_no_imports_run_in_a_circle():
    imports, done = modules(), set()

    def visit(name, path):
        assert name not in path, " -> ".join([*path, name])
        if name not in done:
            for other in imports[name]:
                visit(other, [*path, name])
            done.add(name)

    for name in imports:
        visit(name, [])


@pytest.mark.parametrize(
    "module",
    ["stn_icnn_tf", "stn_icnn_tf.face_parser", "stn_icnn_tf.onnx_engine.engine",
     "stn_icnn_tf.export.engine_cache", "trainers.predict"],
)  # fmt: skip
def test_what_starts_fast_imports_no_tensorflow(module):
    script = f"""
import sys, {module}
slow = {{"tensorflow", "keras", "h5py", "tensorflow_datasets", "onnxruntime", "av"}}
print(sorted(slow & set(sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ran.stdout.strip() == "[]", ran.stderr
