"""What a `.keras` file says it holds, read before Keras makes anything of it.

A model file may come from a stranger. Keras's safe mode refuses code in it; what is
here refuses before that whatever no model of ours has, so that no layer, function or
module that the file names is looked up at all.
"""

import json
import pathlib
import zipfile
from typing import Any

import keras

_CONFIG = "config.json"
# Ours has some 2 kB. What a zip promises is checked before it is unpacked.
_LARGEST_CONFIG = 2**20


def read_saved_config(path: pathlib.Path) -> dict[str, Any]:
    """Reads how a model was saved: what Keras would make, and of which arguments.

    Args:
        path: of the `.keras` file.

    Returns:
        a dict with `class_name`, `config` (the arguments) and more.

    Raises:
        ValueError: if the file is no whole zip, has a member whose name leads out of
            the folder that it is unpacked in, or says nothing of the kind.
    """
    if not zipfile.is_zipfile(path):  # Keras would say that it is not there.
        raise ValueError("it is torn, or no .keras file at all")
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if _leads_out(name):
                raise ValueError(f"its member {name!r} leads out of it")
        try:
            size = archive.getinfo(_CONFIG).file_size
        except KeyError as error:
            raise ValueError(f"it has no {_CONFIG}") from error
        if size > _LARGEST_CONFIG:
            raise ValueError(f"its {_CONFIG} has {size} bytes")
        saved = json.loads(archive.read(_CONFIG))
    if (
        not isinstance(saved, dict)
        or not isinstance(saved.get("class_name"), str)
        or not isinstance(saved.get("config"), dict)
    ):
        raise ValueError(f"its {_CONFIG} describes no model")
    return saved


def is_saved(saved: dict[str, Any], kind: type) -> bool:
    """Says whether what `read_saved_config` read is of a class, or of one below it.

    Args:
        saved: what it read.
        kind: a class that is registered with Keras.
    """
    name = saved["class_name"]
    found = keras.saving.get_registered_object(saved.get("registered_name", name))
    # Keras has class names with a meaning of their own, `__lambda__` among them.
    return (
        isinstance(found, type) and issubclass(found, kind) and found.__name__ == name
    )


def refuse_objects(arguments: Any) -> None:
    """Refuses arguments that are not plain values all the way down.

    Raises:
        ValueError: if there is an object that Keras would make: a layer, a function.
    """
    if isinstance(arguments, dict):
        if "class_name" in arguments:
            raise ValueError(f"an argument is an object, {arguments['class_name']!r}")
        arguments = list(arguments.values())
    if isinstance(arguments, list):
        for value in arguments:
            refuse_objects(value)


def _leads_out(name: str) -> bool:
    """Whether a member's name is absolute or climbs, on any operating system."""
    path = pathlib.PureWindowsPath(name)  # It knows both kinds of slash.
    return bool(path.anchor) or ".." in path.parts
