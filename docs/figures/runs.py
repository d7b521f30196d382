"""Of stored runs."""

from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from benchmarks import report
from benchmarks.reports import edges, style
from benchmarks.reports import layers as layers_of
from benchmarks.reports.style import COLORS
from benchmarks.runs.store import Store

from .places import RESULTS
from .plots import GRAPHS, layers_below, legend, look, panels


def stored(name: str) -> list[dict]:
    """The runs of a store."""
    return Store(RESULTS, f'{name}.jsonl').read()


def gains() -> Figure:
    """What other edges change, with 95 % intervals."""
    kinds = {
        'ppr': 'PageRank',
        'heat': 'heat kernel',
        'walk': 'walks',
        'dropedge': 'DropEdge',
    }
    lines = pd.concat(
        edges.compare(edges.together(stored(f'{name}-augment')))
        for name in GRAPHS
    )
    lines['row'] = [
        f'{GRAPHS[line.dataset]}, {line.model.upper()}'
        for line in lines.itertuples()
    ]
    rows = [*lines['row'].unique()]
    figure, grid = panels(1, 2, 4.4, sharey=True)
    protocols = lines.groupby('protocol')
    for axes, (protocol, part) in zip(grid, protocols, strict=True):
        for i, (kind, label) in enumerate(kinds.items()):
            mine = part[part['edges'] == kind]
            axes.errorbar(
                mine['gain'],
                mine['row'].map(rows.index) + 0.18 * (i - 1.5),
                xerr=mine['ci95_high'] - mine['gain'],
                **look(i),
                linestyle='',
                label=label,
            )
        axes.axvline(0, color='0.3', linewidth=1)
        axes.set_title(protocol)
        axes.set_xlabel('gain in points')
        axes.set_yticks(range(len(rows)), rows)
        axes.set_ylim(len(rows) - 0.5, -0.5)
    legend(figure, grid[0], 4)
    return figure


def layers(rows: dict[str, dict], looks: dict[str, dict]) -> Figure:
    """The layers of some networks, before and after training."""
    shown = {
        'gradient': 'gradient, relative to the last',
        'mad': 'mad',
        'linear_probe': 'linear probe',
    }
    figure, grid = panels(3, 2, 7.5, sharex=True, sharey='row')
    for place, axes in enumerate(grid):
        measure = [*shown][place // 2]
        state = ('initial', 'trained')[place % 2]
        for label, row in rows.items():
            lines = pd.DataFrame(row['probe'][state]['layers'])
            values = lines[measure].astype(float)
            if measure == 'gradient':
                values /= values.iloc[-1]
            axes.plot(
                lines['layer'],
                values.where(values > 0),
                **looks[label],
                markevery=5,
                label=label,
            )
        if measure != 'linear_probe':
            axes.set_yscale('log')
    for axes, label in zip(grid[::2], shown.values(), strict=True):
        axes.set_ylabel(label)
    grid[0].set_title('before training')
    grid[1].set_title('after training')
    grid[4].set_xlabel('layer')
    grid[5].set_xlabel('layer')
    legend(figure, grid[0], 6)
    return figure


def probed() -> dict[tuple[str, int], dict]:
    """Runs whose layers were looked at, by method and depth."""
    rows = stored('cora-probe')
    return {
        (row['method'], row['depth']): row
        for row in rows
        if row['preset'] == 'classic'
    }


def deep() -> Figure:
    """Networks of 32 layers."""
    rows = {method: row for (method, n), row in probed().items() if n == 32}
    looks = style.looks(rows)
    return layers(
        {look.name: rows[method] for method, look in looks.items()},
        {
            look.name: {
                'color': look.color,
                'marker': look.marker,
                'dashes': look.dash,
            }
            for look in looks.values()
        },
    )


def gcns() -> Figure:
    """GCNs of three depths."""
    rows = {f'GCN, {n} layers': probed()['gcn', n] for n in (32, 8, 2)}
    return layers(rows, {name: look(i) for i, name in enumerate(rows)})


def heads() -> Figure:
    """The attention of a GAT of two layers."""
    lines = layers_of.attention(stored('cora-attention-probe'))
    return layers_of.attention_figure(lines, 'gat')


def tricks() -> Figure:
    """Skip connections by norms."""
    skips = {
        'gcn': 'no skip',
        'resgcn': 'res',
        'gcn+initial': 'initial',
        'jknet': 'jump',
        'densegcn': 'dense',
    }
    table = pd.DataFrame(stored('cora-tricks'))
    table['test'] *= 100
    figure, grid = panels(2, 3, 5, sharey=True)
    for axes, (start, title) in zip(grid, skips.items(), strict=False):
        for i, norm in enumerate(('', '+pair', '+batch', '+group')):
            cells = table[table['method'] == start + norm].groupby('depth')
            mean, std = cells['test'].mean(), cells['test'].std()
            label = norm[1:] or 'no norm'
            axes.plot(mean.index, mean, **look(i), label=label)
            axes.fill_between(
                mean.index,
                mean - std,
                mean + std,
                color=COLORS[i],
                alpha=0.15,
                linewidth=0,
            )
        axes.set_title(title)
        layers_below(axes, mean.index)
    grid[0].set_ylabel('test accuracy, %')
    grid[3].set_ylabel('test accuracy, %')
    grid[5].axis('off')
    grid[5].legend(
        *grid[0].get_legend_handles_labels(), loc='center', frameon=False
    )
    return figure


def accuracy(store: str) -> Figure:
    """As ``python -m benchmarks report`` draws it."""
    return report(RESULTS, store=RESULTS / f'{store}.jsonl').figure()


CLOUDS = ('digits-points', 'geometricshapes-points', 'pointclouds-points')
FIGURES = {
    'edges-gains': gains,
    'probe-layers': deep,
    'probe-gcn': gcns,
    'attention-heads': heads,
    'tricks': tricks,
    **{name: partial(accuracy, name) for name in CLOUDS},
}
