"""Tables of scores: of one evaluation, and tables 2 to 4 with reference scores."""

import json
import pathlib
from collections.abc import Callable

from stn_icnn_tf.class_sets import EIGHT_PARTS, ClassSet
from trainers.evaluation.reference_scores import COLUMNS, TABLES, Row, Table

FORMATS = ("markdown", "latex")

SUMMARY = ("overall", "overall_strict", "mean_f1", "parts_mean_f1")

_LATEX_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def format_table(
    results: dict[str, dict[str, float]], class_set: ClassSet = EIGHT_PARTS
) -> str:
    """Formats scores as the columns of the class set, then class by class.

    Args:
        results: dicts of `metrics.scores` by name; `stn_icnn` is one of them. What
            has no score in it is left out.
        class_set: of the scores; the columns of the eight parts are the paper's.
    """
    columns = [
        c for c in (*dict(class_set.columns), *SUMMARY) if c in results["stn_icnn"]
    ]
    width = max(len(name) for name in results)
    lines = [" ".join([" " * width, *(f"{c:>{max(len(c), 6)}}" for c in columns)])]
    for name, values in results.items():
        texts = (f"{values[c]:>{max(len(c), 6)}.3f}" for c in columns)
        lines.append(" ".join([f"{name:<{width}}", *texts]))
    others = [name for name in results if name != "stn_icnn"]
    heads = ("precision", "recall", "F1", *(f"F1 of {name}" for name in others))
    lines += ["", " ".join([f"{'class':<12}", *(f"{head:>9}" for head in heads)])]
    values = results["stn_icnn"]
    for name in class_set.names:
        if f"{name}_f1" not in values:
            continue
        cells = [values[f"{name}_{kind}"] for kind in ("precision", "recall", "f1")]
        cells += [results[other][f"{name}_f1"] for other in others]
        texts = (
            f"{cell:>{max(len(head), 9)}.3f}"
            for head, cell in zip(heads, cells, strict=True)
        )
        lines.append(" ".join([f"{name:<12}", *texts]))
    return "\n".join(lines)


def read_evaluation(path: str) -> tuple[str, Row]:
    """Reads a file of `trainers.evaluate`.

    Returns:
        the name of the data set, without its config; and the row of the tables.

    Raises:
        ValueError: if the file cannot be read, or is none of `trainers.evaluate`'s.
    """

    def wrong(reason: str) -> ValueError:
        return ValueError(
            "Argument `table` must name JSON files that trainers.evaluate wrote. "
            f"Received: table={path}, {reason}"
        )

    try:
        record = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise wrong(f"which cannot be read: {error.strerror}") from error
    except ValueError as error:  # Not JSON, or not even text.
        raise wrong(f"which is not JSON: {error}") from error
    try:
        model, dataset, split = (record[key] for key in ("model", "dataset", "split"))
        scores = record["scores"]["stn_icnn"]
        cells = [float(scores[column]) for column in COLUMNS]
    except (KeyError, TypeError, ValueError) as error:
        raise wrong(f"which lacks, or has no number for: {error}") from error
    for column, cell in zip(COLUMNS, cells, strict=True):
        if not 0 <= cell <= 1:  # Also where it is NaN.
            raise wrong(f"whose {column} is not within 0..1: {cell}")
    path_of_model = pathlib.Path(str(model))
    if path_of_model.name == "model.keras":
        path_of_model = path_of_model.parent
    details = [record.get("cropper", "learned")]
    if split != "test":
        details.append(split)
    name = f"ours: {path_of_model.name}, {', '.join(details)}"
    return str(dataset).partition("/")[0], Row(
        name, " ".join(f"{cell:.3f}" for cell in cells)
    )


def score_tables(paths: list[str], style: str = "markdown") -> str:
    """Sets evaluations beside the reference scores of the same data set.

    Args:
        paths: JSON files that `trainers.evaluate` wrote.
        style: `"markdown"` or `"latex"`.

    Returns:
        HELEN's are tables 2 and 4, CelebAMask-HQ's is table 3; those of any other
        data set have a table to themselves.

    Raises:
        ValueError: if a file is not one of `trainers.evaluate`'s, or the style is
            unknown.

    Reference:
        STN-iCNN tables 2 to 4.
    """
    if style not in FORMATS:
        raise ValueError(
            f"Argument `format` must be one of {FORMATS}. Received: format={style}"
        )
    ours: dict[str, list[Row]] = {}
    for path in paths:
        dataset, row = read_evaluation(path)
        ours.setdefault(dataset, []).append(row)
    tables = [table for table in TABLES if table.dataset in ours]
    known = {table.dataset for table in tables}
    tables += [Table(0, name, name, ()) for name in ours if name not in known]
    write = _markdown if style == "markdown" else _latex
    return "\n\n".join(write(table, ours[table.dataset]) for table in tables)


def escape_latex(text: str) -> str:
    """Escapes the characters that LaTeX reads as commands."""
    return "".join(_LATEX_ESCAPES.get(character, character) for character in text)


def _escape_markdown(text: str) -> str:
    """Escapes what would end a cell or start emphasis; words may have underscores."""
    return "".join(f"\\{c}" if c in "\\|*`" else c for c in text)


def _lines(
    table: Table, ours: list[Row], escape: Callable[[str], str]
) -> tuple[list[list[str]], list[str]]:
    """Lists the lines of a table, header first, and the notes below it."""
    rows = (*table.rows, *ours)
    lines = [["method", *COLUMNS], *([row.method, *row.cells.split()] for row in rows)]
    notes = [f"{row.method}: {row.note}." for row in rows if row.note]
    notes += [table.note] if table.note else []
    return [[escape(cell) for cell in line] for line in lines], [*map(escape, notes)]


def _markdown(table: Table, ours: list[Row]) -> str:
    lines, notes = _lines(table, ours, _escape_markdown)
    widths = [max(len(cell) for cell in column) for column in zip(*lines)]

    def join(cells: list[str]) -> str:
        padded = [cells[0].ljust(widths[0])]
        padded += [c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True)]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    title = f"Table {table.number}. {table.title}" if table.number else table.title
    text = [f"### {title}", "", join(lines[0]), join(rule), *map(join, lines[1:])]
    if notes:
        text += ["", *(f"- {note}" for note in notes)]
    return "\n".join(text)


def _latex(table: Table, ours: list[Row]) -> str:
    lines, notes = _lines(table, ours, escape_latex)
    head, *body = (" & ".join(line) + r" \\" for line in lines)
    reference, own = body[: len(table.rows)], body[len(table.rows) :]
    title = f"Paper's table {table.number}: {table.title}" if table.number else ""
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{escape_latex(title or table.title)}}}",
            rf"\begin{{tabular}}{{l{'r' * len(COLUMNS)}}}",
            r"\hline",
            head,
            r"\hline",
            *reference,
            *([r"\hline"] if reference else []),
            *own,
            r"\hline",
            r"\end{tabular}",
            *(rf"\par\footnotesize {note}" for note in notes),
            r"\end{table}",
        ]
    )
