"""What a sweep gives."""

import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ..errors import check_name
from ..runs.store import Row
from . import curve, files, selection, summary
from .intervals import paired

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Runs:
    """The runs of a sweep, with those of earlier ones that fit beside them.

    Args:
        rows: One for each run, as the store has them.
        folder: Where the store is.
        left_out: What stands in the store besides, in words.
        reach: What :func:`benchmarks.reports.files.reach` gives.
        probed: Runs whose layers were looked at.
        held: What is closed when this goes, such as a temporary folder.
    """

    def __init__(
        self,
        rows: list[Row],
        folder: str | Path,
        left_out: Sequence[str] = (),
        reach: pd.DataFrame | None = None,
        probed: Sequence[Row] = (),
        held: ExitStack | None = None,
    ):
        self.rows = rows
        self.folder = Path(folder)
        self.left_out = [*left_out]
        self.reach = reach
        self.probed = [*probed]
        if held is not None:
            weakref.finalize(self, held.close)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        what = ' and '.join(sorted({row['dataset'] for row in self.rows}))
        return (
            f'{type(self).__name__}({len(self)} runs on {what or "nothing"}, '
            f'{len(self.failed())} failed)'
        )

    def _repr_html_(self) -> str | None:
        return self.table().to_html() if self.rows else None

    def failed(self) -> list[Row]:
        """The runs, and looks at layers, that failed; ``error`` says why."""
        every = (*self.rows, *self.probed)
        return [row for row in every if row['status'] != 'ok']

    def to_pandas(self) -> pd.DataFrame:
        """One line for each run, with all that its row holds; keys of the
        configuration as ``config.KEY``.
        """
        return pd.json_normalize(
            [{k: v for k, v in r.items() if k != 'probe'} for r in self.rows]
        )

    def summary(self) -> pd.DataFrame:
        """One line for each method and depth: the mean test score with its
        standard deviation and 95 % interval, and the published mean if there
        is one for this recipe. Shares are in percent.
        """
        return files.summary_of(self.rows, probed=self.probed)

    def table(self) -> pd.DataFrame:
        """Methods by depths; each cell is ``mean ± standard deviation``."""
        return summary.grid(self.summary())

    def figure(self) -> 'Figure':
        """The curves, as a figure of matplotlib."""
        changed = summary.changes(self.rows)
        return curve.figure(self.summary(), self.reach, changed)

    def compare(self, method: str, other: str) -> pd.DataFrame:
        """The gain of a method over another, in points, at each depth that
        both have: runs are paired by their seeds, and so by their splits.

        Returns:
            For each depth the number of pairs, the mean gain (more is better,
            whatever the metric), its 95 % interval, and the p-value of a
            paired t-test.

        Raises:
            UsageError: If one of them has no run that went well.
        """
        good = [row for row in self.rows if row['status'] == 'ok']
        for name in (method, other):
            there = {row['method'] for row in good}
            check_name('method of these runs', name, there)
        frame = pd.DataFrame(good)
        metric = summary.protocol_of(self.rows[0]).metric
        wide = frame.pivot(
            index=['depth', 'seed'], columns='method', values='test'
        )
        gain = (wide[method] - wide[other]).dropna()
        lines = {
            depth: paired(metric.sign * metric.scale * of_depth)
            for depth, of_depth in gain.groupby('depth')
        }
        return pd.DataFrame.from_dict(lines, 'index').rename_axis('depth')

    def selected(self) -> pd.DataFrame:
        """One line for each method, and one for all of them: in each split the
        depth with the best validation score is tested. Shares are in percent.
        """
        summary.check_one_kind(self.rows)
        return selection.select(self.rows)

    def write(self, folder: str | Path | None = None) -> list[str]:
        """Writes tables, figures and reports, and returns their names.

        Args:
            folder: Where to; by default beside the store.
        """
        return files.write(
            self.rows,
            self.folder if folder is None else folder,
            self.reach,
            self.left_out,
            self.probed,
        )
