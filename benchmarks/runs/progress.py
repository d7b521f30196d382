"""A live bar over a sweep, with the running means."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ..data import protocols
from ..output import console, shown
from .cells import Cell
from .store import Row


@dataclass(frozen=True)
class State:
    """How far a sweep is."""

    total: int  # runs in all
    done: int  # of them in the store, failed ones among them
    failed: int
    running: tuple[Cell, ...]
    seconds_left: float | None  # None as long as nothing is known of it


def watch(rows: Iterable[Row], stored: list[Row], total: int) -> None:
    """Takes the rows as they come, and says what they hold.

    Args:
        rows: What the sweep yields.
        stored: What was there before.
        total: How many there will be in all.
    """
    bar = Progress(
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn('ETA'),
        TimeRemainingColumn(),
        console=console,
    )
    scores: dict[tuple[str, int], list[float]] = defaultdict(list)
    for row in stored:
        if row['status'] == 'ok':
            scores[row['method'], row['depth']].append(score(row))
    if stored:
        console.print(f'{len(stored)} of {total} runs are in the store')
    with bar:
        task = bar.add_task('runs', total=total, completed=len(stored))
        for row in rows:
            done = scores[row['method'], row['depth']]
            ok = row['status'] == 'ok'
            if ok:
                done.append(score(row))
            style = None if ok else 'red'
            bar.console.print(_line(row, done), style=style)
            bar.advance(task)


def score(row: Row) -> float:
    """The test score as tables have it."""
    return protocols.find(row['protocol']).metric.scale * row['test']


def _line(row: Row, scores: list[float]) -> str:
    name = f'{row["method"]} depth {row["depth"]} seed {row["seed"]}'
    if row['status'] != 'ok':
        return f'{name}: failed: {shown(row.get("error", "unknown"))}'
    return (
        f'{name}: test {score(row):.2f} (mean '
        f'{sum(scores) / len(scores):.2f} of {len(scores)}), '
        f'{row["epochs"]} epochs, {row["seconds"]:.1f} s'
    )
