"""Tables in Markdown, as benchmarks and scores print them."""

from collections.abc import Iterable, Sequence


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Formats a table, its cells as they are.

    Args:
        heads: of the columns.
        rows: the cells of each, as many as there are columns.
    """
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(heads), *lines[1:]])
