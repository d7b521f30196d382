"""What commands show of runs."""

from pathlib import Path

import pandas as pd
from rich.table import Table

from ..output import console, shown
from ..reports import facts
from ..reports.files import HTML
from ..reports.outcome import Runs
from ..reports.summary import changes, grid, heading, what_cells_hold


def show(runs: Runs) -> int:
    """Shows the table, then writes the report, which may not be possible.

    Returns:
        The exit code: 1 if runs failed.
    """
    console.print(_table(runs.summary(), changes(runs.rows)))
    if far := facts.far(runs.rows[0]['dataset']):
        console.print(f'{far[0].upper()}{far[1:]}')
    for words in facts.own_words(runs.rows):
        console.print(shown(words))
    for words in runs.left_out:
        console.print(f'in the same store, and left out: {shown(words)}')
    files = runs.write()
    console.print(f'written to {Path(runs.folder)}: {" ".join(files)}')
    if HTML not in files:
        console.print(f'{HTML} needs pip install pyg-ext[html]')
    failed = len(runs.failed())
    if failed:
        console.print(f'{failed} runs failed', style='red')
    return int(failed > 0)


def _table(summary: pd.DataFrame, changed: list[str]) -> Table:
    """Methods by depths."""
    out = Table(
        title=shown(heading(summary, changed)),
        caption=what_cells_hold(summary),
    )
    wide = grid(summary)
    out.add_column('depth')
    for depth in wide.columns:
        out.add_column(str(depth), justify='right')
    for method, texts in wide.iterrows():
        out.add_row(str(method), *texts)
    return out
