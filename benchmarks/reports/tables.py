"""Tables of the terminal and of pages."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.table import Table

from ..output import escaped, replacing, shown

Columns = dict[str, Callable[[object], str]]


@dataclass(frozen=True)
class Section:
    """A table of a report, with what is to be said of it.

    Args:
        title: Its title.
        text: Paragraphs above the table.
        head: The heads of its columns.
        rows: Its cells as texts.
        numbers: The columns to align to the right.
    """

    title: str
    text: Sequence[str]
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Collection[int] = ()

    def markdown(self) -> list[str]:
        """The lines of a page."""
        lines = ['', f'## {self.title}', '']
        for paragraph in self.text:
            lines += [escaped(paragraph), '']
        return [*lines, *page(self.head, self.rows, self.numbers)]


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
        out.add_row(*map(shown, line))
    return out


def page(
    head: Iterable[str],
    rows: Iterable[Iterable[object]],
    numbers: Collection[int] = (),
) -> list[str]:
    """The lines of a table in Markdown, whose cells are text whatever they
    hold; columns of these numbers are aligned to the right.
    """
    head = list(head)
    rule = ['---:' if i in numbers else '---' for i in range(len(head))]
    body = ([escaped(cell) for cell in row] for row in rows)
    return [f'| {" | ".join(row)} |' for row in (head, rule, *body)]


def latex(wide: pd.DataFrame, about: str) -> str:
    """A table of texts for LaTeX with booktabs, whatever the texts hold.

    Args:
        wide: The cells; its index and columns are heads.
        about: What it is of, for a comment.
    """
    shape = wide.style.format(escape='latex')
    for axis in (0, 1):
        shape = shape.format_index(escape='latex', axis=axis)
    columns = 'l' + 'r' * wide.shape[1]
    text = shape.to_latex(hrules=True, column_format=columns)
    return f'% {shown(about)}\n' + text.replace('±', r'$\pm$')


def write_csv(lines: pd.DataFrame, path: Path, number: str) -> None:
    """Replaces a table, numbers in this format."""
    with replacing(path) as part:
        lines.to_csv(
            part,
            index=False,
            float_format=number,
            encoding='utf-8',
            errors='backslashreplace',
        )
