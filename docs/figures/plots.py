"""What the figures are made of."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.reports import style
from benchmarks.reports.style import COLORS

MARKERS = [*style.MARKERS]
GRAPHS = {'cora': 'Cora', 'citeseer': 'CiteSeer', 'pubmed': 'PubMed'}


def panels(
    rows: int, columns: int, height: float, **kwargs
) -> tuple[Figure, list[Axes]]:
    """A figure, and its axes row by row."""
    figure = Figure((7.5, height), layout='constrained')
    grid = figure.subplots(rows, columns, squeeze=False, **kwargs)
    for axes in grid.flat:
        axes.grid(alpha=0.3)
        axes.spines[['top', 'right']].set_visible(False)
    return figure, [*grid.flat]


def legend(figure: Figure, axes: Axes, columns: int) -> None:
    """One for all panels, below them."""
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc='outside lower center',
        ncols=columns,
        frameon=False,
    )


def look(i: int) -> dict[str, str]:
    """Of the i-th curve of a panel."""
    return {'color': COLORS[i], 'marker': MARKERS[i]}


def layers_below(axes: Axes, depths: Iterable[int]) -> None:
    """A logarithmic axis with these ticks."""
    depths = [*depths]
    axes.set_xscale('log', base=2)
    axes.set_xticks(depths, map(str, depths))
    axes.minorticks_off()
    axes.tick_params(labelbottom=True)
    axes.set_xlabel('layers')


def bars(axes: Axes, groups: list[str], columns: dict[str, pd.Series]) -> None:
    """Bars with their numbers, one of each column in each group."""
    thick = 0.8 / len(columns)
    for i, (label, values) in enumerate(columns.items()):
        places = np.arange(len(groups)) + (i + 0.5) * thick - 0.4
        drawn = axes.barh(places, values, thick, color=COLORS[i], label=label)
        texts = [
            '' if np.isnan(v) else f'{v:,.0f}' if v >= 100 else f'{v:#.3g}'
            for v in values
        ]
        axes.bar_label(drawn, texts, padding=3, fontsize=8)
    axes.margins(x=0.15)
    axes.set_yticks(range(len(groups)), groups)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.grid(axis='y', visible=False)


def ratios(
    axes: Axes, groups: list[str], columns: dict[str, pd.Series]
) -> None:
    """The same on a logarithmic axis from 1 on."""
    axes.set_xscale('log')
    bars(axes, groups, columns)
    axes.set_xlim(left=1)
    axes.xaxis.set_major_formatter('{x:g}')
