"""How long runs take, as far as other runs tell."""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from .cells import Cell
from .store import Row


class Seconds:
    """The seconds that runs are expected to take.

    A run takes as long as others of its method at its depth; else what a
    line through those at other depths gives; else the mean of what the other
    methods would take.

    Args:
        rows: Runs that were done.
    """

    def __init__(self, rows: Iterable[Row] = ()):
        self._seen: dict[str, dict[int, list[float]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for row in rows:
            self.add(row)

    def add(self, row: Row) -> None:
        """Takes in a run that went well."""
        if row['status'] == 'ok' and row.get('seconds', 0) > 0:
            self._seen[row['method']][row['depth']].append(row['seconds'])

    def of(self, cell: Cell) -> float | None:
        """For a run; nothing if no other is known."""
        if cell.method in self._seen:
            return self._at(cell.method, cell.depth)
        others = [self._at(method, cell.depth) for method in self._seen]
        return float(np.mean(others)) if others else None

    def _at(self, method: str, depth: int) -> float:
        means = {d: np.mean(s) for d, s in self._seen[method].items()}
        if depth in means:
            return float(means[depth])
        depths, seconds = [*means], [*means.values()]
        if len(means) == 1:  # as if all of them were spent in layers
            return float(seconds[0] * depth / depths[0])
        line = np.polyfit(depths, seconds, 1)
        return float(max(np.polyval(line, depth), min(seconds)))
