import math

import pytest

from benchmarks.errors import UsageError
from benchmarks.reports.outcome import Runs

SCORES = {
    ('gcn', 2): [0.5, 0.6, 0.7],
    ('sgc', 2): [0.6, 0.7, 0.9],
    ('gcn', 4): [0.4, 0.2],
    ('sgc', 4): [0.3],
}


@pytest.fixture
def rows(row):
    return [
        row(method=method, depth=depth, seed=seed, test=score)
        for (method, depth), scores in SCORES.items()
        for seed, score in enumerate(scores)
    ]


def test_table(rows, row, tmp_path):
    runs = Runs([*rows, row('failed', method='sgc', depth=4, seed=1)], '.')
    assert repr(runs) == 'Runs(10 runs on digits, 1 failed)'
    table = runs.table()
    assert [*table.index] == ['gcn', 'sgc']
    assert [*table.columns] == [2, 4]
    assert table.loc['gcn', 2] == '60.00 ± 10.00'
    assert table.loc['sgc', 4] == '30.00 (1), 1 failed'
    assert '60.00 ± 10.00' in runs._repr_html_()
    [failed] = runs.failed()
    assert failed['error'].startswith('Diverged')
    assert len(runs.to_pandas()) == len(runs) == 10
    assert runs.to_pandas()['config.lr'].eq(0.01).all()
    names = runs.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*names}


def test_summary(rows):
    line = Runs(rows, '.').summary().set_index(['method', 'depth']).loc['gcn']
    assert line.loc[2, 'mean'] == pytest.approx(60)
    assert line.loc[2, 'std'] == pytest.approx(10)
    half = 4.302653 * 10 / math.sqrt(3)  # Student's t of 2 degrees
    assert line.loc[2, 'ci95_high'] == pytest.approx(60 + half)


def test_figure(rows):
    [axis] = Runs(rows, '.').figure().axes
    drawn = {line.get_label(): line for line in axis.get_lines()}
    assert drawn['GCN'].get_ydata() == pytest.approx([60, 30])


def test_compare(rows):
    """The gains of sgc at depth 2 are 10, 10 and 20 points."""
    lines = Runs(rows, '.').compare('sgc', 'gcn')
    assert [*lines.index] == [2, 4]
    assert [*lines['pairs']] == [3, 1]  # a seed without a partner is left out
    assert lines.loc[2, 'gain'] == pytest.approx(40 / 3)
    error = math.sqrt(100 / 3 / 3)
    half = 4.302653 * error
    assert lines.loc[2, 'ci95_low'] == pytest.approx(40 / 3 - half)
    assert lines.loc[2, 'ci95_high'] == pytest.approx(40 / 3 + half)
    t = 40 / 3 / error  # of 2 degrees
    assert lines.loc[2, 'p'] == pytest.approx(1 - t / math.sqrt(2 + t * t))
    assert lines.loc[4, 'gain'] == pytest.approx(-10)
    back = Runs(rows, '.').compare('gcn', 'sgc')
    assert [*back['gain']] == pytest.approx([*-lines['gain']])


def test_compare_where_less_is_better(rows):
    rows = [{**row, 'protocol': 'ogb-scaffold-rmse'} for row in rows]
    lines = Runs(rows, '.').compare('sgc', 'gcn')
    assert lines.loc[2, 'gain'] == pytest.approx(-0.4 / 3)
    assert lines.loc[4, 'gain'] == pytest.approx(0.1)


def test_compare_what_was_not_run(rows, row):
    for runs in (rows, [row('failed', method='gat')], []):
        with pytest.raises(UsageError, match="method of these runs 'gat'"):
            Runs(runs, '.').compare('gat', 'gcn')


def test_no_runs():
    runs = Runs([], '.')
    assert repr(runs) == 'Runs(0 runs on nothing, 0 failed)'
    assert runs._repr_html_() is None
    assert not runs.failed()
    with pytest.raises(UsageError, match='no run'):
        runs.table()
