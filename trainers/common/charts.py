"""Charts by matplotlib, which need not be installed otherwise."""

import json
import pathlib
from typing import Any

from stn_icnn_tf.extras import needs_extra
from stn_icnn_tf.files import write_whole, written_beside


def new_figure(width: float, height: float) -> Any:
    """Returns an empty matplotlib figure; sizes in inches.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    with needs_extra("Plotting needs matplotlib", "plots"):
        # Not pyplot: that looks for a screen, and keeps every figure.
        from matplotlib.figure import Figure
    return Figure(figsize=(width, height), layout="constrained")


def bar_chart(groups: dict[str, dict[str, dict[str, float]]], label: str) -> Any:
    """Draws a panel a group of horizontal bars, with quartiles where they are known.

    Args:
        groups: title of a panel -> name of a bar -> `ms`, and maybe `low` and `high`.
        label: of the axis.

    Returns:
        a matplotlib figure.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    longest = max(len(rows) for rows in groups.values())
    figure = new_figure(5.5 * len(groups), 1.2 + 0.4 * longest)
    panels = figure.subplots(1, len(groups), squeeze=False)[0]
    for panel, (title, rows) in zip(panels, groups.items()):
        values = [row["ms"] for row in rows.values()]
        errors = None
        if all("low" in row for row in rows.values()):
            errors = [
                [row["ms"] - row["low"] for row in rows.values()],
                [row["high"] - row["ms"] for row in rows.values()],
            ]
        bars = panel.barh(list(rows), values, xerr=errors, color="#0072b2", capsize=3)
        panel.bar_label(bars, fmt="%.0f", padding=4)
        panel.invert_yaxis()
        panel.set_title(title)
        panel.set_xlabel(label)
        panel.margins(x=0.15)
    return figure


def save_figure(figure: Any, path: pathlib.Path) -> None:
    """Writes a matplotlib figure, complete or not at all.

    Raises:
        ValueError: if `path` does not end in a format that matplotlib writes.
    """
    with written_beside(path) as fresh:
        figure.savefig(fresh, dpi=120)


def write_record(record: dict, path: pathlib.Path, what: str = "Record") -> None:
    """Writes a record as JSON, complete or not at all, and says where."""
    write_whole(json.dumps(record, indent=1).encode(), path)
    print(f"{what}: {path}")


def save_record(
    record: dict, path: pathlib.Path, groups: dict[str, dict], label: str
) -> None:
    """Writes a record as JSON, and beside it a bar chart if matplotlib is there.

    Args:
        record: what was measured.
        path: of the JSON; the picture has its name and `.png`.
        groups: see `bar_chart`.
        label: see `bar_chart`.
    """
    print()
    write_record(record, path)
    picture = path.with_suffix(".png")
    try:
        save_figure(bar_chart(groups, label), picture)
    except ImportError as error:
        print(f"No picture: {error}")
    else:
        print(f"Picture: {picture}")
