"""What differs between what two trainings left."""

import pathlib

import h5py
import numpy as np
import tensorflow as tf

from stn_icnn_tf.files import UNFINISHED
from stn_icnn_tf.pretrained import load_model
from trainers.configs.stages import STAGE_NAMES
from trainers.training.checkpoints import BEST_WEIGHTS, list_checkpoints
from trainers.training.history import read_history

Arrays = dict[str, np.ndarray]


def _read_checkpoint(path: pathlib.Path) -> Arrays:
    reader = tf.train.load_checkpoint(str(path))
    return {
        name: np.asarray(reader.get_tensor(name))
        for name in reader.get_variable_to_shape_map()
        # It lists the objects, and in no fixed order.
        if name != "_CHECKPOINTABLE_OBJECT_GRAPH"
    }


def _read_weights(path: pathlib.Path) -> Arrays:
    found = {}

    def read(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with h5py.File(path) as file:
        file.visititems(read)
    return found


def _compare(name: str, one: Arrays, other: Arrays) -> list[str]:
    if one.keys() != other.keys():
        return [f"{name} holds other arrays"]
    unequal = [k for k, v in one.items() if v.tobytes() != other[k].tobytes()]
    return [f"{name}: {len(unequal)} of {len(one)} arrays differ"] if unequal else []


def _files(run_dir: pathlib.Path) -> set[str]:
    """Lists the files, but for TensorBoard's, of which each process has its own."""
    return {
        path.relative_to(run_dir).as_posix()
        for path in run_dir.rglob("*")
        if path.is_file() and path.parent.name != "logs"
    }


def differences(one: pathlib.Path, other: pathlib.Path) -> list[str]:
    """Compares two run folders: files, history, checkpoints, weights and models.

    Returns:
        a line for each difference; none: they are equal, bit for bit.
    """
    found = []
    for path in other.rglob(f"{UNFINISHED}*"):
        found.append(f"{path.relative_to(other)} was left")
    if _files(one) != _files(other):
        return [*found, f"other files: {sorted(_files(one) ^ _files(other))}"]
    if read_history(one) != read_history(other):
        found.append("another history")
    for stage in STAGE_NAMES:
        name = f"{stage}/{BEST_WEIGHTS}"
        if (one / name).exists():
            weights = (_read_weights(folder / name) for folder in (one, other))
            found += _compare(name, *weights)
        for path in list_checkpoints(one / stage):
            name = str(path.relative_to(one))
            arrays = (_read_checkpoint(folder / name) for folder in (one, other))
            found += _compare(name, *arrays)
    models = [load_model(folder) for folder in (one, other)]
    configs = [{**m.get_config(), "name": ""} for m in models]
    if configs[0] != configs[1]:
        found.append("another model")
    # By number: Keras numbers the names of models.
    arrays = (
        {str(number): weights for number, weights in enumerate(model.get_weights())}
        for model in models
    )
    return found + _compare("model.keras", *arrays)
