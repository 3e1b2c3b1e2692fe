"""SavedModels for TensorFlow Serving."""

import json
import os
import pathlib
import re
import tempfile
from typing import Any

import tensorflow as tf

from stn_icnn_tf.export.signatures import (
    LABELS_FILE,
    ServedModel,
    describe_labels,
    sample_requests,
)
from stn_icnn_tf.export.warmup import write_warmup
from stn_icnn_tf.files import as_path, is_remote
from stn_icnn_tf.inference.fused import FusedModel
from stn_icnn_tf.models.stn_icnn import StnIcnn

_GRAPH = "saved_model.pb"


def export_saved_model(
    model: StnIcnn,
    output: str | pathlib.Path,
    version: int = 1,
    precision: str = "float32",
    find_faces: bool = True,
) -> pathlib.Path:
    """Writes `OUTPUT/VERSION/saved_model.pb`, complete or not at all.

    With it come the asset `labels.json` and warm-up records for the server. The
    signatures are `signatures.signatures`; docs/serving.md tells of them.

    Args:
        model: the model.
        output: the model's folder, as TensorFlow Serving wants it; the folder's
            name is taken for that of the served model. In remote storage a version
            is there when its `saved_model.pb` is.
        version: name of the version folder; an existing one is replaced.
        precision: `"float32"` or `"bfloat16"`, of the networks' arithmetic.
        find_faces: whether the signature `serving_bytes` searches for a face that is
            small, off the middle or rolled, see `FaceSearch`; the others parse photos
            as they are.

    Returns:
        the version folder.

    Raises:
        ValueError: if `version` is not positive, or `precision` is neither.
    """
    if version < 1:
        raise ValueError(
            f"Argument `version` must be positive. Received: version={version}"
        )
    parser = FusedModel(model, precision)
    output = as_path(output)
    if is_remote(output):
        return _export_remotely(model, output, version, precision, find_faces)
    output.mkdir(parents=True, exist_ok=True)
    target = output / str(version)
    # A server polls the folder: it must never see a half-written version, nor one
    # that is half gone.
    with tempfile.TemporaryDirectory(dir=output, prefix=".writing-") as folder:
        labels = pathlib.Path(folder) / LABELS_FILE
        labels.write_text(_readable_json(describe_labels(model.class_set)))
        module = ServedModel(parser, labels, find_faces)
        fresh = pathlib.Path(folder) / "model"
        tf.saved_model.save(module, str(fresh), signatures=module.signatures)
        write_warmup(fresh, output.resolve().name, sample_requests())
        if target.exists():
            os.replace(target, pathlib.Path(folder) / "replaced")
        os.replace(fresh, target)
    return target


def _export_remotely(
    model: StnIcnn, output: pathlib.Path, version: int, *options: Any
) -> pathlib.Path:
    """Exports to a local folder first, and uploads that.

    No folder appears at once in remote storage. A server looks for `saved_model.pb`:
    it goes first when a version is replaced, and comes last.
    """
    target = output / str(version)
    with tempfile.TemporaryDirectory() as folder:
        # A server names the model after the folder.
        local = pathlib.Path(folder) / output.name
        fresh = export_saved_model(model, local, version, *options)
        (target / _GRAPH).unlink(missing_ok=True)
        files = [path for path in sorted(fresh.rglob("*")) if path.is_file()]
        for path in sorted(files, key=lambda path: path.name == _GRAPH):
            place = target / path.relative_to(fresh).as_posix()
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    return target


def _readable_json(value: dict) -> str:
    """Formats JSON for people: what holds nothing nested stays on one line."""

    def join_lines(match: re.Match) -> str:
        return re.sub(r"\n\s*", "", re.sub(r",\n\s*", ", ", match[0]))

    text = json.dumps(value, indent=2)
    text = re.sub(r"\[[^][{}]*\]", join_lines, text)
    return re.sub(r"\{[^{}]*\}", join_lines, text) + "\n"


def next_version(output: str | pathlib.Path) -> int:
    """Returns the version after the newest one in a model's folder, 1 if none."""
    folder = as_path(output)
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return 1 + max((int(name) for name in names if name.isdecimal()), default=0)


def read_labels(saved_model: str | pathlib.Path) -> dict:
    """Reads what a SavedModel says of its classes, parts and signatures.

    Args:
        saved_model: the version folder, which holds `saved_model.pb`.

    Returns:
        `classes`, a list of `id`, `name` and `color` (RGB); `parts`, a list of
        `name` and `classes` (ids); `signatures`: name -> `inputs` and `outputs` ->
        name -> `dtype` and `shape`; `limits_of_encoded_photos`.

    Raises:
        ValueError: if `saved_model` holds no `assets/labels.json`.
    """
    path = as_path(saved_model) / "assets" / LABELS_FILE
    if not path.is_file():
        raise ValueError(
            "Argument `saved_model` must be a folder that holds "
            f"assets/{LABELS_FILE}. Received: saved_model={saved_model}"
        )
    return json.loads(path.read_text())
