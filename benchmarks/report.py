import warnings
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import torch
from rich.table import Table
from scipy import stats
from torch_geometric.data import Data

from benchmarks import datasets, methods, presets, protocols
from benchmarks.errors import UsageError
from benchmarks.published import beside
from benchmarks.store import Row, config_hash
from pyg_ext.metrics import receptive_field

matplotlib.use('Agg')  # files only, no window

# Okabe and Ito's colours, told apart by all common kinds of colour vision.
COLORS = (
    '#0072B2',
    '#D55E00',
    '#009E73',
    '#CC79A7',
    '#E69F00',
    '#56B4E9',
    '#000000',
)
MARKERS = 'osD^vPX'
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


def measure(summary: pd.DataFrame) -> str:
    """The metric, its unit, and which way is better, in words."""
    protocol = protocols.PROTOCOLS[summary['protocol'].iloc[0]]
    unit = ' in percent' if protocol.scale == 100 else ''
    better = ' (lower is better)' if protocol.direction == 'min' else ''
    return f'{protocol.metric}{unit}{better}'


def what_cells_hold(summary: pd.DataFrame) -> str:
    """A table's cells in words."""
    return (
        f'test {measure(summary)}, mean ± standard '
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


def draw(
    summary: pd.DataFrame, folder: Path, seen: pd.DataFrame | None = None
) -> None:
    """Writes ``curve.png`` and ``curve.svg``, with the receptive field below
    the curves if it is given.
    """
    from matplotlib import pyplot as plt

    first = summary.iloc[0]
    with plt.style.context({'font.size': 11, 'svg.hashsalt': 'pyg_ext'}):
        panels = 1 if seen is None else 2
        figure, grid = plt.subplots(
            panels,
            figsize=(7, 3.5 + panels),
            sharex=True,
            squeeze=False,
            height_ratios=(4, 1)[:panels],
            layout='constrained',
        )
        axes, *below = grid[:, 0]
        good = summary[summary['runs'] > 0]
        for i, method in enumerate(good['method'].unique()):
            curve = good[good['method'] == method]
            color = COLORS[i % len(COLORS)]
            axes.plot(
                curve['depth'],
                curve['mean'],
                color=color,
                marker=MARKERS[i % len(MARKERS)],
                linestyle=('-', '--', ':')[i // len(COLORS) % 3],
                label=method,
            )
            known = curve[curve['verified'] == 'yes']
            axes.plot(
                known['depth'],
                known['published'],
                color=color,
                marker=MARKERS[i % len(MARKERS)],
                markerfacecolor='white',
                markersize=9,
                linestyle='',
                zorder=1,
            )
            spread = curve['std'].fillna(0.0)
            axes.fill_between(
                curve['depth'],
                curve['mean'] - spread,
                curve['mean'] + spread,
                color=color,
                alpha=0.15,
                linewidth=0,
            )
        depths = sorted(summary['depth'].unique())
        axes.set_xscale('log', base=2)
        axes.set_xticks(depths, [str(d) for d in depths])
        axes.minorticks_off()
        for low in below:
            axes.tick_params(labelbottom=True)
            some = seen[seen['hops'] >= summary['depth'].min()]
            low.plot(some['hops'], some['percent'], color='0.4')
            low.set_ylim(0, 105)
            low.set_ylabel('% of nodes\nin reach', fontsize=9)
            low.grid(alpha=0.3)
            low.spines[['top', 'right']].set_visible(False)
        (below or [axes])[-1].set_xlabel('depth (layers or propagation steps)')
        axes.set_ylabel(f'test {measure(summary)}')
        low, high = good['runs'].min(), good['runs'].max()
        runs = f'{low}' if low == high else f'{low} to {high}'
        if (good['verified'] == 'yes').any():
            runs += ' seeds; hollow: published, where verified'
        else:
            runs += ' seeds'
        axes.set_title(
            f'{first["dataset"]}, {first["protocol"]}, preset '
            f'{first["preset"]}\nmean ± std of {runs}',
            fontsize=10,
        )
        axes.grid(alpha=0.3)
        axes.spines[['top', 'right']].set_visible(False)
        if not good.empty:
            figure.legend(loc='outside right center', frameon=False)
        for kind in ('png', 'svg'):
            figure.savefig(
                folder / f'curve.{kind}',
                dpi=150,
                metadata={'Date': None} if kind == 'svg' else None,
            )
        plt.close(figure)


def markdown(
    summary: pd.DataFrame, rows: list[Row], seen: pd.DataFrame | None = None
) -> str:
    """The report as a page."""
    first = summary.iloc[0]
    protocol = protocols.PROTOCOLS[first['protocol']]
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
    text = f'- `{method}`: {methods.parse(method).backbone.unit}'
    if 'growth' in config:
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
    draw(summary, folder, seen)
    (folder / 'report.md').write_text(markdown(summary, rows, seen))
    return summary
