"""Of the files of ``python -m benchmarks speed``."""

import json

import pandas as pd
from matplotlib.figure import Figure

from .places import RESULTS
from .plots import GRAPHS, bars, layers_below, legend, look, panels, ratios


def speed(*names: str) -> pd.DataFrame:
    """The rows of some files of ``python -m benchmarks speed``, with NaN
    where they say in words why there is no number.
    """
    files = [RESULTS / f'speed-{name}.json' for name in names]
    texts = [file.read_text(encoding='utf-8') for file in files]
    table = pd.DataFrame(r for t in texts for r in json.loads(t)['rows'])
    peers = [name for name in table if name.endswith('/ ours')]
    table[peers] = table[peers].apply(pd.to_numeric, errors='coerce')
    return table


def epoch() -> Figure:
    """An epoch of PyG's GCN beside ours."""
    figure, grid = panels(1, 3, 3.8, sharey=True)
    for threads, line in (('1-thread', '-'), ('2-threads', ':')):
        table = speed(f'epoch-{threads}')
        for axes, name in zip(grid, GRAPHS, strict=True):
            mine = table[table['dataset'] == name]
            for i, peer in enumerate(('edge_index', 'SparseTensor')):
                axes.plot(
                    mine['depth'],
                    mine[f'{peer} / ours'],
                    **look(i),
                    linestyle=line,
                    label=f'{peer}, {threads.replace("-", " ")}',
                )
            axes.set_title(GRAPHS[name])
            layers_below(axes, mine['depth'])
    ticks = (1, 2, 5, 10, 20, 30)
    grid[0].set_yscale('log')
    grid[0].set_yticks(ticks, map(str, ticks))
    grid[0].minorticks_off()
    grid[0].set_ylabel("time of an epoch, PyG's / ours")
    legend(figure, grid[0], 2)
    return figure


def parts() -> Figure:
    """Dropout and the sparse product beside PyTorch's."""
    figure, [axes] = panels(1, 1, 3.2)
    table = speed('parts-1-thread')
    wide = table.pivot(index='part', columns='dataset', values='torch / ours')
    ratios(axes, [*wide.index], {t: wide[name] for name, t in GRAPHS.items()})
    axes.set_xlabel("time, PyTorch's / ours")
    legend(figure, axes, 3)
    return figure


def reversible() -> Figure:
    """Seconds and memory of reversible stacks and their peers."""
    seconds, memory = 'reversible-seconds', 'reversible-memory'
    tables = {
        's': speed(seconds, f'{seconds}-256', f'{seconds}-1001'),
        'MB': speed(memory, f'{memory}-256').drop_duplicates('depth'),
    }
    peers = {
        'ours': 'ours',
        'pyg': "PyG's GroupAddRev",
        'plain': 'the same, not reversible',
        'checkpoint': 'a checkpoint for each layer',
        'residual': 'residual, of full width',
    }
    figure, grid = panels(1, 2, 3.9)
    for axes, (unit, table) in zip(grid, tables.items(), strict=True):
        for i, (peer, label) in enumerate(peers.items()):
            values = table[f'{peer} {unit}']
            axes.plot(table['depth'], values, **look(i), label=label)
        layers_below(axes, table['depth'])
        axes.set_yscale('log')
        axes.yaxis.set_major_formatter('{x:g}')
    grid[0].set_title('seconds of a training step')
    grid[1].set_title('MB beyond a step of one layer')
    legend(figure, grid[0], 2)
    return figure


def knn() -> Figure:
    """Exact searches of nearest neighbours."""
    figure, [axes] = panels(1, 1, 5.2)
    table = speed('knn-1-thread')
    groups = [
        f'{row.points:,} points{f", {row.clouds} clouds" * (row.clouds > 1)}\n'
        f'{row.dims} dimensions, k = {row.k}'
        for row in table.itertuples()
    ]
    peers = ('scipy', 'pykdtree', 'torch_cluster', 'faiss')
    ratios(axes, groups, {peer: table[f'{peer} / ours'] for peer in peers})
    axes.set_xlabel('time, other exact search / ours')
    legend(figure, axes, 4)
    return figure


def augment() -> Figure:
    """The largest entries of PageRank."""
    figure, [axes] = panels(1, 1, 4)
    names = ('Cora', 'PubMed', 'Physics', 'made, heavy-tailed')
    table = speed(
        'augment-cora',
        'augment-pubmed',
        'augment-physics',
        'augment-169343',
    )
    peers = {
        "PyG's get_ppr": 'get_ppr',
        'powers by scipy': 'scipy',
        "PyG's GDC, approximate": 'GDC approx',
        "PyG's GDC, exact": 'GDC exact',
    }
    ratios(
        axes,
        [
            f'{n}\n{size:,} nodes'
            for n, size in zip(names, table['nodes'], strict=True)
        ],
        {label: table[f'{peer} / ours'] for label, peer in peers.items()},
    )
    axes.set_xlabel("time, other's / ours")
    legend(figure, axes, 2)
    return figure


def measures() -> Figure:
    """Time and memory of measures of over-smoothing."""
    figure, grid = panels(1, 2, 5, sharey=True)
    table = speed('metrics')
    for axes, unit in zip(grid, ('seconds', 'MB'), strict=True):
        bars(axes, [*table['measure']], {unit: table[unit]})
        axes.set_xlabel(unit)
    return figure


FIGURES = {
    'speed-epoch': epoch,
    'speed-parts': parts,
    'speed-reversible': reversible,
    'speed-knn': knn,
    'speed-augment': augment,
    'speed-measures': measures,
}
