"""What happens layer by layer, before and after training."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import UsageError
from ..output import replacing
from ..runs.store import Row
from ..training.layers import DRAWN
from . import tables

# Drawn on a linear scale, all others on a logarithmic one:
LINEAR = ('numerical_rank', 'effective_rank', 'linear_probe')
STATES = ('initial', 'trained')


def _check(row: Row) -> None:
    """Whether a run of the store was looked at."""

    def holds(seen: Any) -> bool:
        return (
            isinstance(seen, dict)
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


def frame(rows: list[Row]) -> pd.DataFrame:
    """One line for each run, state of training, and layer."""
    return pd.DataFrame(
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
    )


def findings(good: list[Row]) -> list[list[str]]:
    """What was found in each run, before and after, and its score."""
    return [
        [
            row['method'],
            str(row['depth']),
            *(
                ', '.join(map(str, row['probe'][state]['findings']))
                or 'nothing'
                for state in STATES
            ),
            f'{100 * row["test"]:.1f}',
        ]
        for row in sorted(good, key=lambda r: (r['method'], r['depth']))
    ]


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


def write(rows: list[Row], folder: Path) -> tuple[list[str], list[str]]:
    """Writes ``probe.csv`` and a figure for each method; returns the lines
    of a page on them, and the names of the files: none of either if no run
    was looked at.
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
    return text, ['probe.csv', *figures.values()]
