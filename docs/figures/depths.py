"""Of scores against depth."""

from collections.abc import Callable

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.reports import style
from benchmarks.reports.curve import figure
from benchmarks.reports.files import summary_of
from benchmarks.reports.intervals import interval
from benchmarks.reports.published import reference
from benchmarks.reports.style import COLORS

from .places import DOCS
from .plots import GRAPHS, layers_below, legend, look, panels
from .runs import stored


def std(scores: pd.Series) -> float:
    """Of a sample; NaN of one."""
    return scores.std()


def half(scores: pd.Series) -> float:
    """Half of the 95 % interval of a mean."""
    low, high = interval(scores)
    return (high - low) / 2


def curve(
    axes: Axes,
    runs: pd.DataFrame,
    color: str,
    marker: str,
    spread: Callable[[pd.Series], float] = std,
    **kwargs,
) -> None:
    """Mean and spread of test scores, by depth."""
    cells = runs.groupby('depth')['test']
    mean, band = cells.mean(), cells.agg(spread)
    axes.plot(mean.index, mean, color=color, marker=marker, **kwargs)
    axes.fill_between(
        mean.index,
        mean - band,
        mean + band,
        color=color,
        alpha=0.15,
        linewidth=0,
    )


def percent(rows: list[dict]) -> pd.DataFrame:
    """Runs with their scores in percent."""
    table = pd.DataFrame(rows)
    table['test'] *= 100
    return table


def curves() -> Figure:
    """Preset ``classic``."""
    cora = percent(stored('cora-classic'))
    runs = cora.groupby('method')['seed'].nunique()
    many = runs.index[runs >= 5]
    few = ['gcn', *runs.index[runs < 5]]
    figure, grid = panels(2, 2, 6.6)
    titles = ('Cora, 5 or 10 runs', 'Cora, 1 or 2 runs, beside GCN')
    for axes, title, methods in zip(grid, titles, (many, few), strict=False):
        for method, like in style.looks(methods).items():
            mine = cora[cora['method'] == method]
            curve(axes, mine, like.color, like.marker, label=like.name)
        axes.set_title(title)
        layers_below(axes, sorted(cora['depth'].unique()))
        axes.set_xlabel('depth')
    for i, (name, label) in enumerate(GRAPHS.items()):
        table = percent(stored(f'{name}-classic'))
        mine = table[table['method'] == 'gcn']
        curve(grid[2], mine, **look(i), label=label)
    grid[2].set_title('GCN')
    layers_below(grid[2], sorted(cora['depth'].unique()))
    deep = percent(stored('cora-revgcn'))
    curve(grid[3], deep, **look(0))
    grid[3].set_title('RevGCN on Cora, 1 to 3 runs')
    layers_below(grid[3], sorted(deep['depth'].unique()))
    for axes in grid:
        axes.set_ylim(0, 90)
    for axes, place in zip(
        grid, ('lower left', (0.58, 0.4), 'upper right'), strict=False
    ):
        axes.legend(frameon=False, fontsize=8, loc=place)
    grid[0].set_ylabel('test accuracy, %')
    grid[2].set_ylabel('test accuracy, %')
    return figure


def regimes() -> Figure:
    """The plain GCN by decay and dropout, and how four of them train."""
    figure, grid = panels(1, 3, 3.6)
    runs = pd.json_normalize(
        percent(stored('cora-regimes')).to_dict('records')
    )
    runs = runs[
        (runs['config.hidden_channels'] == 64)
        & ~runs['config.row_normalize']
        & (runs['depth'] <= 32)
    ]
    trace = pd.read_csv(DOCS / 'results' / 'regimes.csv')
    styles = {0.0: '-', 0.5: '--', 0.8: ':'}
    colors = {(0.0, 0): COLORS[0], (5e-4, 0): COLORS[1], (5e-4, 50): COLORS[2]}
    runs = runs[runs['config.weight_decay'].isin((0.0, 5e-4))]
    for (decay, dropout), mine in runs.groupby(
        ['config.weight_decay', 'config.dropout']
    ):
        mean = mine.groupby('depth')['test'].mean()
        grid[0].plot(
            mean.index,
            mean,
            color=colors[decay, 0],
            linestyle=styles[dropout],
            marker='o',
            label=f'decay {decay:g}, dropout {dropout:g}',
        )
    for (decay, dropout, start), mine in trace.groupby(
        ['weight_decay', 'dropout', 'start']
    ):
        middle = mine.groupby('epoch').median()
        like = {'color': colors[decay, start], 'linestyle': styles[dropout]}
        for axes, name in zip(
            grid[1:], ('singular_value', 'gradient_first'), strict=True
        ):
            axes.plot(middle.index, middle[name], **like)
        if start:
            label = f'decay {decay:g} late'
            grid[0].plot([], label=f'{label}, dropout {dropout:g}', **like)
    known = reference()
    printed = known[
        (known['preset'] == 'dropedge')
        & (known['dataset'] == 'cora')
        & (known['method'] == 'gcn')
        & (known['depth'] <= 32)
    ]
    grid[0].plot(
        printed['depth'],
        printed['mean'],
        color='0.4',
        marker='o',
        markerfacecolor='none',
        linestyle='none',
        label='DropEdge, in print',
    )
    layers_below(grid[0], printed['depth'])
    grid[0].set_title('test accuracy, %', fontsize=10)
    grid[1].set_title(
        '16 layers: largest singular\nvalue of the weights', fontsize=10
    )
    grid[2].set_title('16 layers: gradient at\nthe first state', fontsize=10)
    grid[2].set_yscale('log')
    grid[2].set_ylim(bottom=1e-20)
    for axes in grid[1:]:
        axes.set_xlabel('epoch')
    legend(figure, grid[0], 3)
    return figure


def tuned() -> Figure:
    """Tuned at each depth, beside a fixed recipe and published numbers."""
    runs, fixed = (percent(stored(f'cora-{n}')) for n in ('tuned', 'classic'))
    known = reference().query("dataset == 'cora' and preset == 'dropedge'")
    methods = style.looks(runs['method'].unique())
    down = -(-len(methods) // 4)
    figure, grid = panels(down, 4, 0.6 + 2.5 * down, sharey=True)
    for axes in grid[len(methods) :]:
        axes.remove()
    for axes, (method, like) in zip(grid, methods.items(), strict=False):
        mine, others, printed = (
            table[table['method'] == method] for table in (runs, fixed, known)
        )
        curve(axes, mine, COLORS[0], 'o', half, label='tuned')
        mean = (
            others.groupby('depth')['test'].mean().loc[: mine['depth'].max()]
        )
        axes.plot(mean, ':', color='0.4', marker='.', label='fixed recipe')
        printed = printed[printed['depth'] <= mine['depth'].max()]
        axes.plot(
            printed['depth'],
            printed['mean'],
            color=COLORS[1],
            marker='D',
            markerfacecolor='white',
            linestyle='',
            label='DropEdge, in print',
        )
        axes.set_title(like.name)
        layers_below(axes, sorted(mine['depth'].unique()))
        axes.set_xlabel('layers')
    for axes in grid[::4]:
        axes.set_ylabel('test accuracy, %')
    legend(figure, grid[0], 3)
    return figure


def far() -> Figure:
    """The class of the node opposite in a ring, as a report draws it."""
    probes = stored('ring-transfer-probe')
    return figure(summary_of(stored('ring-transfer'), probed=probes))


def rewired() -> Figure:
    """The class of the node at the end of a path, with edges added or not."""
    shown = ('gcn', 'gcn+batch', 'gin', 'gin+virtual', 'gin+sdrf', 'gin+fosr')
    rows = stored('clique-path') + stored('clique-path-rewired')
    return figure(summary_of([r for r in rows if r['method'] in shown]))


def distances() -> Figure:
    """Distances to a marked node; without what gets far worse with depth."""
    left_out = ('gcn+batch', 'drew')
    rows = stored('shortest-paths')
    return figure(summary_of([r for r in rows if r['method'] not in left_out]))


def molecules() -> Figure:
    """Scores of graphs, with 95 % intervals."""
    names = {
        'ogbg-molbace': 'molbace, ROC-AUC in %',
        'ogbg-molbbbp': 'molbbbp, ROC-AUC in %',
        'ogbg-molesol': 'molesol, RMSE (less: better)',
    }
    table = pd.DataFrame(stored('molecules'))
    table.loc[table['metric'] == 'rocauc', 'test'] *= 100
    figure, grid = panels(1, 3, 3.6)
    for axes, (name, title) in zip(grid, names.items(), strict=True):
        part = table[table['dataset'] == name]
        for i, method in enumerate(style.in_order(table['method'])):
            mine = part[part['method'] == method]
            label = style.name_of(method)
            curve(axes, mine, **look(i), spread=half, label=label)
        axes.set_title(title, fontsize=10)
        layers_below(axes, sorted(table['depth'].unique()))
    grid[2].set_ylim(0.8, 3.6)  # without the 14.2 of 16 layers
    legend(figure, grid[2], 4)
    return figure


FIGURES = {
    'depth-curves': curves,
    'regimes': regimes,
    'molecules': molecules,
    'ring-transfer': far,
    'clique-path': rewired,
    'shortest-paths': distances,
    'cora-tuned': tuned,
}
