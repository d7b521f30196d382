"""Of time and memory of networks on large graphs."""

import pandas as pd
from matplotlib.figure import Figure

from .plots import layers_below, legend, look, panels
from .speed import speed


def layers() -> Figure:
    """A training step of networks of some layers."""
    table = speed('layers').set_index('kind')
    depths = (2, 4, 8)
    figure, grid = panels(1, 2, 3.9)
    units = {'MB': 'peak of the process, MB', 's': 'a training step, s'}
    for axes, (unit, title) in zip(grid, units.items(), strict=True):
        for i, kind in enumerate(table.index):
            values = table.loc[kind, [f'{unit}, {n} layers' for n in depths]]
            values = pd.to_numeric(values, errors='coerce')  # one failed
            axes.plot(depths, values, **look(i), label=kind)
        axes.set_title(title)
        layers_below(axes, depths)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter('{x:,g}')
    legend(figure, grid[0], 3)
    return figure


FIGURES = {'speed-layers': layers}
