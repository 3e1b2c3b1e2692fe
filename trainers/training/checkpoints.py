"""What a stage leaves on disk, and how it goes on from there."""

import hashlib
import json
import math
import os
import pathlib
import re
import tempfile
from typing import Any

import tensorflow as tf
from absl import logging

from stn_icnn_tf.files import UNFINISHED, make_room, written_beside
from stn_icnn_tf.models.stn_icnn import StnIcnn
from trainers.configs.stages import STAGE_NAMES
from trainers.training.errors import RunError

BEST_WEIGHTS = "best.weights.h5"
CHECKPOINTS = "checkpoints"
KEPT = 2
# The variable `origin` in a checkpoint.
_ORIGIN = "origin/.ATTRIBUTES/VARIABLE_VALUE"


def weights_digest(model: StnIcnn) -> str:
    """Returns a short text that is another one for other weights."""
    digest = hashlib.sha256()
    for values in model.get_weights():
        digest.update(values.tobytes())
    return digest.hexdigest()[:16]


def list_checkpoints(folder: pathlib.Path) -> list[pathlib.Path]:
    """Lists the checkpoints of a stage, the newest first, as TensorFlow names them."""
    names = [path.name for path in (folder / CHECKPOINTS).glob("ckpt-*.*")]
    numbers = {int(m[1]) for n in names if (m := re.match(r"ckpt-(\d+)\.", n))}
    return [
        folder / CHECKPOINTS / f"ckpt-{number}"
        for number in sorted(numbers, reverse=True)
    ]


class StageCheckpoints:
    """The checkpoints of a stage, one an epoch; the last two are kept.

    Each is written beside its place and moved there. It holds the stage's origin as
    well: what its epochs up to here depend on. A stage whose origin is another now
    starts again, and its old folder is kept under another name.

    Args:
        folder: of the stage.
        **objects: what a checkpoint holds, by name.
    """

    def __init__(self, folder: pathlib.Path, **objects: Any) -> None:
        self.folder = folder
        self._origin = tf.Variable("", dtype=tf.string, trainable=False)
        self._checkpoint = tf.train.Checkpoint(origin=self._origin, **objects)

    def save(self, number: int) -> None:
        """Writes checkpoint `number`, and removes those that are too old."""
        target = self.folder / CHECKPOINTS
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target, prefix=UNFINISHED) as folder:
            self._checkpoint.write(str(pathlib.Path(folder) / f"ckpt-{number}"))
            # The index last: without it a checkpoint cannot be read.
            for path in sorted(pathlib.Path(folder).glob("ckpt-*.*")):
                os.replace(path, target / path.name)
        for old in list_checkpoints(self.folder)[KEPT:]:
            for path in sorted(target.glob(f"{old.name}.*"), reverse=True):
                path.unlink()

    def resume(self, origin: dict[str, Any]) -> None:
        """Brings everything to the last checkpoint that can be read, if there is one.

        Args:
            origin: what the stage's epochs depend on, such as the weights that it
                starts from.

        Raises:
            RunError: if there are checkpoints, and none can be read.
        """
        wanted, damaged = json.dumps(origin), {}
        for path in list_checkpoints(self.folder):
            # TensorFlow has an error of another kind for every kind of damage.
            try:
                found = _read_origin(path)
                if found == wanted:
                    self._checkpoint.read(str(path)).assert_consumed()
            except Exception as error:
                damaged[path] = str(error).strip().partition("\n")[0]
                logging.error("%s cannot be read: %s", path, damaged[path])
                continue
            if found != wanted:
                self._put_aside(json.loads(found), origin)
            elif damaged:
                logging.warning("Going on from %s, the one before", path)
            break
        else:
            if damaged:
                raise RunError(
                    f"No checkpoint in {self.folder / CHECKPOINTS} can be read: "
                    + "; ".join(f"{p.name}: {why}" for p, why in damaged.items())
                    + f". To start this stage again, delete {self.folder}."
                )
        self._origin.assign(wanted)

    def _put_aside(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        """Keeps the folder of what was trained under another name."""
        name, number = self.folder.name, 1
        while (aside := self.folder.with_name(f"{name}.replaced-{number}")).exists():
            number += 1
        os.replace(self.folder, aside)
        self.folder.mkdir()
        if old["weights"] != new["weights"]:
            reason = "the weights that it starts from are others now"
        else:
            reason = f"its rate falls over {new['epochs']} epochs now"
        logging.warning(
            "Stage %s starts again: %s. What it had is kept in %s", name, reason, aside
        )


def _read_origin(checkpoint: pathlib.Path) -> str:
    return tf.train.load_checkpoint(str(checkpoint)).get_tensor(_ORIGIN).decode()


def save_best(model: StnIcnn, folder: pathlib.Path) -> None:
    """Writes the weights of a stage's best epoch, complete or not at all.

    Raises:
        OSError: if they cannot be written.
    """
    with written_beside(folder / BEST_WEIGHTS) as fresh:
        make_room(fresh.parent, file_size(model))
        model.save_weights(fresh)


def file_size(model: StnIcnn) -> int:
    """Returns how many bytes a file of a model's weights has at most."""
    # HDF5 spends some 3 KB on an array, however small it is.
    return sum(4 * math.prod(w.shape) + 4096 for w in model.weights)


def load_best(model: StnIcnn, folder: pathlib.Path) -> None:
    """Loads the weights of a stage's best epoch.

    Raises:
        RunError: if they cannot be read.
    """
    path = folder / BEST_WEIGHTS
    # Damaged HDF5 has errors of many kinds.
    try:
        model.load_weights(path)
    except Exception as error:
        raise RunError(
            f"{path} cannot be read: {str(error).strip()}. To train this stage again, "
            f"delete {folder}."
        ) from error


def load_earlier_stages(model: StnIcnn, run_dir: pathlib.Path, stage: str) -> str:
    """Loads the best epoch of the last stage before `stage` that the run has.

    Returns:
        the digest of the weights; empty if there is none.

    Raises:
        RunError: if they cannot be read.
    """
    for earlier in reversed(STAGE_NAMES[: STAGE_NAMES.index(stage)]):
        if (run_dir / earlier / BEST_WEIGHTS).exists():
            load_best(model, run_dir / earlier)
            logging.info("Starting from the best epoch of stage %s", earlier)
            return weights_digest(model)
    return ""


def stage_built_on(model: StnIcnn, run_dir: pathlib.Path, stage: str) -> str | None:
    """Returns the stage after `stage` that began from the weights of a model, if any.

    Args:
        model: as `stage` left it.
        run_dir: the run folder.
        stage: one of `STAGE_NAMES`.
    """
    for later in STAGE_NAMES[STAGE_NAMES.index(stage) + 1 :]:
        for path in list_checkpoints(run_dir / later):
            try:
                origin = json.loads(_read_origin(path))
            except Exception:  # Damaged; it is named when its stage goes on.
                continue
            return later if origin["weights"] == weights_digest(model) else None
    return None
