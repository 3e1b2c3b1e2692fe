"""A run's `history.jsonl`: a line an epoch, through kills and new starts."""

import json
import pathlib
from typing import Any

from trainers.configs.stages import STAGE_NAMES

HISTORY_FILE = "history.jsonl"

# stage -> its lines in order of the epochs.
History = dict[str, list[dict[str, Any]]]


def append_epoch(run_dir: str | pathlib.Path, line: dict[str, Any]) -> None:
    """Appends a line; cuts off first what a killed run wrote of one.

    Args:
        run_dir: the run folder.
        line: has `stage` and `epoch`, and what was measured.
    """
    with open(pathlib.Path(run_dir) / HISTORY_FILE, "ab+") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(json.dumps(line).encode() + b"\n")


def _read_line(text: str) -> dict[str, Any]:
    """Reads a line.

    Raises:
        ValueError: if it is damaged.
    """
    line = json.loads(text)
    if not (isinstance(line, dict) and {"stage", "epoch"} <= line.keys()):
        raise ValueError(text)
    numbers = [value for key, value in line.items() if key != "stage"]
    if line["stage"] not in STAGE_NAMES or not all(
        isinstance(number, int | float) for number in numbers
    ):
        raise ValueError(text)
    return {**line, "epoch": int(line["epoch"])}


def read_history(run_dir: str | pathlib.Path) -> History:
    """Reads the history of a run.

    A last line that is torn is left out. Where a stage did an epoch again, the new
    line counts, and no old line of a later epoch.

    Raises:
        ValueError: if the folder has none, it holds no epoch, or another line of it
            is damaged.
    """
    path = pathlib.Path(run_dir) / HISTORY_FILE
    text = path.read_text(errors="replace") if path.is_file() else ""
    texts = text.splitlines()
    history: dict[str, dict[int, dict]] = {}
    for number, text in enumerate(texts, start=1):
        try:
            line = _read_line(text)
        except ValueError as error:
            if number == len(texts):
                break
            raise ValueError(
                f"Line {number} of {path} must be an object of a stage, an epoch and "
                f"numbers. Received: {text[:200]}"
            ) from error
        stage, epoch = line["stage"], line["epoch"]
        earlier = {n: old for n, old in history.get(stage, {}).items() if n < epoch}
        history[stage] = {**earlier, epoch: line}
    if not history:
        raise ValueError(
            f"Argument `run_dir` must be a folder whose {HISTORY_FILE} holds an epoch. "
            f"Received: run_dir={run_dir}"
        )
    return {stage: list(lines.values()) for stage, lines in history.items()}
