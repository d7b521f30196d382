"""Rows of a speed file as a table."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..output import escaped

WIDE = 12  # columns that a terminal and a page have room for
UNITS = (' s', ' ms', ' MB')  # ends of the names of what is measured


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


def growth(rows: Sequence[dict[str, Any]], size: str) -> list[str]:
    """How what is measured grows with a size: the exponents of least squares
    in logarithms, a line for each group of three rows or more that share
    their words.
    """
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        words = (v for k, v in row.items() if '/' not in k)
        key = tuple(word for word in words if isinstance(word, str))
        groups.setdefault(key, []).append(row)
    lines = []
    for key, group in groups.items():
        measured = [name for name in group[0] if name.endswith(UNITS)]
        if len(group) < 3 or not measured:
            continue
        sizes = np.log([row[size] for row in group])
        found = [
            np.polyfit(sizes, np.log([row[name] for row in group]), 1)[0]
            for name in measured
        ]
        said = ', '.join(
            f'`{name}` {exponent:.2f}'
            for name, exponent in zip(measured, found, strict=True)
        )
        lines.append(f'{" ".join(["Exponent of", size, *key])}: {said}')
    return lines


def _shown(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f'{value:.2f}' if abs(value) >= 0.1 else f'{value:.2g}'
