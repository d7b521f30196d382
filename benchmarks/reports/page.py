import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from rich.table import Table
from scipy import stats
from torch_geometric.data import Data

from pyg_ext.metrics import receptive_field

from ..data import datasets, protocols
from ..errors import UsageError, check_name, reason
from ..methods import spec
from ..output import escaped, make_folder, write_text
from ..recipes import presets
from ..runs.store import NUMBERS, SCORES, Row, config_hash
from . import curve, tables
from .published import beside

REACH_NODES = 256  # whose receptive fields are looked at

REACH = 'receptive_field.csv'


def select(rows: list[Row], wanted: dict[str, Any]) -> list[Row]:
    """The rows with the given dataset, preset, or values of configuration."""

    def fits(row: Row) -> bool:
        values = {**row, **row['config']}
        return all(values.get(k) == v for k, v in wanted.items())

    return [row for row in rows if fits(row)]


def together(
    rows: list[Row], like: Row, overrides: dict[str, Any]
) -> tuple[list[Row], list[str]]:
    """The rows that may stand in one table with a sweep's, and in words how
    many others there are.

    Args:
        rows: Some runs, of this and of other sweeps.
        like: A run of this one, for its dataset, protocol and preset.
        overrides: What the sweep sets in a configuration: a run of another
            method fits if the same would have been set in its own.
    """
    fit: list[Row] = []
    others: Counter[str] = Counter()
    wanted: dict[str, Any] = {}
    for row in rows:
        differ = [
            f'{name} {row[name]}'
            for name in ('dataset', 'protocol', 'preset')
            if row[name] != like[name]
        ]
        if differ:
            others[f'of {", ".join(differ)}'] += 1
            continue
        method = row['method']
        if method not in wanted:
            wanted[method] = _configured(like, method, overrides)
        config = wanted[method]
        if config == row['config']:
            fit.append(row)
        elif config is None:
            others[f'of {method}, which this sweep cannot run'] += 1
        else:
            others[
                f'of {method} with {", ".join(_unlike(row["config"], config))}'
            ] += 1
    words = [
        f'{number} run{"s" * (number > 1)} {what}'
        for what, number in others.items()
    ]
    return fit, words


def _configured(
    like: Row, method: str, overrides: dict[str, Any]
) -> dict[str, Any] | None:
    """How a method would have been run in a sweep; none if it could not."""
    try:
        parsed = spec.parse(method)
        names = (like['preset'], like['dataset'], parsed)
        return presets.configure(*names, dict(overrides), like['depth'])
    except UsageError:
        return None


def _unlike(config: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """What the first configuration has where the second differs, by key."""
    return [
        f'{key}={config.get(key, "nothing")}'
        for key in sorted({*config, *other})
        if key not in config or key not in other or config[key] != other[key]
    ]


def check_one_kind(rows: list[Row]) -> None:
    """Refuses rows that must not stand in one table.

    Raises:
        UsageError: On two datasets, protocols, presets or configurations of
            a method, and on names that are not known.
    """
    if not rows:
        raise UsageError('the store has no run of what was asked for')
    for name in ('dataset', 'protocol', 'preset'):
        found = sorted({row[name] for row in rows})
        if len(found) > 1:
            raise UsageError(
                f'the runs are of {len(found)} {name}s, which one table must '
                f'not mix ({", ".join(found)}): choose one with --{name}'
            )
    check_name('dataset', rows[0]['dataset'], datasets.DATASETS)
    check_name('protocol', rows[0]['protocol'], protocols.PROTOCOLS)
    for method in dict.fromkeys(row['method'] for row in rows):
        spec.parse(method)
        configs = {
            config_hash(row['config']): row['config']
            for row in rows
            if row['method'] == method
        }
        if len(configs) > 1:
            first, second, *_ = configs.values()
            both = zip(
                *map(_unlike, (first, second), (second, first)), strict=True
            )
            differ = '; '.join(map(' and '.join, both))
            raise UsageError(
                f'the runs of {method} differ in {differ}: choose with '
                f'--set key=value'
            )


def summarize(rows: list[Row]) -> pd.DataFrame:
    """One line for each method and depth; scores as tables have them.

    The interval is the 95 % interval of the mean by Student's t.
    """
    order = list(dict.fromkeys(row['method'] for row in rows))
    frame = pd.DataFrame(rows)
    for name in NUMBERS:  # failed runs have none
        frame[name] = frame[name].astype(float) if name in frame else np.nan
    protocol = protocols.PROTOCOLS[rows[0]['protocol']]
    frame[[*SCORES]] *= protocol.scale
    lines = []
    for (method, depth), cell in frame.groupby(['method', 'depth']):
        good = cell[cell['status'] == 'ok']
        mean, runs = good['test'].mean(), len(good)
        half = stats.t.ppf(0.975, runs - 1) * good['test'].sem()
        lines.append(
            {
                **cell[['dataset', 'protocol', 'preset']].iloc[0],
                'metric': protocol.metric,
                'method': method,
                'depth': depth,
                'runs': runs,
                'failed': len(cell) - runs,
                'mean': mean,
                'std': good['test'].std(),
                'ci95_low': mean - half,
                'ci95_high': mean + half,
                **good[[*NUMBERS]].mean().drop('test'),
            }
        )
    return pd.DataFrame(lines).sort_values(
        ['method', 'depth'],
        key=lambda c: c.map(order.index) if c.name == 'method' else c,
        ignore_index=True,
    )


def cell_text(line: pd.Series, usual: int) -> str:
    """``mean ± std``, and the number of runs where it is not the usual."""
    if not line['runs']:
        return 'failed'
    text = f'{line["mean"]:.2f}'
    if line['runs'] > 1:
        text += f' ± {line["std"]:.2f}'
    if line['runs'] != usual:
        text += f' ({line["runs"]:.0f})'
    if line['failed']:
        text += f', {line["failed"]:.0f} failed'
    return text


def grid(summary: pd.DataFrame) -> pd.DataFrame:
    """Methods by depths, each cell as text."""
    usual = usual_runs(summary)
    texts = [cell_text(line, usual) for _, line in summary.iterrows()]
    wide = summary.assign(text=texts).pivot(
        index='method', columns='depth', values='text'
    )
    return wide.loc[summary['method'].unique()].fillna('')


def usual_runs(summary: pd.DataFrame) -> int:
    """The number of runs that most cells have."""
    return int(summary['runs'].mode().iloc[-1])


def _protocol(summary: pd.DataFrame) -> protocols.Protocol:
    return protocols.PROTOCOLS[summary['protocol'].iloc[0]]


def what_cells_hold(summary: pd.DataFrame) -> str:
    """A table's cells in words."""
    return (
        f'test {_protocol(summary).measure}, mean ± standard '
        f'deviation of {usual_runs(summary)} runs (or of as many as stand in '
        f'brackets)'
    )


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


def reach(data: Data, hops: int) -> pd.DataFrame:
    """The share of nodes that reach a node, in percent, by convolutions;
    the mean over at most 256 random nodes.
    """
    some = min(REACH_NODES, data.num_nodes)
    draw = torch.Generator().manual_seed(0)
    shares = receptive_field(data.edge_index, hops, data.num_nodes, some, draw)
    return pd.DataFrame({'hops': range(hops + 1), 'percent': 100 * shares})


def _read_reach(file: Path) -> pd.DataFrame | None:
    """What an earlier report of the folder wrote, if it did."""
    if not file.is_file():
        return None
    try:
        seen = pd.read_csv(file, dtype=float)
        wrong = [*seen] != ['hops', 'percent'] or seen.isna().any(axis=None)
        why = 'no columns hops and percent' if wrong else None
    except (OSError, ValueError) as error:  # the parser's is one
        why = reason(error)
    if why is None:
        return seen
    warnings.warn(f'{file} is not drawn: {why}', stacklevel=3)
    return None


def markdown(
    summary: pd.DataFrame,
    rows: list[Row],
    seen: pd.DataFrame | None = None,
    left_out: Iterable[str] = (),
) -> str:
    """The report as a page."""
    first = summary.iloc[0]
    protocol = _protocol(summary)
    wide = grid(summary)
    head = [f'{name}' for name in ('depth', *wide.columns)]
    lines = [
        f'# Test score against depth: {first["dataset"]}',
        '',
        f'Data: {datasets.DATASETS[first["dataset"]].about}.',
        f'Protocol `{protocol.name}`: {protocol.split}. Preset '
        f'`{first["preset"]}`: {presets.read(first["preset"])["source"]}',
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
    lines += [
        f'- in the same store, and not in this report: {escaped(words)}'
        for words in left_out
    ]
    for name in ('commit', 'device', 'versions'):
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
    return '\n'.join(lines) + '\n'


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


def changes(rows: list[Row]) -> list[str]:
    """Where the runs depart from the preset that they name."""
    found = set()
    for row in rows:
        names = (row['preset'], row['dataset'], row['method'])
        found |= {*_unlike(row['config'], presets.unchanged(*names))}
    return sorted(found)


def _depth_text(method: str, rows: list[Row]) -> str:
    config = next(r['config'] for r in rows if r['method'] == method)
    parsed = spec.parse(method)
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
) -> pd.DataFrame:
    """Writes ``summary.csv``, ``curve.png``, ``curve.svg``, ``report.md``,
    and ``receptive_field.csv`` if it is given; else that of the folder is
    drawn, if there is one. A file that cannot be written is what it was.

    Args:
        rows: The runs.
        folder: Where to.
        seen: What :func:`reach` gives.
        left_out: What stands in the store besides, in words.

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
        seen = _read_reach(file)
    page = markdown(summary, rows, seen, left_out)
    tables.write_csv(summary, folder / 'summary.csv', '%.4f')
    curve.draw(summary, folder, seen)
    write_text(folder / 'report.md', page)
    return summary
