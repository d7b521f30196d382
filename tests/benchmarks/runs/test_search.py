from functools import partial

import pytest

from benchmarks.errors import UsageError
from benchmarks.recipes.spaces import Range
from benchmarks.runs import search
from benchmarks.runs.identity import key

pytest.importorskip('optuna', reason='pip install pyg-ext[tune]')

DOMAINS = {
    'lr': Range(low=0.001, high=0.1, log=True),
    'hidden_channels': Range(low=4, high=64, step=4),
    'dropout': [0.1, 0.5],
}


@pytest.fixture
def plan(cell):
    """The runs of a candidate."""

    def make(method, depth, change):
        return [cell(method, depth, seed, **change) for seed in (1000, 1001)]

    return make


class Runs:
    """Does runs without training: what they score is a function of them."""

    def __init__(self, row, scores):
        self.row, self.scores = row, scores
        self.done = []

    def __call__(self, cells):
        self.done += [key(cell.row()) for cell in cells]
        return [self.make(cell) for cell in cells]

    def make(self, cell):
        scores = self.scores(cell)
        where = {'method': cell.method, 'depth': cell.depth}
        given = {**where, 'seed': cell.seed, 'config': cell.config}
        if scores is None:
            return self.row('failed', **given)
        val, test = scores
        return self.row(val=val, test=test, **given)


def by_lr(cell):
    """The best on validation is the worst on test."""
    return 10 * cell.config['lr'] / 2, 1 - 10 * cell.config['lr'] / 2


def searched(plan, run, trials=12, sampler='random', pruner='none'):
    some = [
        search.Search(DOMAINS, partial(plan, method, depth), sampler, pruner)
        for method in ('gcn', 'resgcn')
        for depth in (2, 4)
    ]
    search.search(some, trials, run)
    return some


@pytest.mark.parametrize('sampler', search.SAMPLERS)
def test_choice_by_validation_alone(plan, row, sampler):
    run = Runs(row, by_lr)
    for one in searched(plan, run, sampler=sampler):
        rates = [trial.change['lr'] for trial in one.trials]
        assert one.best().change['lr'] == max(rates)
        assert one.best().mean('test') == min(
            trial.mean('test') for trial in one.trials
        )
        assert len({*rates}) == 12


@pytest.mark.parametrize('sampler', search.SAMPLERS)
@pytest.mark.parametrize('pruner', search.PRUNERS)
def test_the_same_again(plan, row, sampler, pruner):
    runs = [Runs(row, by_lr) for _ in range(2)]
    some, others = (searched(plan, r, 12, sampler, pruner) for r in runs)
    assert runs[0].done == runs[1].done
    for one, other in zip(some, others, strict=True):
        assert [t.change for t in one.trials] == [
            t.change for t in other.trials
        ]
        assert one.best().change == other.best().change
    longer = searched(plan, Runs(row, by_lr), 20, sampler, pruner)
    for one, other in zip(some, longer, strict=True):
        # A round at a time is drawn: of the last one, the beginning.
        assert [t.change for t in other.trials[:10]] == [
            t.change for t in one.trials[:10]
        ]


def test_equal_budgets_and_candidates(plan, row):
    some = searched(plan, Runs(row, by_lr))
    drawn = [[trial.change for trial in one.trials] for one in some]
    assert all(changes == drawn[0] for changes in drawn)
    assert {len(one.trials) for one in some} == {12}
    for one in some:
        for trial in one.trials:
            assert [cell.seed for cell in trial.cells] == [1000, 1001]
            assert len(trial.rows) == 2


def test_failed_trials_have_no_score(plan, row):
    def score(cell):
        fails = cell.config['lr'] > 0.01 and cell.seed == 1001
        return None if fails else by_lr(cell)

    for one in searched(plan, Runs(row, score)):
        states = [trial.state for trial in one.trials]
        assert states == [
            'failed' if trial.change['lr'] > 0.01 else 'complete'
            for trial in one.trials
        ]
        assert {*states} == {'failed', 'complete'}
        assert one.best().change['lr'] <= 0.01
    for one in searched(plan, Runs(row, lambda cell: None), 2):
        assert one.best() is None


def test_median(plan, row):
    run = Runs(row, by_lr)
    for one in searched(plan, run, 20, pruner='median'):
        assert [t.state for t in one.trials[:5]] == ['complete'] * 5
        pruned = [t for t in one.trials if t.state == 'pruned']
        assert pruned
        assert all(len(trial.rows) == 1 for trial in pruned)
        worst = min(t.change['lr'] for t in one.trials[5:])
        assert worst in [t.change['lr'] for t in pruned]
        assert one.best() not in pruned
    assert len(run.done) < 4 * 20 * 2


def test_whatever_stands_in_a_list(plan, row):
    choices = [[1, 2], None, {'lin_in': 0.1}, 'batch', True]
    domains = {'norm': choices, 'augment.p': [0.5]}
    one = search.Search(domains, partial(plan, 'gcn', 2))
    search.search([one], 30, Runs(row, lambda cell: (0.5, 0.5)))
    drawn = [trial.change['norm'] for trial in one.trials]
    assert all(choice in drawn for choice in choices)
    assert one.trials[0].change['augment'] == {'p': 0.5}
    assert one.best() is one.trials[0]  # the first of equals


def test_ends():
    changes = [*search.ends({'lr': DOMAINS['lr'], 'augment.p': [0.1, 0.2]})]
    assert changes == [
        {'lr': 0.001, 'augment': {'p': 0.1}},
        {'lr': 0.1, 'augment': {'p': 0.1}},
        {'lr': 0.001, 'augment': {'p': 0.2}},
    ]


def test_journal(plan, row, tmp_path):
    import optuna
    from optuna.storages.journal import JournalFileBackend

    some = searched(plan, Runs(row, by_lr), 3)
    for _ in range(2):  # it is replaced
        search.write_journal(some, tmp_path / 'optuna.log')
    backend = JournalFileBackend(str(tmp_path / 'optuna.log'))
    storage = optuna.storages.JournalStorage(backend)
    names = optuna.get_all_study_names(storage)
    assert sorted(names) == ['gcn 2', 'gcn 4', 'resgcn 2', 'resgcn 4']
    study = optuna.load_study(study_name='gcn 2', storage=storage)
    assert study.best_value == some[0].best().mean('val')


@pytest.mark.parametrize('name', ['sampler', 'pruner'])
def test_unknown_names(plan, name):
    with pytest.raises(UsageError, match=f"unknown {name} 'nonee'"):
        search.Search(DOMAINS, partial(plan, 'gcn', 2), **{name: 'nonee'})
