"""Tables of the terminal and of pages."""

from collections.abc import Callable, Iterable

import pandas as pd
from rich.table import Table

Columns = dict[str, Callable[[object], str]]


def cells(lines: pd.DataFrame, columns: Columns) -> list[list[str]]:
    """The columns of a frame as texts; nothing where a value is missing."""
    return [
        [
            '' if pd.isna(line.get(name)) else show(line[name])
            for name, show in columns.items()
        ]
        for _, line in lines.iterrows()
    ]


def terminal(lines: pd.DataFrame, columns: Columns, caption: str) -> Table:
    """A table for the terminal."""
    out = Table(*columns, caption=caption)
    for line in cells(lines, columns):
        out.add_row(*line)
    return out


def page(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """The lines of a table in Markdown."""
    head = list(head)
    return [
        f'| {" | ".join(row)} |' for row in (head, ['---'] * len(head), *rows)
    ]
