"""The curves."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ..output import replacing, shown
from . import facts, style
from .summary import (
    heading,
    limits,
    metric_of,
    nested,
    what_curves_hold,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKER = 6  # points wide
UNDATED = {  # kinds of files, and what leaves the date of drawing out
    'png': None,
    'svg': {'Date': None},
    'pdf': {'CreationDate': None},
}


def figure(
    summary: pd.DataFrame,
    seen: pd.DataFrame | None = None,
    changed: Sequence[str] = (),
) -> 'Figure':
    """The curves, with the receptive field below if it is given, or how much
    outputs depend on what is as far away as the answers, where that is known.
    The title says what was changed from the preset.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({'font.size': 11}):
        far = 'jacobian' in summary
        panels = 1 if seen is None and not far else 2
        out = Figure((7, 3.5 + panels), layout='constrained')
        grid = out.subplots(
            panels,
            sharex=True,
            squeeze=False,
            height_ratios=(4, 2 if far else 1)[:panels],
        )
        axes, *below = grid[:, 0]
        dataset = summary['dataset'].iloc[0]
        marked, luck = facts.marked_depth(summary), facts.guess(dataset)
        for panel in grid[:, 0] if marked else ():
            panel.axvline(marked, color='0.4', linewidth=1, dashes=(2, 2))
        good = summary.assign(wide=nested(summary))[summary['runs'] > 0]
        for method, look in style.looks(good['method']).items():
            curve = good[good['method'] == method]
            axes.plot(
                curve['depth'],
                curve['mean'],
                color=look.color,
                marker=look.marker,
                dashes=look.dash,
                label=look.name,
            )
            for wide, points in curve[curve['wide'] > 1].groupby('wide'):
                axes.plot(
                    points['depth'],
                    points['mean'],
                    color=look.color,
                    marker=look.marker,
                    markersize=wide * MARKER,
                    linestyle='',
                )
            known = curve[curve['verified'] == 'yes']
            axes.plot(
                known['depth'],
                known['published'],
                color=look.color,
                marker=look.marker,
                markerfacecolor='white',
                markersize=9,
                linestyle='',
                zorder=1,
            )
            if 'fixed' in curve:
                axes.plot(
                    curve['depth'],
                    curve['fixed'],
                    color=look.color,
                    linewidth=1,
                    linestyle=':',
                )
            spread = curve['std'].fillna(0.0)
            axes.fill_between(
                curve['depth'],
                curve['mean'] - spread,
                curve['mean'] + spread,
                color=look.color,
                alpha=0.15,
                linewidth=0,
            )
        depths = sorted(summary['depth'].unique())
        axes.set_xscale('log', base=2)
        axes.set_xticks(depths, [str(d) for d in depths])
        axes.minorticks_off()
        for low in below:
            axes.tick_params(labelbottom=True)
            if far:
                _draw_far(low, good)
                away = facts.needed_depth(dataset)
                low.set_ylabel(f'Jacobian\n{away} hops away', fontsize=9)
            else:
                some = seen[seen['hops'] >= summary['depth'].min()]
                low.plot(some['hops'], some['percent'], color='0.4')
                low.set_ylim(0, 105)
                low.set_ylabel('% of nodes\nin reach', fontsize=9)
            low.grid(alpha=0.3)
            low.spines[['top', 'right']].set_visible(False)
        (below or [axes])[-1].set_xlabel('depth (layers or propagation steps)')
        axes.set_ylim(limits(summary, luck))
        axes.set_ylabel(f'test {metric_of(summary).title}')
        _mark(axes, marked, facts.hops(dataset), luck)
        about = what_curves_hold(summary)
        if (good['verified'] == 'yes').any():
            about += '; hollow: published, where verified'
        if 'fixed' in good:
            about += '; dotted: fixed recipe'
        if marked:
            about += f'; dashed: {facts.away(dataset)}'
        if (good['wide'] > 1).any():
            about += '; points in one another: the same mean'
        lines = (shown(heading(summary, changed)), about)
        title = '\n'.join(textwrap.fill(line, 70) for line in lines)
        out.suptitle(title, fontsize=10, x=0.01, ha='left')
        axes.grid(alpha=0.3)
        axes.spines[['top', 'right']].set_visible(False)
        if not good.empty:
            out.legend(loc='outside right center', frameon=False)
    return out


def _mark(
    axes: 'Axes', marked: int | None, hops: str, luck: float | None
) -> None:
    """The depth that is needed, in words, and the score of who guesses, at
    the sides where the axes have no numbers.
    """
    if marked:
        top = axes.secondary_xaxis('top')
        top.set_xticks([marked], [hops], fontsize=9, color='0.4')
        top.minorticks_off()
        top.spines['top'].set_visible(False)
    if luck:
        axes.axhline(luck, color='0.4', linewidth=1, linestyle=':', zorder=1)
        side = axes.secondary_yaxis('right')
        side.set_yticks([luck], ['guess'], fontsize=9, color='0.4')
        side.minorticks_off()
        side.spines['right'].set_visible(False)


def _draw_far(axes: 'Axes', good: pd.DataFrame) -> None:
    """Norms on a logarithmic scale, which those that are zero are not on."""
    axes.set_yscale('log')
    for method, look in style.looks(good['method']).items():
        curve = good[(good['method'] == method) & (good['jacobian'] > 0)]
        axes.plot(
            curve['depth'],
            curve['jacobian'],
            color=look.color,
            marker=look.marker,
            dashes=look.dash,
        )


def draw(
    summary: pd.DataFrame,
    folder: Path,
    seen: pd.DataFrame | None = None,
    changed: Sequence[str] = (),
) -> list[str]:
    """Writes ``curve.png``, ``curve.svg`` and ``curve.pdf``."""
    from matplotlib import rc_context

    with rc_context({'svg.hashsalt': 'pyg_ext'}):
        drawn = figure(summary, seen, changed)
        for kind, undated in UNDATED.items():
            with replacing(folder / f'curve.{kind}') as part:
                drawn.savefig(part, dpi=150, metadata=undated)
    return [f'curve.{kind}' for kind in UNDATED]
