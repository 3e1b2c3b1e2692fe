"""Plots losses and validation scores of runs, by epoch and stage.

Figures 6 and 8 of the paper compare runs that differ in one choice, as here in the
side of the coarse image:

  python -m trainers.train --run_dir=runs/64 --set_model=coarse_size=64
  python -m trainers.train --run_dir=runs/128
  python -m trainers.curves --run_dir=runs/64 --run_dir=runs/128 --output=curves.png
"""

import pathlib
from typing import Any

from absl import app, flags

from trainers.common.charts import new_figure, save_figure
from trainers.common.flags import refuse_arguments, usage_errors
from trainers.common.paths import define_path, define_paths, output_file
from trainers.configs.stages import STAGE_NAMES
from trainers.training.history import History, read_history

FLAGS = flags.FLAGS

# Keys of a history's line, the first that the stage has -> label of the axis.
LOSS = {"loss": "training loss"}
JUDGED_BY = {
    "val_overall": "validation F1, overall",
    "val_center_error": "validation, centres off (px)",
}


def define_flags() -> None:
    """Defines the flags: only when run, so that scripts can be imported together."""
    define_paths("run_dir", None, "Folder of a run; may be repeated.")
    define_path("output", None, "File to write: .png, .pdf or .svg.")


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
            panel.set_ylabel(measures[key] if key else "")
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
        output = output_file(FLAGS.output)
    try:
        save_figure(figure, output)
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
