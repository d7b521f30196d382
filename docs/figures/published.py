"""Of runs beside published numbers."""

from functools import cache

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.reports import claims, verdict
from benchmarks.reports.published import margins
from benchmarks.reports.style import COLORS, name_of
from benchmarks.runs.store import Row

from .places import RESULTS
from .plots import GRAPHS, legend, look, panels

VERDICTS = ('agrees', 'undecided', 'differs')
CHECKS = ('holds', 'refuted', 'open')


@cache
def rows() -> list[Row]:
    """The committed runs, as ``python -m benchmarks verdict`` reads them."""
    return verdict.read(sorted(RESULTS.glob('*.jsonl')))


def dots(
    axes: Axes, lines: pd.DataFrame, words: tuple[str, ...], labels: list[str]
) -> None:
    """A dot for each line, from the top, with its interval (`reach` to either
    side) and the look of its verdict.
    """
    lines = lines.reset_index(drop=True)
    for i, word in enumerate(words):
        mine = lines[lines['verdict'] == word]
        axes.errorbar(
            mine['difference'],
            mine.index,
            xerr=mine['reach'].fillna(0),
            **look(i),
            linestyle='',
            label=word,
        )
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)


def cells() -> Figure:
    """How far each mean lies from the published one, with 90 % intervals."""
    lines = verdict.judge(rows())
    lines = lines[lines['verdict'].isin(VERDICTS)]
    lines = lines.assign(reach=lines['half90'])
    parts = {
        name: lines[lines['dataset'] == name].sort_values(
            ['method', 'depth', 'preset'], kind='stable'
        )
        for name in GRAPHS
    }
    figure, grid = panels(
        3,
        1,
        9.5,
        sharex=True,
        height_ratios=[*map(len, parts.values())],
    )
    margin = margins()['accuracy']
    for axes, (name, part) in zip(grid, parts.items(), strict=True):
        labels = [
            f'{name_of(line.method)}, {line.depth} ({line.preset})'
            for line in part.itertuples()
        ]
        axes.axvspan(-margin, margin, color='0.5', alpha=0.2, linewidth=0)
        axes.axvline(0, color='0.3', linewidth=1)
        dots(axes, part, VERDICTS, labels)
        axes.set_title(GRAPHS[name])
    grid[-1].set_xlabel('ours - published, points of test accuracy')
    legend(figure, grid[0], 3)
    return figure


def checks() -> Figure:
    """What each claim asks for, and what the runs say."""
    lines = claims.check(rows()).sort_values(['claim', 'dataset'])
    lines['reach'] = (lines['ci95_high'] - lines['ci95_low']) / 2
    large = lines['claim'].str[0].isin(('A', 'B'))
    figure, grid = panels(2, 1, 6.8)
    for axes, part in zip(grid, (lines[large], lines[~large]), strict=True):
        labels = [
            f'{line.claim}, {GRAPHS[line.dataset]}, {line.preset}'
            for line in part.itertuples()
        ]
        axes.axvline(0, color='0.3', linewidth=1)
        axes.plot(
            part['at_least'],
            range(len(part)),
            '|',
            color=COLORS[-1],
            markersize=11,
            markeredgewidth=2.5,
            label='asked for, at least',
        )
        dots(axes, part, CHECKS, labels)
    grid[1].set_xlabel('difference in points of test accuracy')
    legend(figure, grid[1], 4)
    return figure


FIGURES = {'published-cells': cells, 'claims': checks}
