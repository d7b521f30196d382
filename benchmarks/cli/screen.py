"""What commands show of runs."""

from pathlib import Path

from ..output import console, shown
from ..reports import page, summary
from ..reports.outcome import Runs


def show(runs: Runs) -> int:
    """Shows the table, then writes the report, which may not be possible.

    Returns:
        The exit code: 1 if runs failed.
    """
    console.print(page.table(runs.summary()))
    changes = summary.changes(runs.rows)
    if changes:
        console.print(f'changed from the preset: {shown(", ".join(changes))}')
    for words in page.own_words(runs.rows):
        console.print(shown(words))
    for words in runs.left_out:
        console.print(f'in the same store, and left out: {shown(words)}')
    files = runs.write()
    console.print(f'written to {Path(runs.folder)}: {" ".join(files)}')
    failed = len(runs.failed())
    if failed:
        console.print(f'{failed} runs failed', style='red')
    return int(failed > 0)
