"""The curves."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ..output import replacing, shown
from .summary import metric_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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


def figure(
    summary: pd.DataFrame, seen: pd.DataFrame | None = None
) -> 'Figure':
    """The curves, with the receptive field below if it is given."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    first = summary.iloc[0]
    with rc_context({'font.size': 11}):
        panels = 1 if seen is None else 2
        out = Figure((7, 3.5 + panels), layout='constrained')
        grid = out.subplots(
            panels,
            sharex=True,
            squeeze=False,
            height_ratios=(4, 1)[:panels],
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
                label=shown(method),
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
        axes.set_ylabel(f'test {metric_of(summary).title}')
        low, high = good['runs'].min(), good['runs'].max()
        runs = f'{low}' if low == high else f'{low} to {high}'
        if (good['verified'] == 'yes').any():
            runs += ' seeds; hollow: published, where verified'
        else:
            runs += ' seeds'
        axes.set_title(
            f'{shown(first["dataset"])}, {shown(first["protocol"])}, preset '
            f'{shown(first["preset"])}\nmean ± std of {runs}',
            fontsize=10,
        )
        axes.grid(alpha=0.3)
        axes.spines[['top', 'right']].set_visible(False)
        if not good.empty:
            out.legend(loc='outside right center', frameon=False)
    return out


def draw(
    summary: pd.DataFrame, folder: Path, seen: pd.DataFrame | None = None
) -> None:
    """Writes ``curve.png`` and ``curve.svg``."""
    from matplotlib import rc_context

    with rc_context({'svg.hashsalt': 'pyg_ext'}):
        drawn = figure(summary, seen)
        for kind in ('png', 'svg'):
            with replacing(folder / f'curve.{kind}') as part:
                drawn.savefig(
                    part,
                    dpi=150,
                    metadata={'Date': None} if kind == 'svg' else None,
                )
