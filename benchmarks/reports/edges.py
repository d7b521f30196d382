"""Does a kind of edges help? Paired by seed and split, tuned alike."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table

from ..data import protocols
from ..errors import UsageError
from ..methods import spec
from ..output import escaped, make_folder, write_text
from ..recipes import presets
from ..runs.identity import key
from ..runs.store import Row
from ..runs.tuning import PRESET, TUNING, best, candidates
from . import tables
from .intervals import paired


def together(
    rows: list[Row], overrides: Mapping[str, Any] | None = None
) -> list[Row]:
    """All runs of a store that count, of whatever graph, model and kind of
    edges: those with the best configuration, of candidates with what is set
    for all of them.
    """
    known = presets.read(PRESET).candidates
    names = ('dataset', 'protocol', 'method')
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        if row['preset'] == PRESET:
            group = groups.setdefault(tuple(row[n] for n in names), [])
            group.append(row)
    out = []
    for (dataset, protocol, name), group in groups.items():
        try:
            method = spec.parse(name)
            kind = method.edges or 'none'
            if kind not in known:
                continue
            tried = candidates(dataset, method.base, kind, protocol, overrides)
            cell = best(tried, group)[0]
        except UsageError:  # of another version, or not tuned to the end
            continue
        out += [
            row
            for row in group
            if key({**row, 'seed': cell.seed}) == key(cell.row())
            and row['seed'] not in TUNING
        ]
    return out


def compare(rows: Iterable[Row]) -> pd.DataFrame:
    """One line for each model and kind of edges: the score, and the gain over
    no change of edges, paired by seed, with its 95 % interval and the p-value
    of a paired t-test. Scores in percent, gains in points.
    """
    good = [row for row in rows if row['status'] == 'ok']
    if not good:
        raise UsageError('all runs that count failed: the store says why')
    frame = pd.DataFrame(good)
    parsed = frame['method'].map(spec.parse)
    frame['model'] = [method.base for method in parsed]
    frame['edges'] = [method.edges or 'none' for method in parsed]
    lines = []
    groups = ['dataset', 'protocol', 'model']
    for names, group in frame.groupby(groups, sort=False):
        metric = protocols.find(names[1]).metric
        group = group.assign(test=metric.scale * group['test'])
        wide = group.pivot(index='seed', columns='edges', values='test')
        for kind in wide.columns.sort_values(key=lambda c: c != 'none'):
            line = dict(zip(groups, names, strict=True)) | {
                'edges': kind,
                'runs': int(wide[kind].count()),
                'mean': wide[kind].mean(),
                'std': wide[kind].std(),
                'augment': group[group['edges'] == kind]['config']
                .iloc[0]
                .get('augment', {}),
            }
            if kind != 'none' and 'none' in wide:
                pairs = wide[[kind, 'none']].dropna()
                line |= paired(metric.sign * (pairs[kind] - pairs['none']))
            lines.append(line)
    return pd.DataFrame(lines)


COLUMNS = {
    'dataset': str,
    'protocol': str,
    'model': str,
    'edges': str,
    'runs': str,
    'mean': '{:.2f}'.format,
    'std': '{:.2f}'.format,
    'gain': '{:+.2f}'.format,
    'ci95_low': '{:+.2f}'.format,
    'ci95_high': '{:+.2f}'.format,
    'p': '{:.1e}'.format,
}


WHAT = (
    'test accuracy in percent; gain in points over the same model, seeds and '
    'splits on unchanged edges, with its 95 % interval and the p-value of a '
    'paired t-test'
)


def table(lines: pd.DataFrame) -> Table:
    """The terminal's table."""
    return tables.terminal(lines, COLUMNS, WHAT)


def markdown(lines: pd.DataFrame) -> str:
    """The report as a page."""
    out = [
        '# Do other edges help?',
        '',
        f'Preset `{PRESET}`: {presets.read(PRESET).source.strip()}',
        '',
        f'In the table: {WHAT}. With {(lines["edges"] != "none").sum()} '
        f'comparisons, about one in twenty falls below p = 0.05 by chance.',
        '',
        *tables.page(COLUMNS, tables.cells(lines, COLUMNS)),
        '',
        '## Chosen options',
        '',
        *(
            f'- {line.dataset}, {line.protocol}, {line.model}, {line.edges}: '
            + escaped(', '.join(f'{k}={v}' for k, v in line.augment.items()))
            for line in lines.itertuples()
            if line.augment
        ),
        '',
        '## Protocols',
        '',
        *(
            f'- `{name}`: {protocols.find(name).about}'
            for name in lines['protocol'].unique()
        ),
    ]
    return '\n'.join(out) + '\n'


def write(rows: list[Row], folder: str | Path) -> pd.DataFrame:
    """Writes ``augment.csv`` and ``augment.md``."""
    folder = make_folder(folder)
    lines = compare(rows)
    tables.write_csv(lines, folder / 'augment.csv', '%.6g')
    write_text(folder / 'augment.md', markdown(lines))
    return lines
