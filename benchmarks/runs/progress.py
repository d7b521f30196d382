"""What a sweep does now, how far it is, and the screen over it."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from ..data import protocols
from ..output import console, shown
from .cells import Cell
from .expected import Seconds
from .identity import key
from .store import Row

OFTEN = 5.0  # seconds between what a listener hears, at least
SHARE = 20  # of the time, a listener takes one in so many at most


@dataclass(frozen=True)
class State:
    """How far a sweep is."""

    total: int  # runs in all
    done: int  # of them in the store, failed ones among them
    failed: int
    running: tuple[Cell, ...]
    seconds_left: float | None  # None as long as nothing is known of it


Listener = Callable[[list[Row], State | None], None]


class Watch:
    """Follows a sweep.

    Args:
        cells: All runs.
        stored: Those that were there before.
        listener: Hears of the rows so far and of the state when something
            has changed and some seconds have passed, and with no state at the
            end of a sweep that is stopped.
        clock: Gives the time in seconds.
    """

    def __init__(
        self,
        cells: list[Cell],
        stored: list[Row],
        listener: Listener | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.rows = [*stored]
        self.stored = len(stored)
        self._total = len(cells)
        known = {key(row) for row in stored}
        names = {key(cell.row()): cell for cell in cells}
        self._todo = {k: cell for k, cell in names.items() if k not in known}
        self._running: dict[tuple, float] = {}  # since when
        self._seconds = Seconds(stored)
        self._worked = 0.0  # seconds that runs have taken, of those done here
        self._clock, self._began = clock, clock()
        self._listener, self._next = listener, self._began

    def start(self, cell: Cell) -> None:
        """A run begins."""
        self._running[key(cell.row())] = self._clock()
        self._tell()

    def end(self, row: Row) -> None:
        """A run is done."""
        self.rows.append(row)
        self._running.pop(key(row), None)
        self._todo.pop(key(row), None)
        self._worked += row.get('seconds', 0.0)
        self._seconds.add(row)
        self._tell()

    def state(self) -> State:
        """How far the sweep is now."""
        return State(
            self._total,
            len(self.rows),
            sum(row['status'] != 'ok' for row in self.rows),
            tuple(self._todo[k] for k in self._running if k in self._todo),
            self._left(),
        )

    def _left(self) -> float | None:
        """What is left of expected work, at the speed of this sweep so far:
        of several processes, with all that comes on top of training.
        """
        now, left, worked = self._clock(), 0.0, self._worked
        for name, cell in self._todo.items():
            expected = self._seconds.of(cell)
            if expected is None:
                return None
            if name in self._running:
                used = min(now - self._running[name], expected)
                worked, expected = worked + used, expected - used
            left += expected
        if not self._todo:
            return 0.0
        if not worked:
            return None
        return left * (now - self._began) / worked

    def _tell(self) -> None:
        now = self._clock()
        if self._listener is None or now < self._next:
            return
        self._listener(self.rows, self.state())
        took = self._clock() - now
        self._next = now + took + max(OFTEN, SHARE * took)

    def stop(self) -> None:
        """The sweep ends before its time."""
        if self._next > self._began:  # it has heard of the sweep
            self._listener(self.rows, None)


class Left(ProgressColumn):
    """The time left, and what runs now."""

    def __init__(self, watch: Watch):
        super().__init__()
        self.watch = watch

    def render(self, task: Task) -> Text:
        """Of this moment."""
        state = self.watch.state()
        left = 'ETA -:--:--'
        if state.seconds_left is not None:
            minutes, seconds = divmod(round(state.seconds_left), 60)
            hours, minutes = divmod(minutes, 60)
            left = f'ETA {hours}:{minutes:02}:{seconds:02}'
        now = ', '.join(
            f'{shown(cell.method)} {cell.depth}' for cell in state.running
        )
        return Text(
            f'{left}  now: {now}' if now else left, overflow='ellipsis'
        )


def show(rows: Iterable[Row], watch: Watch) -> None:
    """Takes the rows as they come, and says what they hold.

    Args:
        rows: What the sweep yields.
        watch: What follows it.
    """
    total = watch.state().total
    bar = Progress(
        TextColumn('{task.description}'),
        BarColumn(20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        Left(watch),
        console=console,
    )
    scores: dict[tuple, list[float]] = defaultdict(list)
    for row in watch.rows:
        if row['status'] == 'ok':
            scores[_but_for_seed(row)].append(score(row))
    if watch.stored:
        console.print(f'{watch.stored} of {total} runs are in the store')
    else:
        console.print(f'{total} runs to do')
    with bar:
        task = bar.add_task('runs', total=total, completed=watch.stored)
        for row in rows:
            done = scores[_but_for_seed(row)]
            ok = row['status'] == 'ok'
            if ok:
                done.append(score(row))
            style = None if ok else 'red'
            bar.console.print(_line(row, done), style=style)
            bar.advance(task)


def _but_for_seed(row: Row) -> tuple:
    """What the runs have in common whose mean is told."""
    return key({**row, 'seed': 0})


def score(row: Row) -> float:
    """The test score as tables have it."""
    return protocols.find(row['protocol']).metric.scale * row['test']


def _line(row: Row, scores: list[float]) -> str:
    name = f'{row["method"]} depth {row["depth"]} seed {row["seed"]}'
    if row['status'] != 'ok':
        return f'{name}: failed: {shown(row.get("error", "unknown"))}'
    digits = protocols.find(row['protocol']).metric.digits
    return (
        f'{name}: test {score(row):.{digits}f} (mean '
        f'{sum(scores) / len(scores):.{digits}f} of {len(scores)}), '
        f'{row["epochs"]} epochs, {row["seconds"]:.1f} s'
    )
