"""What a run is: `config.json` in its folder, and what may differ from it later.

A folder holds what one uninterrupted run with the settings in its `config.json` gives.
So a run with other settings is refused. Two things may differ: a stage that has not
begun, and the epochs of one that has, which may grow. `environments` lists the packages
and devices that the run was trained with so far; others are told, and are no obstacle.
"""

import dataclasses
import importlib.metadata
import inspect
import json
import pathlib
import platform
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from absl import logging

from stn_icnn_tf.files import write_whole
from stn_icnn_tf.models.stn_icnn import StnIcnn
from trainers.configs.stages import STAGE_NAMES, Stage
from trainers.training.checkpoints import list_checkpoints, weights_digest
from trainers.training.errors import RunError

if TYPE_CHECKING:  # Own folders need no TensorFlow Datasets.
    import tensorflow_datasets as tfds

    from trainers.common.labelled_folder import LabelledFolder

CONFIG_FILE = "config.json"
PACKAGES = ("stn-icnn-tf", "tensorflow", "keras", "tensorflow-datasets", "numpy")
# Where the same weights lie does not matter.
_TOLD_ONLY = ("init_from.model",)


def run_settings(
    model: StnIcnn,
    schedule: tuple[Stage, ...],
    builder: "tfds.core.DatasetBuilder | LabelledFolder",
    splits: tuple[str, str],
    seed: int,
    init_from: tuple[str, StnIcnn] | None = None,
    mix: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Returns everything that decides what a run gives, as JSON holds it.

    Args:
        model: the model to train.
        schedule: every stage, those that this call does not train, too.
        builder: of the data set.
        splits: to train on, and to choose epochs by.
        seed: of the run.
        init_from: name of the model that the run starts from, and that model.
        mix: full name and share of the data sets that are mixed in.
    """
    arguments = model.get_config()
    settings = {
        "stages": {stage.name: dataclasses.asdict(stage) for stage in schedule},
        "model": {k: v for k, v in arguments.items() if k not in ("name", "dtype")},
        "precision": arguments["dtype"],
        "init_from": init_from
        and {"model": init_from[0], "weights": weights_digest(init_from[1])},
        "dataset": builder.info.full_name,
        "mix": dict(mix or {}),
        "train_split": splits[0],
        "validation_split": splits[1],
        "seed": seed,
    }
    return json.loads(json.dumps(settings))


def package_versions() -> dict[str, str]:
    """Returns the versions of Python and of what training depends on."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed as a package"
    return versions


def run_environment(
    devices: Iterable[str],
    jit_compile: bool,
    deterministic: bool = False,
    workers: int = 1,
) -> dict[str, Any]:
    """Returns what a run is trained with: it may change the last digits, no more."""
    used: dict[str, Any] = {
        "devices": list(devices),
        "jit_compile": jit_compile,
        "deterministic": deterministic,
    }
    if workers > 1:
        used["workers"] = workers
    return package_versions() | used


def format_config(settings: dict[str, Any], environments: list[dict[str, Any]]) -> str:
    """Formats `config.json`."""
    return json.dumps({**settings, "environments": environments}, indent=1) + "\n"


def settle_config(
    run_dir: pathlib.Path, settings: dict[str, Any], environment: dict[str, Any]
) -> None:
    """Holds the settings against those of the folder, and writes them there.

    Args:
        run_dir: the run folder, locked.
        settings: see `run_settings`.
        environment: see `run_environment`.

    Raises:
        RunError: if the folder's run has other settings, or they are not known.
    """
    begun = {name for name in STAGE_NAMES if list_checkpoints(run_dir / name)}
    environments = []
    old = _read_config(run_dir, begun)
    if old is not None:
        environments = old.pop("environments", [])
        _refuse_differences(run_dir, _with_newer_fields(old), settings, begun)
        if environments and environment != environments[-1]:
            changes = _differences(environments[-1], environment)
            logging.warning("The run goes on with\n%s", _format(changes))
    if environment not in environments:
        environments.append(environment)
    content = format_config(settings, environments)
    write_whole(content.encode(), run_dir / CONFIG_FILE)


def _read_config(run_dir: pathlib.Path, begun: set[str]) -> dict[str, Any] | None:
    path = run_dir / CONFIG_FILE
    unknown = (
        "so the settings of its run are not known. Choose another --run_dir; "
        "--init_from starts from a model.keras."
    )
    try:
        config = json.loads(path.read_bytes())
        if not isinstance(config, dict):
            raise ValueError(f"a {type(config).__name__} instead of an object")
    except FileNotFoundError:
        if begun:
            raise RunError(
                f"{run_dir} holds checkpoints and no {CONFIG_FILE}, {unknown}"
            ) from None
        return None
    except ValueError as error:
        raise RunError(f"{path} cannot be read ({error}), {unknown}") from error
    return config


def _with_newer_fields(old: dict[str, Any]) -> dict[str, Any]:
    """Adds the fields that settings have got since a run began, at their defaults.

    What the run did without them is what it does with these.
    """
    stage = dataclasses.asdict(Stage("coarse", 0, coarse_rate=1.0))
    model = {
        name: parameter.default
        for name, parameter in inspect.signature(StnIcnn.__init__).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    defaults = {"stages": dict.fromkeys(old.get("stages", {}), stage), "model": model}
    return {
        name: _completed(had, defaults[name]) if name in defaults else had
        for name, had in old.items()
    }


def _completed(old: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    completed = dict(old)
    for name, default in defaults.items():
        if name not in old:
            completed[name] = json.loads(json.dumps(default))
        elif isinstance(default, dict) and isinstance(old[name], dict):
            completed[name] = _completed(old[name], default)
    return completed


def _flatten(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for name, value in settings.items():
        nested = isinstance(value, dict)
        flat.update(
            _flatten(value, f"{prefix}{name}.") if nested else {prefix + name: value}
        )
    return flat


def _differences(
    old: dict[str, Any], new: dict[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """Lists the fields that differ, with both values; None where there is none."""
    one, other = _flatten(old), _flatten(new)
    return {
        field: (one.get(field), other.get(field))
        for field in {**one, **other}
        if one.get(field) != other.get(field)
    }


def _format(differences: dict[str, tuple[Any, Any]]) -> str:
    return "\n".join(
        f"  {field}: {json.dumps(old)} before, {json.dumps(new)} now"
        for field, (old, new) in differences.items()
    )


def _refuse_differences(
    run_dir: pathlib.Path, old: dict, new: dict, begun: set[str]
) -> None:
    allowed, refused = {}, {}
    for field, (before, now) in _differences(old, new).items():
        section, _, rest = field.partition(".")
        stage, _, name = rest.partition(".")
        grows = name == "epochs" and None not in (before, now) and now > before
        if section == "stages" and (stage not in begun or grows):
            allowed[field] = (before, now)
        elif field not in _TOLD_ONLY:
            refused[field] = (before, now)
    if refused:
        raise RunError(
            f"The run in {run_dir} has other settings:\n{_format(refused)}\n"
            "Choose another --run_dir, or give that run's settings. Of a stage that "
            "has begun, only `epochs` may change, and only grow."
        )
    if allowed:
        logging.warning("The run goes on with\n%s", _format(allowed))
