"""Plots losses and validation scores of runs, by epoch and stage.

Figures 6 and 8 of the paper compare runs that differ in one choice, as here in the
side of the coarse image:

  python -m trainers.train --run_dir=runs/64 --set_model=coarse_size=64
  python -m trainers.train --run_dir=runs/128
  python -m trainers.curves --run_dir=runs/64 --run_dir=runs/128 --output=curves.png
"""

import json
import pathlib
from typing import Any

from absl import app, flags

from trainers.common.charts import new_figure
from trainers.common.flags import refuse_arguments, usage_errors
from trainers.configs.stages import STAGE_NAMES

FLAGS = flags.FLAGS

# Keys of a history's line, the first that the stage has -> label of the axis.
LOSS = {"loss": "training loss"}
JUDGED_BY = {
    "val_overall": "validation F1, overall",
    "val_center_error": "validation, centres off (px)",
}

# stage -> its lines in order of the epochs.
History = dict[str, list[dict[str, Any]]]


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    flags.DEFINE_multi_string("run_dir", None, "Folder of a run; may be repeated.")
    flags.DEFINE_string("output", None, "File to write: .png, .pdf or .svg.")


def read_history(run_dir: str | pathlib.Path) -> History:
    """Reads `history.jsonl` of a run.

    Raises:
        ValueError: if the folder has none, it is empty, or a line of it is damaged.
    """
    path = pathlib.Path(run_dir) / "history.jsonl"
    texts = path.read_text().splitlines() if path.is_file() else []
    if not texts:
        raise ValueError(
            "Argument `run_dir` must be a folder whose history.jsonl holds an epoch. "
            f"Received: run_dir={run_dir}"
        )
    epochs: dict[str, dict[int, dict]] = {}
    for number, text in enumerate(texts, start=1):
        try:
            line = json.loads(text)
            # A run killed between its record and its checkpoint does an epoch again.
            epochs.setdefault(line["stage"], {})[line["epoch"]] = line
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"Line {number} of {path} must be an object with stage and epoch. "
                f"Received: {text}"
            ) from error
    return {
        stage: [lines[epoch] for epoch in sorted(lines)]
        for stage, lines in epochs.items()
    }


def run_names(run_dirs: list[str]) -> list[str]:
    """Returns a name for each run: its folder's, or all of the path to tell them."""
    names = [pathlib.Path(run_dir).name for run_dir in run_dirs]
    return names if len(set(names)) == len(names) else list(run_dirs)


def draw_curves(histories: dict[str, History]) -> Any:
    """Plots runs: a column a stage, losses above what the stage is judged by.

    Args:
        histories: name of a run -> its history.

    Returns:
        a matplotlib figure.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    stages = [s for s in STAGE_NAMES if any(s in h for h in histories.values())]
    figure = new_figure(4.0 * len(stages), 6.0)
    panels = figure.subplots(2, len(stages), squeeze=False)
    for column, stage in enumerate(stages):
        panels[0, column].set_title(stage)
        panels[1, column].set_xlabel("epoch")
        for panel, measures in zip(panels[:, column], (LOSS, JUDGED_BY)):
            lines = [line for h in histories.values() for line in h.get(stage, [])]
            key = next((k for k in measures if any(k in line for line in lines)), None)
            for name, history in histories.items():
                points = [
                    (line["epoch"], line[key])
                    for line in history.get(stage, [])
                    if key in line
                ]
                # A run without the stage, too: colours stay with their runs.
                panel.plot(*(zip(*points) if points else ((), ())), ".-", label=name)
            panel.set_ylabel(measures.get(key, ""))
            panel.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
            panel.grid(alpha=0.3)
    figure.legend(
        *panels[0, 0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=4,
    )
    return figure


def main(argv: list[str]) -> None:
    """Runs the script."""
    refuse_arguments(argv)
    with usage_errors():
        names = run_names(FLAGS.run_dir)
        histories = {
            name: read_history(run_dir) for name, run_dir in zip(names, FLAGS.run_dir)
        }
        figure = draw_curves(histories)
    output = pathlib.Path(FLAGS.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        figure.savefig(output, dpi=120)
    except ValueError as error:
        raise app.UsageError(
            "Argument `output` must end in the name of a format, such as .png. "
            f"Received: output={output}"
        ) from error
    print(f"Curves: {output}")


if __name__ == "__main__":
    define_flags()
    flags.mark_flags_as_required(["run_dir", "output"])
    app.run(main)
