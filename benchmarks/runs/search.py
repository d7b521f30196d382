"""A search for what to set, of a method at a depth: by optuna, with the runs
of a store for its memory.

All draws of a trial are seeded by its number. So the same search over the
same runs is the same again: it goes on where it was stopped, and each method
and depth is offered the same candidates at random.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data import protocols
from ..errors import UsageError, check_name
from ..output import replacing
from ..recipes.spaces import Domain, Range
from ..values import nested
from . import tuning
from .cells import Cell
from .identity import key
from .store import Row

if TYPE_CHECKING:
    import optuna

SAMPLERS = ('random', 'tpe')
PRUNERS = ('none', 'median', 'hyperband')
TOGETHER = 5  # trials of a search at a time, where they learn from earlier

Run = Callable[[list[Cell]], list[Row]]


def load() -> Any:
    """Returns optuna.

    Raises:
        UsageError: If it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise UsageError(
            'tuning needs optuna: pip install pyg-ext[tune]'
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


@dataclass
class Trial:
    """A candidate that is tried.

    Args:
        change: What it sets.
        cells: Its runs, one for each seed.
        state: ``open``, ``complete``, ``pruned`` or ``failed``.
        rows: The runs that are done.
    """

    change: dict[str, Any]
    cells: list[Cell]
    state: str = 'open'
    rows: list[Row] = field(default_factory=list)

    def mean(self, score: str) -> float:
        """The mean of a score over its runs."""
        return sum(row[score] for row in self.rows) / len(self.rows)


class Search:
    """Tries candidates for a method at a depth, and keeps the trials.

    Args:
        domains: What is tried of each key.
        plan: The runs of a candidate.
        sampler: One of :obj:`SAMPLERS`.
        pruner: One of :obj:`PRUNERS`; it looks at a trial between its seeds.
    """

    def __init__(
        self,
        domains: Mapping[str, Domain],
        plan: Callable[[dict[str, Any]], list[Cell]],
        sampler: str = 'random',
        pruner: str = 'none',
    ):
        check_name('sampler', sampler, SAMPLERS)
        check_name('pruner', pruner, PRUNERS)
        self.optuna = load()
        self.domains, self.plan = domains, plan
        self.sampler, self.pruner = sampler, pruner
        cells = plan(next(ends(domains)))
        self.method, self.depth = cells[0].method, cells[0].depth
        self.seeds, self.protocol = len(cells), cells[0].protocol
        self.sign = protocols.find(self.protocol).metric.sign
        self.trials: list[Trial] = []
        self.storage = self.optuna.storages.InMemoryStorage()
        self.study = self.optuna.create_study(
            storage=self.storage,
            study_name=f'{self.method} {self.depth}',
            direction='maximize',
            pruner=self._pruner(),
        )

    def _pruner(self) -> 'optuna.pruners.BasePruner':
        if self.pruner == 'median':
            return self.optuna.pruners.MedianPruner()
        if self.pruner == 'hyperband':
            return self.optuna.pruners.HyperbandPruner(
                max_resource=self.seeds, reduction_factor=2
            )
        return self.optuna.pruners.NopPruner()

    def best(self) -> Trial | None:
        """The complete trial with the best mean score on validation, if
        there is one.
        """
        complete = [t for t in self.trials if t.state == 'complete']
        if not complete:
            return None
        rows = [row for trial in complete for row in trial.rows]
        cells = tuning.best([trial.cells for trial in complete], rows)
        return next(t for t in complete if t.cells is cells)

    def ask(self) -> tuple[Trial, 'optuna.Trial']:
        """The next trial, as we and as optuna have it."""
        number = len(self.trials)
        samplers = self.optuna.samplers
        self.study.sampler = (
            samplers.TPESampler(seed=number)
            if self.sampler == 'tpe'
            else samplers.RandomSampler(seed=number)
        )
        asked = self.study.ask()
        change = nested(
            {name: _draw(asked, name, d) for name, d in self.domains.items()}
        )
        self.trials.append(Trial(change, self.plan(change)))
        return self.trials[-1], asked

    def tell(
        self, trial: Trial, asked: 'optuna.Trial', rows: Mapping[tuple, Row]
    ) -> None:
        """Takes in what runs of a trial have given, and ends it if it is
        done, or not worth more.
        """
        for cell in trial.cells[len(trial.rows) :]:
            row = rows.get(key(cell.row()))
            if row is None:
                break
            trial.rows.append(row)
            if row['status'] != 'ok':
                trial.state = 'failed'
                break
            value = self.sign * trial.mean('val')
            asked.report(value, len(trial.rows))
        states = self.optuna.trial.TrialState
        if trial.state == 'failed':
            self.study.tell(asked, state=states.FAIL)
        elif len(trial.rows) == len(trial.cells):
            trial.state = 'complete'
            self.study.tell(asked, value)
        elif asked.should_prune():
            trial.state = 'pruned'
            self.study.tell(asked, state=states.PRUNED)


def search(searches: Sequence[Search], trials: int, run: Run) -> None:
    """Makes so many trials in each search, side by side.

    Args:
        searches: The searches, none of which has a trial, with one sampler
            and one pruner.
        trials: How many each makes, those that fail among them.
        run: Does the runs that are not done, and returns the rows of all.
    """
    seeds, prunes = searches[0].seeds, searches[0].pruner != 'none'
    learns = prunes or searches[0].sampler == 'tpe'
    some = TOGETHER if learns else trials
    for first in range(0, trials, some):
        asked = [
            (search, *search.ask())
            for search in searches
            for _ in range(min(some, trials - first))
        ]
        # Seed by seed where a pruner looks in between, or all at once:
        for end in range(1, seeds + 1) if prunes else [seeds]:
            open_ = [one for one in asked if one[1].state == 'open']
            cells = {
                key(cell.row()): cell
                for _, trial, _ in open_
                for cell in trial.cells[len(trial.rows) : end]
            }
            rows = {key(row): row for row in run([*cells.values()])}
            for one, trial, theirs in open_:
                one.tell(trial, theirs, rows)


def ends(domains: Mapping[str, Domain]) -> Iterator[dict[str, Any]]:
    """Candidates that have each value of a list, and both ends of a range:
    the first of each key, then the others of one key each.
    """
    listed: dict[str, Sequence[Any]] = {
        name: [d.low, d.high] if isinstance(d, Range) else d
        for name, d in domains.items()
    }
    first = {name: values[0] for name, values in listed.items()}
    yield nested(first)
    for name, values in listed.items():
        for value in values[1:]:
            yield nested({**first, name: value})


def _draw(asked: 'optuna.Trial', name: str, domain: Domain) -> Any:
    """What optuna suggests of a key."""
    if not isinstance(domain, Range):
        # Its choices are texts, numbers or nothing; ours may be lists.
        values = {json.dumps(value): value for value in domain}
        return values[asked.suggest_categorical(name, [*values])]
    if domain.whole:
        return asked.suggest_int(
            name,
            domain.low,
            domain.high,
            step=domain.step or 1,
            log=domain.log,
        )
    return asked.suggest_float(
        name, domain.low, domain.high, step=domain.step, log=domain.log
    )


def write_journal(searches: Iterable[Search], path: Path) -> None:
    """Replaces the file in which other tools of optuna find the trials."""
    optuna = load()
    from optuna.storages.journal import JournalFileBackend

    with replacing(path) as part:
        journal = optuna.storages.JournalStorage(JournalFileBackend(str(part)))
        for one in searches:
            optuna.copy_study(
                from_study_name=one.study.study_name,
                from_storage=one.storage,
                to_storage=journal,
            )
