"""The report in Markdown."""

from collections.abc import Iterable

import pandas as pd

from ..output import escaped, shown
from ..runs.store import Row
from . import facts, published, tables
from .summary import grid, protocol_of, what_cells_hold


def markdown(
    summary: pd.DataFrame,
    rows: list[Row],
    seen: pd.DataFrame | None = None,
    left_out: Iterable[str] = (),
    more: Iterable[str] = (),
) -> str:
    """The report as a page, with more sections behind."""
    first = summary.iloc[0]
    protocol = protocol_of(rows[0])
    source = facts.source(first['preset'])
    wide = grid(summary)
    head = [f'{name}' for name in ('depth', *wide.columns)]
    lines = [
        f'# Test score against depth: {escaped(first["dataset"])}',
        '',
        f'Data: {escaped(facts.about(first["dataset"]))}.',
        f'Protocol `{shown(protocol.name)}`: {protocol.about}. Preset '
        f'`{shown(first["preset"])}`: {escaped(source)}',
        '',
        f'By depth, {what_cells_hold(summary)}, at the epoch that the preset '
        f'selects on the validation part:',
        '',
        *tables.page(
            head,
            ([method, *texts] for method, texts in wide.iterrows()),
            numbers=range(1, len(head)),
        ),
        '',
        '![test score against depth](curve.png)',
        '',
        *_below_text(summary, seen),
        *_beside_text(summary),
        '## What depth counts',
        '',
        *(
            f'- `{shown(method)}`: {escaped(facts.unit(method, rows))}'
            for method in wide.index
        ),
        '',
        '## What was run',
        '',
        *(f'- {escaped(fact)}' for fact in facts.what_was_run(rows, left_out)),
    ]
    failures = [row for row in rows if row['status'] != 'ok']
    if failures:
        lines += ['', '## Failed runs', '']
        lines += [
            f'- {escaped(row["method"])}, depth {row["depth"]}, seed '
            f'{row["seed"]}: {escaped(row.get("error", "unknown"))}'
            for row in failures
        ]
    return '\n'.join([*lines, *more]) + '\n'


def _below_text(summary: pd.DataFrame, seen: pd.DataFrame | None) -> list[str]:
    text = facts.below(summary, seen)
    return [text, ''] if text else []


def _beside_text(summary: pd.DataFrame) -> list[str]:
    known = published.titled(summary)
    if known.empty:
        return []
    columns = published.BESIDE
    return [
        '## Beside the published numbers',
        '',
        *tables.page(columns, tables.cells(known, columns), range(1, 7)),
        '',
        published.about(),
        '',
    ]
