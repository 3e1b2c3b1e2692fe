"""What is told of an epoch: a line of the history, a line on screen, TensorBoard."""

import pathlib
from typing import Any

import tensorflow as tf
from tqdm import tqdm

from trainers.training.history import append_epoch

SHOWN_SCORES = (
    "overall",
    "overall_strict",
    "mean_f1",
    "parts_mean_f1",
    "center_error",
)


class StageRecords:
    """Writes `history.jsonl` of the run, and the TensorBoard logs of a stage.

    Args:
        folder: of the stage, in the run folder.
        show: whether to print the numbers.
    """

    def __init__(self, folder: pathlib.Path, show: bool = True) -> None:
        self.folder = folder
        self.show = show
        self._writer: Any = None

    def write(
        self,
        epoch: int,
        means: dict[str, float],
        result: dict[str, float],
        rates: dict[str, float],
        pictures: tf.Tensor,
    ) -> None:
        """Writes what is known of an epoch.

        Args:
            epoch: counted from 1.
            means: of the losses.
            result: the validation scores.
            rates: of learning, by network.
            pictures: uint8 `(count, height, width, 3)`, overlays.
        """
        line = {"stage": self.folder.name, "epoch": epoch, **means}
        line.update({f"val_{k}": result[k] for k in SHOWN_SCORES if k in result})
        append_epoch(self.folder.parent, line)
        if self.show:
            numbers = {k: v for k, v in line.items() if isinstance(v, float)}
            tqdm.write("  ".join(f"{k} {v:.4g}" for k, v in numbers.items()))
        if self._writer is None:
            # Not before: a stage that starts again puts its old folder aside.
            self._writer = tf.summary.create_file_writer(str(self.folder / "logs"))
        with self._writer.as_default(step=epoch):
            for name, value in {**means, **result}.items():
                tf.summary.scalar(name, value)
            for name, value in rates.items():
                tf.summary.scalar(f"rate_{name}", value)
            tf.summary.image("overlays", pictures, max_outputs=len(pictures))
        self._writer.flush()
