import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from rich.table import Table
from torch_geometric.data import Data

from pyg_ext.metrics import receptive_field

from ..data import datasets
from ..errors import UsageError, reason
from ..methods import spec
from ..output import escaped, make_folder, shown, write_text
from ..recipes import presets
from ..runs.identity import key
from ..runs.store import Row
from . import curve, layers, tables
from .published import beside
from .summary import (
    GONE,
    changes,
    check_one_kind,
    grid,
    protocol_of,
    summarize,
    what_cells_hold,
)

REACH_NODES = 256  # whose receptive fields are looked at

REACH = 'receptive_field.csv'
REACH_COLUMNS = 'dataset', 'hops', 'percent'


def table(summary: pd.DataFrame) -> Table:
    """The terminal's table."""
    first = summary.iloc[0]
    out = Table(
        title=f'{first["dataset"]}, protocol {first["protocol"]}, preset '
        f'{first["preset"]}',
        caption=what_cells_hold(summary),
    )
    wide = grid(summary)
    out.add_column('depth')
    for depth in wide.columns:
        out.add_column(str(depth), justify='right')
    for method, texts in wide.iterrows():
        out.add_row(str(method), *texts)
    return out


def reach(dataset: str, data: Data, hops: int) -> pd.DataFrame:
    """The share of nodes that reach a node, in percent, by convolutions;
    the mean over at most 256 random nodes.
    """
    some = min(REACH_NODES, data.num_nodes)
    draw = torch.Generator().manual_seed(0)
    shares = receptive_field(data.edge_index, hops, data.num_nodes, some, draw)
    columns = {'hops': range(hops + 1), 'percent': 100 * shares}
    return pd.DataFrame({'dataset': dataset, **columns})


def _read_reach(file: Path, dataset: str) -> pd.DataFrame | None:
    """What an earlier report of the folder wrote of the dataset, if it did."""
    if not file.is_file():
        return None
    try:
        seen = pd.read_csv(file, dtype=dict.fromkeys(REACH_COLUMNS[1:], float))
        wrong = (*seen,) != REACH_COLUMNS or seen.isna().any(axis=None)
        why = f'no columns {", ".join(REACH_COLUMNS)}' if wrong else None
    except (OSError, ValueError) as error:  # the parser's is one
        why = reason(error)
    if why is None:
        fits = bool((seen['dataset'] == dataset).all())
        return seen if fits else None
    warnings.warn(f'{file} is not drawn: {why}', stacklevel=3)
    return None


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
    wide = grid(summary)
    head = [f'{name}' for name in ('depth', *wide.columns)]
    lines = [
        f'# Test score against depth: {escaped(first["dataset"])}',
        '',
        f'Data: {escaped(_about(first["dataset"]))}.',
        f'Protocol `{shown(protocol.name)}`: {protocol.about}. Preset '
        f'`{shown(first["preset"])}`: {escaped(_source(first["preset"]))}',
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
        *_reach_text(seen),
        *_beside_text(summary),
        '## What depth counts',
        '',
        *(_depth_text(method, rows) for method in wide.index),
        '',
        '## What was run',
        '',
        f'- {len(rows)} runs, {summary["failed"].sum()} of them failed; '
        f'{sum(row.get("seconds", 0) for row in rows) / 60:.1f} minutes of '
        f'training in all',
    ]
    changed = ', '.join(changes(rows)) or 'nothing'
    lines.append(f'- changed from the preset: {escaped(changed)}')
    lines += [f'- {escaped(words)}' for words in own_words(rows)]
    lines += [
        f'- in the same store, and not in this report: {escaped(words)}'
        for words in left_out
    ]
    for name in ('commit', 'device', 'versions', 'data'):
        found = {
            ', '.join(f'{k} {v}' for k, v in value.items())
            if isinstance(value, dict)
            else str(value)
            for value in (row.get(name) for row in rows)
            if value is not None
        }
        lines.append(f'- {name}: {escaped("; ".join(sorted(found)))}')
    failures = [row for row in rows if row['status'] != 'ok']
    if failures:
        lines += ['', '## Failed runs', '']
        lines += [
            f'- {escaped(row["method"])}, depth {row["depth"]}, seed '
            f'{row["seed"]}: {escaped(row.get("error", "unknown"))}'
            for row in failures
        ]
    return '\n'.join([*lines, *more]) + '\n'


def _about(dataset: str) -> str:
    try:
        return datasets.find(dataset).about
    except UsageError:
        return GONE


def _source(preset: str) -> str:
    try:
        return presets.read(preset).source
    except UsageError:
        return GONE


def own_words(rows: list[Row]) -> list[str]:
    """Of what users bring: whose recipe it took, and which code it was."""
    texts = {
        'recipe_of': 'the recipe of {}, for the preset has none of its own',
        'code': '{}: other code or data would be other runs',
    }
    out = []
    for name, text in texts.items():
        methods: dict[str, dict[str, None]] = {}
        for row in rows:
            if name in row:
                methods.setdefault(row[name], {})[row['method']] = None
        out += [
            f'{", ".join(some)}: {text.format(value)}'
            for value, some in methods.items()
        ]
    return out


def _reach_text(seen: pd.DataFrame | None) -> list[str]:
    if seen is None:
        return []
    return [
        f'Below the curves: the share of all nodes whose features reach a '
        f'node in so many convolutions, the mean over at most {REACH_NODES} '
        f'random nodes.',
        '',
    ]


def _beside_text(summary: pd.DataFrame) -> list[str]:
    known = summary.dropna(subset='published')
    if known.empty:
        return []
    return [
        '## Beside the published numbers',
        '',
        *tables.page(
            ('method', 'depth', 'ours', 'published', 'difference', 'verdict'),
            (
                (
                    line.method,
                    line.depth,
                    f'{line.mean:.2f}',
                    f'{line.published:.2f}',
                    f'{line.difference:+.2f}',
                    line.verdict,
                )
                for line in known.itertuples()
            ),
            numbers=range(1, 5),
        ),
        '',
    ]


def _depth_text(method: str, rows: list[Row]) -> str:
    config = next(r['config'] for r in rows if r['method'] == method)
    try:
        parsed = spec.parse(method)
    except UsageError:
        return f'- `{shown(method)}`: {GONE}'
    text = f'- `{method}`: {parsed.backbone.unit}'
    if parsed.keywords.get('skip') == 'dense' and 'growth' in config:
        text += f', each adding {escaped(config["growth"])} channels'
    return text


def summary_of(rows: list[Row]) -> pd.DataFrame:
    """What :func:`write` writes, cell by cell.

    Raises:
        UsageError: If the rows must not stand in one table, or are none.
    """
    check_one_kind(rows)
    summary = beside(summarize(rows))
    if changes(rows):  # of another recipe than the published one
        summary[['published', 'difference', 'verified']] = np.nan
        summary['verdict'] = 'no reference'
    return summary


def write(
    rows: list[Row],
    folder: str | Path,
    seen: pd.DataFrame | None = None,
    left_out: Iterable[str] = (),
    probed: Iterable[Row] = (),
) -> list[str]:
    """Writes ``summary.csv``, ``curve.png``, ``curve.svg``, ``report.md``,
    and ``receptive_field.csv`` if it is given; else that of the folder is
    drawn, if there is one. Of runs whose layers were looked at, there are
    ``probe.csv`` and a figure for each method. A file that cannot be written
    is what it was. Returns the names of the files.

    Args:
        rows: The runs.
        folder: Where to.
        seen: What :func:`reach` gives.
        left_out: What stands in the store besides, in words.
        probed: Runs whose layers were looked at, of which those like the
            others count.

    Raises:
        UsageError: If the rows must not stand in one table, or are none.
    """
    summary = summary_of(rows)
    commits = sorted({row.get('commit', 'unknown') for row in rows})
    if len(commits) > 1:
        warnings.warn(
            f'the runs are of {len(commits)} commits ({", ".join(commits)})',
            stacklevel=2,
        )
    folder = make_folder(folder)
    file = folder / REACH
    if seen is not None:
        tables.write_csv(seen, file, '%.4f')
    else:
        seen = _read_reach(file, summary['dataset'].iloc[0])
    more, files = layers.write(_like(rows, probed), folder)
    page = markdown(summary, rows, seen, left_out, more)
    tables.write_csv(summary, folder / 'summary.csv', '%.4f')
    curve.draw(summary, folder, seen)
    write_text(folder / 'report.md', page)
    return ['summary.csv', 'curve.png', 'curve.svg', 'report.md', *files]


def _like(rows: Iterable[Row], probed: Iterable[Row]) -> list[Row]:
    """The runs of which others stand in the report."""
    kinds = {key({**row, 'depth': 0, 'seed': 0}) for row in rows}
    return [
        row for row in probed if key({**row, 'depth': 0, 'seed': 0}) in kinds
    ]
