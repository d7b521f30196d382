"""Rows of a speed file as a table."""

from collections.abc import Sequence
from typing import Any

from ..output import escaped

WIDE = 12  # columns that a terminal and a page have room for


def cells(rows: Sequence[dict[str, Any]]) -> tuple[bool, list[list[str]]]:
    """Whether there are so many columns that the table is turned round, so
    that each line begins with a name; its lines, the first one of names.
    """
    head, *lines = [*rows[0]], *([*map(_shown, r.values())] for r in rows)
    turned = len(head) > WIDE
    table = [head, *lines]
    if turned:
        table = [[*line] for line in zip(*table, strict=True)]
    return turned, table


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The table as Markdown has it; turned round, its first line is a row."""
    _, (head, *lines) = cells(rows)
    ruler = ['---', *('---:' for _ in head[1:])]
    table = [[escaped(cell) for cell in line] for line in (head, *lines)]
    table.insert(1, ruler)
    return '\n'.join(f'| {" | ".join(line)} |' for line in table)


def _shown(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f'{value:.2f}' if abs(value) >= 0.1 else f'{value:.2g}'
