"""Runs beside published numbers: what reproduces, and what does not."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from rich.table import Table

from ..data.protocols import PROTOCOLS
from ..errors import UsageError
from ..output import make_folder, write_text
from ..recipes import presets
from ..runs.identity import key
from ..runs.store import Row, Store
from . import claims, published, tables
from .published import CELL
from .summary import summarize

RESULTS = Path(__file__).parents[1] / 'results'


def read(files: Iterable[str | Path]) -> list[Row]:
    """The good runs of several stores that follow their preset to the letter,
    each once. A preset of candidates to choose from is nothing to follow.

    Raises:
        UsageError: If a file is missing.
    """
    rows: dict[tuple, Row] = {}
    for path in map(Path, files):
        if not path.is_file():
            raise UsageError(f'there is no store {path}')
        for row in Store(path.parent, path.name).read():
            if row['status'] == 'ok' and _is_plain(row):
                rows.setdefault(key(row), row)
    return list(rows.values())


def _is_plain(row: Row) -> bool:
    try:
        if presets.read(row['preset']).candidates is not None:
            return False
        names = (row[k] for k in ('preset', 'dataset', 'method', 'depth'))
        same = presets.unchanged(*names) == row['config']
        return same and row['protocol'] in PROTOCOLS
    except UsageError:  # a preset that is gone, or lost the method
        return False


def judge(rows: list[Row]) -> pd.DataFrame:
    """One line for each cell that was run, with the published number and a
    verdict.
    """
    if not rows:
        raise UsageError('no run follows its preset to the letter')
    frame = pd.DataFrame(rows)
    summaries = [
        summarize(group.to_dict('records'))
        for _, group in frame.groupby(CELL[:3], sort=False)
    ]
    return published.beside(pd.concat(summaries, ignore_index=True))


COLUMNS = {
    'dataset': str,
    'preset': str,
    'method': str,
    'depth': str,
    'runs': str,
    'ours': '{:.2f}'.format,
    'std': '{:.2f}'.format,
    **published.COLUMNS,
}


def counts(lines: pd.DataFrame) -> str:
    """How many cells have which verdict."""
    found = lines['verdict'].value_counts()
    return ', '.join(f'{number} {name}' for name, number in found.items())


def table(lines: pd.DataFrame) -> Table:
    """The terminal's table."""
    caption = f'{len(lines)} cells: {counts(lines)}'
    return tables.terminal(published.titled(lines), COLUMNS, caption)


def markdown(lines: pd.DataFrame, checks: pd.DataFrame) -> str:
    """Both tables as a page."""
    known = published.titled(lines)
    out = [
        '# Beside the published numbers',
        '',
        f'{len(lines)} cells were run as their preset has it: '
        f'{counts(lines)}.',
        '',
        f'{published.about()} `unverified reference`: numbers from memory, '
        'on which nothing rests. `recipe not published`: the authors say that '
        'they tuned each cell, and not how.',
        '',
        *tables.page(COLUMNS, tables.cells(known, COLUMNS)),
        '',
        '## Claims',
        '',
        'Differences in points with 95 % intervals; '
        '`benchmarks/reference/claims.yaml` says what each claim asks for. '
        '`p` tests that value, `p (Holm)` corrects it for all '
        'claims of this page and decides at 5 %; else a claim is `open`.',
        '',
        *(claims.markdown(checks) if len(checks) else ['No runs for any.']),
        '',
        '## Sources',
        '',
        *_sources(lines),
    ]
    return '\n'.join(out) + '\n'


def _sources(lines: pd.DataFrame) -> Iterable[str]:
    papers = set(lines['paper'].dropna())
    known = published.reference()
    for paper, group in known[known['paper'].isin(papers)].groupby('paper'):
        yield f'- `{paper}`: {"; ".join(group["source"].unique())}'


def write(rows: list[Row], folder: str | Path) -> pd.DataFrame:
    """Writes ``verdict.csv``, ``claims.csv`` and ``verdict.md``."""
    folder = make_folder(folder)
    lines, checks = judge(rows), claims.check(rows)
    for name, frame in (('verdict', lines), ('claims', checks)):
        file = folder / f'{name}.csv'
        tables.write_csv(frame, file, '%.4f')
    write_text(folder / 'verdict.md', markdown(lines, checks))
    return lines
