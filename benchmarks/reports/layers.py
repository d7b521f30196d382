"""What happens layer by layer, before and after training."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import UsageError
from ..output import replacing
from ..runs.store import Row
from ..training.layers import DRAWN
from . import style, tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Drawn on a linear scale, all others on a logarithmic one:
LINEAR = ('numerical_rank', 'effective_rank', 'linear_probe')
STATES = ('initial', 'trained')
LEAST = 1e-7  # of what entropies lack of one: the rounding of float32
ATTENTION = (
    'Attention: what each head lacks of a plain mean, one minus its relative '
    'entropy, the mean over nodes. Near 0, a head attends to all neighbors '
    'alike, at 1 to one of them.'
)


def _check(row: Row) -> None:
    """Whether a run of the store was looked at."""

    def holds(seen: Any) -> bool:
        heads = seen.get('attention', []) if isinstance(seen, dict) else None
        return (
            isinstance(heads, list)
            and all(isinstance(layer, list) for layer in heads)
            and all(isinstance(v, float | None) for h in heads for v in h)
            and isinstance(seen.get('findings'), list)
            and isinstance(seen.get('layers'), list)
            and all(isinstance(layer, dict) for layer in seen['layers'])
            and all(
                isinstance(layer.get(name), float | int | None)
                for layer in seen['layers']
                for name in ('layer', *DRAWN)
            )
        )

    seen = row.get('probe')
    if not isinstance(seen, dict) or not all(
        map(holds, map(seen.get, STATES))
    ):
        raise UsageError(
            f'the stored run of {row["method"]}, depth {row["depth"]}, seed '
            f'{row["seed"]} has no measures of its layers'
        )


COLUMNS = ('method', 'depth', 'seed', 'state', 'layer', 'module', *DRAWN)


def frame(rows: list[Row]) -> pd.DataFrame:
    """One line for each run, state of training, and layer: none of a network
    without a hidden layer.
    """
    found = [
        {
            'method': row['method'],
            'depth': row['depth'],
            'seed': row['seed'],
            'state': state,
            **layer,
        }
        for row in rows
        if row['status'] == 'ok'
        for state in STATES
        for layer in row['probe'][state]['layers']
    ]
    return pd.DataFrame(found, columns=None if found else COLUMNS)


def far(rows: Iterable[Row]) -> pd.DataFrame:
    """One line for each run whose answers are known to be far away: how much
    a trained output depends on features there, a norm.
    """
    found = [
        (row['method'], row['depth'], row['probe']['trained']['jacobian'][-1])
        for row in rows
        if row['status'] == 'ok' and 'jacobian' in row['probe']['trained']
    ]
    return pd.DataFrame(found, columns=['method', 'depth', 'jacobian'])


def attention(rows: list[Row]) -> pd.DataFrame:
    """One line for each run with attention, state of training, layer and
    head: its relative entropy, and what that lacks of one.
    """
    columns = ('method', 'depth', 'seed', 'state', 'layer', 'head', 'entropy')
    lines = pd.DataFrame(
        [
            (row['method'], row['depth'], row['seed'], state, *place, value)
            for row in rows
            if row['status'] == 'ok'
            for state in STATES
            for place, value in np.ndenumerate(
                np.array(row['probe'][state].get('attention', []), float)
            )
        ],
        columns=columns,
    )
    return lines.assign(divergence=(1 - lines['entropy']).clip(lower=LEAST))


def findings(good: list[Row]) -> list[list[str]]:
    """What was found in each run, before and after, and its score."""
    return [
        [
            row['method'],
            str(row['depth']),
            *(_found(row['probe'][state]) for state in STATES),
            f'{100 * row["test"]:.1f}',
        ]
        for row in sorted(good, key=lambda r: (r['method'], r['depth']))
    ]


def _found(state: Row) -> str:
    if not state['layers']:
        return 'no hidden layer'
    return ', '.join(map(str, state['findings'])) or 'nothing'


def draw(lines: pd.DataFrame, method: str, folder: Path) -> str:
    """Writes a heat map of each measure, depths by layers, before and after
    training, and returns the file's name.
    """
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.figure import Figure

    mine = lines[lines['method'] == method]
    depths = sorted(mine['depth'].unique())
    size = (len(DRAWN) * 1.9, 1.1 + 2 * (0.9 + 0.22 * len(depths)))
    figure = Figure(size, layout='constrained')
    grid = figure.subplots(len(STATES), len(DRAWN), sharey=True)
    for column, name in enumerate(DRAWN):
        values = mine[name].astype(float)
        values = values[values > 0] if name not in LINEAR else values
        kind = Normalize if name in LINEAR else LogNorm
        low, high = values.min(), values.max()
        norm = kind(low, high) if low < high else None
        for axes, state in zip(grid[:, column], STATES, strict=True):
            wide = mine[mine['state'] == state].pivot_table(
                index='depth', columns='layer', values=name, dropna=False
            )
            wide = wide.reindex(depths).astype(float)
            image = axes.pcolormesh(
                np.arange(wide.shape[1] + 1) - 0.5,
                np.arange(len(depths) + 1) - 0.5,
                wide.to_numpy(),
                norm=norm,
                cmap='viridis',
            )
            axes.set_facecolor('0.92')
            axes.set_yticks(range(len(depths)), [str(d) for d in depths])
            if column == 0:
                axes.set_ylabel(f'{state}\ndepth')
            if state == STATES[0]:
                axes.set_title(name.replace('_', ' '), fontsize=9)
            else:
                axes.set_xlabel('layer')
        if norm is not None:
            figure.colorbar(image, ax=grid[:, column], location='bottom')
    file = f'probe-{method}.png'
    with replacing(folder / file) as part:
        figure.savefig(part, dpi=110)
    return file


def attention_figure(lines: pd.DataFrame, method: str) -> 'Figure':
    """What each head lacks of a plain mean against the layer, before and
    after training, a panel for each depth.
    """
    from matplotlib.figure import Figure

    mine = lines[lines['method'] == method]
    depths = sorted(mine['depth'].unique())
    widths = [max(depth, 4) for depth in depths]
    figure = Figure((1.5 + 0.35 * sum(widths), 3), layout='constrained')
    grid = figure.subplots(
        1, len(depths), sharey=True, squeeze=False, width_ratios=widths
    )[0]
    looks = dict(zip(STATES, ('0.65', style.COLORS[0]), strict=True))
    for axes, depth in zip(grid, depths, strict=True):
        for state, color in looks.items():
            part = mine[(mine['depth'] == depth) & (mine['state'] == state)]
            heads = part.pivot_table(
                index='layer',
                columns='head',
                values='divergence',
                dropna=False,
            )
            labels = [state, *['_'] * (heads.shape[1] - 1)]
            axes.plot(heads, '.-', color=color, linewidth=0.6, label=labels)
        axes.set_title(f'depth {depth}', fontsize=9)
        axes.set_xlabel('layer')
        axes.set_xlim(-0.5, depth - 0.5)
        axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_yscale('log')
    axes.set_ylim(LEAST / 2, 2)
    grid[0].set_ylabel('1 - relative entropy')
    figure.legend(
        *grid[0].get_legend_handles_labels(), loc='outside upper left', ncols=2
    )
    return figure


def draw_attention(lines: pd.DataFrame, method: str, folder: Path) -> str:
    """Writes the figure of a method, and returns the file's name."""
    file = f'attention-{method}.png'
    with replacing(folder / file) as part:
        attention_figure(lines, method).savefig(part, dpi=110)
    return file


def write(rows: list[Row], folder: Path) -> tuple[list[str], list[str]]:
    """Writes ``probe.csv`` and a figure for each method, and of attention
    ``attention.csv`` and such figures; returns the lines of a page on them,
    and the names of the files: none of either if no run was looked at.
    """
    good = [row for row in rows if row['status'] == 'ok']
    for row in good:
        _check(row)
    if not good:
        return [], []
    lines = frame(good)
    tables.write_csv(lines, folder / 'probe.csv', '%.6g')
    figures = {
        method: draw(lines, method, folder)
        for method in dict.fromkeys(lines['method'])
    }
    head = ('method', 'depth', *STATES, 'test %')
    text = [
        '',
        '## Layer by layer',
        '',
        'One run each (seed 0), in evaluation, with gradients of the training '
        'loss; `initial` before and `trained` after the last epoch. What '
        '`diagnose` finds:',
        '',
        *tables.page(head, findings(good)),
        '',
        *(f'![layers of {m}]({file})\n' for m, file in figures.items()),
    ]
    files = ['probe.csv', *figures.values()]
    heads = attention(good)
    if len(heads):
        tables.write_csv(heads, folder / 'attention.csv', '%.8g')
        figures = {
            method: draw_attention(heads, method, folder)
            for method in dict.fromkeys(heads['method'])
        }
        text += [
            '',
            ATTENTION,
            '',
            *(f'![attention of {m}]({file})\n' for m, file in figures.items()),
        ]
        files += ['attention.csv', *figures.values()]
    return text, files
