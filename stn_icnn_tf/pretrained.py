"""Loading a model by run folder, by file or by name, and storing it for shipping."""

import io
import os
import pathlib
import tempfile
import zipfile
from typing import Any

import h5py
import keras
import numpy as np

from stn_icnn_tf.files import local_copy, path_with_suffix, write_whole
from stn_icnn_tf.keras_file import is_saved, read_saved_config, refuse_objects
from stn_icnn_tf.models.stn_icnn import StnIcnn
from stn_icnn_tf.shipped import model_file

# Binary digits behind the point that a stored kernel has: it is off by 1/32 at most.
KERNEL_DIGITS = 4


def load_model(model: str | pathlib.Path) -> StnIcnn:
    """Loads a model, and runs nothing that its file may hold.

    Args:
        model: a run folder (that holds `model.keras`), a `.keras` file, or the
            name of a shipped model. The first two may be in remote storage.

    Returns:
        the model, ready to call on photos.

    Raises:
        ValueError: if `model` is none of these, holds something else, or is damaged.
    """
    with local_copy(model_file(model)) as file:
        return _read_model(file, model)


def _read_model(path: pathlib.Path, model: str | pathlib.Path) -> StnIcnn:
    try:
        saved = read_saved_config(path)
        if is_saved(saved, StnIcnn):
            refuse_objects(saved["config"])
            return keras.saving.load_model(path, compile=False, safe_mode=True)
    # An unknown layer, other weights, damage inside: Keras has many errors.
    except Exception as error:
        reason = str(error).rpartition("Exception encountered: ")[2].strip()
        reason = reason.partition("\n")[0].partition(". ")[0]
        raise ValueError(
            "Argument `model` must hold a model that Keras can load. "
            f"Received: model={model}, of which {path} cannot be loaded: {reason}"
        ) from error
    raise ValueError(
        f"Argument `model` must hold a StnIcnn. Received: model={model}, which holds a "
        f"{saved['class_name']}"
    )


def save_compact(model: StnIcnn, path: str | os.PathLike) -> None:
    """Saves a model in a third of the space: its kernels are rounded, and compressed.

    They are float16 with four of its ten binary digits behind the point: `head`
    loses .0004 of its mean F1 by it. The file is read like any other `.keras` file;
    computation stays float32.

    Args:
        model: the model.
        path: of the `.keras` file, complete or not written at all.

    Raises:
        ValueError: if `path` does not end in `.keras`, or a kernel is too large
            for float16.
    """
    path, compact = path_with_suffix(path, ".keras", "path"), io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        plain = pathlib.Path(folder) / "plain.keras"
        model.save(plain)
        with (
            zipfile.ZipFile(plain) as source,
            zipfile.ZipFile(compact, "w", zipfile.ZIP_DEFLATED) as target,
        ):
            for name in source.namelist():
                content = source.read(name)
                if name.endswith(".weights.h5"):
                    content = _round_kernels(content)
                target.writestr(name, content)
    write_whole(compact.getvalue(), path)


def with_arguments(model: StnIcnn, **arguments: Any) -> StnIcnn:
    """Returns a new model with the weights of another and some other arguments.

    Raises:
        ValueError: if an argument is none that `StnIcnn` takes, or the weights do not
            fit it.
    """
    changed = StnIcnn.from_config({**model.get_config(), **arguments})
    changed.set_weights(model.get_weights())
    return changed


def differing_arguments(one: StnIcnn, other: StnIcnn) -> dict[str, tuple]:
    """Lists the arguments in which two models differ.

    But for name and dtype, and for the search thresholds, which are measured.

    Returns:
        name of the argument -> its values in `one` and in `other`.
    """
    ours, theirs = one.get_config(), other.get_config()
    return {
        name: (ours[name], theirs[name])
        for name in ours
        if name not in ("name", "dtype", "search_thresholds")
        and ours[name] != theirs[name]
    }


def _drop_digits(values: np.ndarray) -> np.ndarray:
    """Rounds float16 to the first of its binary digits behind the point."""
    dropped = 10 - KERNEL_DIGITS
    bits = values.view("uint16").astype("uint32")
    bits = (bits + (1 << (dropped - 1))) >> dropped << dropped
    return bits.astype("uint16").view("float16")


def _round_kernels(weights: bytes) -> bytes:
    """Rewrites an HDF5 file with its arrays of two and more axes rounded."""
    rounded = io.BytesIO()
    with h5py.File(io.BytesIO(weights)) as source, h5py.File(rounded, "w") as target:

        def copy(name: str, node: h5py.Group | h5py.Dataset) -> None:
            if isinstance(node, h5py.Group):
                copied = target.require_group(name)
            else:
                values, packed = node[()], {}
                # Biases and batch norm's statistics are few, and far from 1.
                if np.ndim(values) > 1:
                    with np.errstate(over="ignore"):  # Named below.
                        values = _drop_digits(values.astype("float16"))
                    if not np.isfinite(values).all():
                        raise ValueError(
                            "Argument `model` must have kernels within float16's "
                            f"range. Received: {name} with {np.abs(node[()]).max()}"
                        )
                    # Bytes of one rank side by side: the low ones are nearly empty.
                    packed = {"compression": "gzip", "compression_opts": 9}
                    packed["shuffle"] = True
                copied = target.create_dataset(name, data=values, **packed)
            copied.attrs.update(node.attrs)

        target.attrs.update(source.attrs)
        source.visititems(copy)
    return rounded.getvalue()
