import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from rich.table import Table
from scipy import stats
from torch_geometric.data import Data

from benchmarks import datasets, figure, methods, presets, protocols
from benchmarks.errors import UsageError
from benchmarks.published import beside
from benchmarks.store import Row, config_hash
from pyg_ext.metrics import receptive_field

REACH_NODES = 256  # whose receptive fields are looked at

SCORES = ['test', 'val', 'train', 'test_at_best_loss', 'test_at_best_metric']
MEASURED = [*SCORES, 'best_epoch', 'epochs', 'seconds', 'peak_mb']


def select(rows: list[Row], wanted: dict[str, Any]) -> list[Row]:
    """The rows with the given dataset, preset, or values of configuration."""

    def fits(row: Row) -> bool:
        values = {**row, **row['config']}
        return all(values.get(k) == v for k, v in wanted.items())

    return [row for row in rows if fits(row)]


def check_one_kind(rows: list[Row]) -> None:
    """Refuses rows that must not stand in one table.

    Raises:
        UsageError: On two datasets, protocols, presets or configurations of
            a method.
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
    for method in dict.fromkeys(row['method'] for row in rows):
        configs = {
            config_hash(row['config']): row['config']
            for row in rows
            if row['method'] == method
        }
        if len(configs) > 1:
            first, second, *_ = configs.values()
            differ = sorted(
                f'{k}={first.get(k)} and {k}={second.get(k)}'
                for k in {*first, *second}
                if first.get(k) != second.get(k)
            )
            raise UsageError(
                f'the runs of {method} differ in {"; ".join(differ)}: choose '
                f'with --set key=value'
            )


def summarize(rows: list[Row]) -> pd.DataFrame:
    """One line for each method and depth; scores as tables have them.

    The interval is the 95 % interval of the mean by Student's t.
    """
    order = list(dict.fromkeys(row['method'] for row in rows))
    frame = pd.DataFrame(rows)
    for name in MEASURED:  # failed runs have none
        frame[name] = frame[name].astype(float) if name in frame else np.nan
    frame[SCORES] *= protocols.PROTOCOLS[rows[0]['protocol']].scale
    lines = []
    for (method, depth), cell in frame.groupby(['method', 'depth']):
        good = cell[cell['status'] == 'ok']
        mean, runs = good['test'].mean(), len(good)
        half = stats.t.ppf(0.975, runs - 1) * good['test'].sem()
        lines.append(
            {
                **cell[['dataset', 'protocol', 'preset', 'metric']].iloc[0],
                'method': method,
                'depth': depth,
                'runs': runs,
                'failed': len(cell) - runs,
                'mean': mean,
                'std': good['test'].std(),
                'ci95_low': mean - half,
                'ci95_high': mean + half,
                **good[MEASURED].mean().drop('test'),
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


def markdown(
    summary: pd.DataFrame, rows: list[Row], seen: pd.DataFrame | None = None
) -> str:
    """The report as a page."""
    first = summary.iloc[0]
    protocol = _protocol(summary)
    wide = grid(summary)
    head = ['depth', *map(str, wide.columns)]
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
        '| ' + ' | '.join(head) + ' |',
        '|---' + '|---:' * len(wide.columns) + '|',
        *(
            '| ' + ' | '.join([str(method), *texts]) + ' |'
            for method, texts in wide.iterrows()
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
    lines.append(
        f'- changed from the preset: {", ".join(changes(rows)) or "nothing"}'
    )
    for name in ('commit', 'device', 'versions'):
        found = {
            ', '.join(f'{k} {v}' for k, v in value.items())
            if isinstance(value, dict)
            else str(value)
            for value in (row.get(name) for row in rows)
            if value is not None
        }
        lines.append(f'- {name}: {"; ".join(sorted(found))}')
    failures = [row for row in rows if row['status'] != 'ok']
    if failures:
        lines += ['', '## Failed runs', '']
        lines += [
            f'- {row["method"]}, depth {row["depth"]}, seed {row["seed"]}: '
            f'{row["error"]}'
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
        '| method | depth | ours | published | difference | verdict |',
        '|---|---:|---:|---:|---:|---|',
        *(
            f'| {line.method} | {line.depth} | {line.mean:.2f} | '
            f'{line.published:.2f} | {line.difference:+.2f} | {line.verdict} |'
            for line in known.itertuples()
        ),
        '',
    ]


def changes(rows: list[Row]) -> list[str]:
    """Where the runs depart from the preset that they name."""
    found = set()
    for row in rows:
        names = (row['preset'], row['dataset'], row['method'])
        recipe = presets.unchanged(*names)
        found |= {
            f'{key}={value}'
            for key, value in row['config'].items()
            if recipe.get(key) != value
        }
    return sorted(found)


def _depth_text(method: str, rows: list[Row]) -> str:
    config = next(r['config'] for r in rows if r['method'] == method)
    parsed = methods.parse(method)
    text = f'- `{method}`: {parsed.backbone.unit}'
    if parsed.keywords.get('skip') == 'dense' and 'growth' in config:
        text += f', each adding {config["growth"]} channels'
    return text


def write(
    rows: list[Row], folder: str | Path, seen: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Writes ``summary.csv``, ``curve.png``, ``curve.svg``, ``report.md``,
    and ``receptive_field.csv`` if it is given; else that of the folder is
    drawn, if there is one.

    Raises:
        UsageError: If the rows must not stand in one table, or are none.
    """
    check_one_kind(rows)
    commits = sorted({row['commit'] for row in rows})
    if len(commits) > 1:
        warnings.warn(
            f'the runs are of {len(commits)} commits ({", ".join(commits)})',
            stacklevel=2,
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    summary = beside(summarize(rows))
    if changes(rows):  # of another recipe than the published one
        summary[['published', 'difference', 'verified']] = np.nan
        summary['verdict'] = 'no reference'
    summary.to_csv(folder / 'summary.csv', index=False, float_format='%.4f')
    file = folder / 'receptive_field.csv'
    if seen is not None:
        seen.to_csv(file, index=False, float_format='%.4f')
    elif file.is_file():
        seen = pd.read_csv(file)
    figure.draw(summary, folder, seen)
    (folder / 'report.md').write_text(markdown(summary, rows, seen))
    return summary
