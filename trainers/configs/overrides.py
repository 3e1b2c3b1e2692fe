"""Overrides from the command line: texts that become fields of a stage or a model."""

import inspect
import json
import pathlib
from collections.abc import Callable
from typing import Any

from absl import flags

from stn_icnn_tf.class_sets import CLASS_SETS, ClassSet, as_class_set
from stn_icnn_tf.data.augment import AUGMENTATIONS, Augmentation
from stn_icnn_tf.models.stn_icnn import StnIcnn
from trainers.configs.stages import Jitter


def _whole_numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


# type of a field -> how its text is read, and what it must be.
_READERS: dict[Any, tuple[Callable[[str], Any], str]] = {
    int: (int, "a whole number"),
    float: (float, "a number"),
    bool: ({"true": True, "false": False}.__getitem__, "true or false"),
    str: (str, "a word"),
    tuple[int, ...]: (_whole_numbers, "whole numbers with commas between them"),
    float | tuple[Jitter, ...]: (float, "a number"),
    Augmentation: (AUGMENTATIONS.__getitem__, f"one of {tuple(AUGMENTATIONS)}"),
}


def can_override(kind: Any) -> bool:
    """Whether a field of this type can be given as a text."""
    return kind in _READERS


def read_value(override: str, field: str, kind: Any, text: str) -> Any:
    """Reads the value of an override.

    Args:
        override: all of it, for the error.
        field: name of the field.
        kind: type of the field, see `can_override`.
        text: what follows the equals sign.

    Raises:
        ValueError: if the text is no value of this type.
    """
    read, wanted = _READERS[kind]
    try:
        return read(text)
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"An override of {field} must be {wanted}. Received: {override}"
        ) from error


def define_class_set_flag(default: str | None, help: str) -> None:
    """Defines the flag that names a class set, as `read_class_set` takes it."""
    flags.DEFINE_string(
        "class_set",
        default,
        f"{help}: one of {tuple(CLASS_SETS)}, or a JSON file of what "
        "ClassSet.get_config returns.",
    )


def read_class_set(text: str) -> ClassSet:
    """Reads a class set: a name in `CLASS_SETS`, or a JSON file of its config.

    Raises:
        ValueError: if it is neither.
    """
    path = pathlib.Path(text).expanduser()
    if text in CLASS_SETS or path.suffix != ".json":
        return as_class_set(text)
    try:
        return ClassSet.from_config(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ValueError(
            "Argument `class_set` must name a JSON file that describes one. "
            f"Received: class_set={text}: {error}"
        ) from error


def model_arguments(overrides: tuple[str, ...]) -> dict[str, Any]:
    """Reads arguments of `StnIcnn`.

    Args:
        overrides: `FIELD=VALUE` each, e.g. `coarse_size=64` or
            `coarse_filters=8,16,24,32`.

    Raises:
        ValueError: if a field or a value is none of the model's.

    Reference:
        STN-iCNN section 3.3 varies `coarse_size` and `patch_size`.
    """
    parameters = inspect.signature(StnIcnn.__init__).parameters
    fields = {
        name: parameter.annotation
        for name, parameter in parameters.items()
        if can_override(parameter.annotation)
    }
    arguments = {}
    for override in overrides:
        field, _, text = override.partition("=")
        if field not in fields or not text:
            raise ValueError(
                "An override of the model must read FIELD=VALUE, with FIELD one of "
                f"{tuple(fields)}. Received: {override}"
            )
        arguments[field] = read_value(override, field, fields[field], text)
    return arguments
