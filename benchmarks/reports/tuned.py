"""What a tuned sweep gives: its curve, and what the tuning was like."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd

from ..data import protocols
from ..output import make_folder
from ..runs.identity import key
from ..runs.search import Search
from . import files, style, tables
from .outcome import Runs

FILE = 'tuning.csv'
COLUMNS: tables.Columns = {
    'method': style.name_of,
    'depth': str,
    'val': '{:.2f}'.format,
    'test': '{:.2f}'.format,
    'best_test': '{:.2f}'.format,
    'optimism': '{:.2f}'.format,
    'trials': str,
    'failed': str,
    'pruned': str,
    'seconds': '{:.0f}'.format,
}
ABOUT = (
    'Of each method at each depth, the candidate with the best mean '
    'validation score was taken, by seeds that are used for nothing else: '
    'val and test are its scores there. best_test is the best mean test score '
    'of all complete trials, which nobody may choose by; optimism is how much '
    'better a report of it would look.'
)


def tuning(searches: Iterable[Search]) -> pd.DataFrame:
    """A line for each method and depth: how its candidates did, scores as
    tables have them.
    """
    return pd.DataFrame(map(_line, searches))


def _line(search: Search) -> dict[str, object]:
    metric = protocols.find(search.trials[0].cells[0].protocol).metric
    complete = [t for t in search.trials if t.state == 'complete']
    best = search.best()
    tests = [trial.mean('test') for trial in complete]
    val = test = top = np.nan
    if best is not None:
        val, test = best.mean('val'), best.mean('test')
        top = metric.sign * max(metric.sign * score for score in tests)
    runs = {key(r): r for trial in search.trials for r in trial.rows}
    states = [trial.state for trial in search.trials]
    return {
        'method': search.method,
        'depth': search.depth,
        'val': metric.scale * val,
        'test': metric.scale * test,
        'best_test': metric.scale * top,
        'optimism': metric.scale * metric.sign * (top - test),
        'trials': len(states),
        'failed': states.count('failed'),
        'pruned': states.count('pruned'),
        'seconds': sum(row.get('seconds', 0.0) for row in runs.values()),
    }


class TunedRuns(Runs):
    """The runs of a tuned sweep.

    Args:
        runs: The runs, each with the recipe that was chosen.
        tuning: What :func:`tuning` gives.
        preset: The file with the recipes that were chosen.
        notes: What is to be said of the search, in words.
        fixed: The summary of runs with a recipe that was not tuned.
        held: As of :class:`Runs`.
    """

    def __init__(
        self,
        runs: Runs,
        tuning: pd.DataFrame,
        preset: Path,
        notes: Sequence[str] = (),
        fixed: pd.DataFrame | None = None,
        held: ExitStack | None = None,
    ):
        super().__init__(
            runs.rows, runs.folder, runs.left_out, runs.reach, (), held
        )
        self.tuning = tuning
        self.preset = preset
        self.notes = [*notes]
        self.fixed = fixed

    def summary(self) -> pd.DataFrame:
        """As of a sweep; with the means of the recipe that was not tuned as
        ``fixed``, if they are given.
        """
        return files.summary_of(self.rows, self.fixed)

    def write(self, folder: str | Path | None = None) -> list[str]:
        """Writes tables, figures and reports, and returns their names.

        Args:
            folder: Where to; by default beside the store.
        """
        folder = make_folder(self.folder if folder is None else folder)
        tables.write_csv(self.tuning, folder / FILE, '%.4f')
        written = files.write(
            self.rows,
            folder,
            self.reach,
            self.left_out,
            self.probed,
            self.sections(),
            self.fixed,
        )
        return [*written, FILE]

    def sections(self) -> list[tables.Section]:
        """The tables beside that of the sweep."""
        out = []
        if self.fixed is not None:
            out.append(self._beside_fixed())
        lines = tables.cells(self.tuning, COLUMNS)
        text = [ABOUT, *self.notes]
        numbers = range(1, len(COLUMNS))
        out.append(tables.Section('Tuning', text, [*COLUMNS], lines, numbers))
        return out

    def _beside_fixed(self) -> tables.Section:
        lines = self.summary().dropna(subset='fixed')
        preset = self.fixed['preset'].iloc[0]
        return tables.Section(
            'Tuned and not tuned',
            [
                f'Beside runs with the recipe of preset {preset}, which was '
                f'not tuned here (dotted in the figure).'
            ],
            ('method', 'depth', 'tuned', 'not tuned', 'difference'),
            [
                (
                    style.name_of(line.method),
                    f'{line.depth}',
                    f'{line.mean:.2f}',
                    f'{line.fixed:.2f}',
                    f'{line.mean - line.fixed:+.2f}',
                )
                for line in lines.itertuples()
            ],
            range(1, 5),
        )
