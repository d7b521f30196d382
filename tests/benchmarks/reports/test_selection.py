import pytest

from benchmarks.interface.sweep import sweep
from benchmarks.reports import selection


def row(method, depth, seed, val, test, status='ok'):
    return {
        'method': method,
        'depth': depth,
        'seed': seed,
        'val': val,
        'test': test,
        'status': status,
        'protocol': 'tu-10-fold',
        'seconds': 10.0 * depth,
        'peak_mb': 100.0 + depth,
    }


ROWS = [
    row('a', 2, 0, 0.7, 0.5),
    row('a', 4, 0, 0.8, 0.6),
    row('a', 2, 1, 0.7, 0.7),
    row('a', 4, 1, 0.7, 0.9),  # a tie
    row('b', 2, 0, 0.9, 0.4),
    row('b', 2, 1, 0.1, 1.0),
    row('b', 4, 1, 0.0, 0.0, 'failed'),
]


def test_validation_chooses_in_each_split():
    lines = selection.select(ROWS).set_index('method')
    assert lines.loc['a', 'mean'] == pytest.approx(100 * (0.6 + 0.8) / 2)
    assert lines.loc['b', 'mean'] == pytest.approx(70.0)
    assert lines.loc['the best of all', 'mean'] == pytest.approx(60.0)
    assert lines['splits'].tolist() == [2, 2, 2]
    assert lines.loc['a', 'seconds'] == 30.0
    assert lines.loc['a', 'peak_mb'] == 104.0
    assert lines.loc['b', 'depth'] == 2


def test_the_order_of_rows_decides_nothing():
    there = selection.select(ROWS).set_index('method')
    back = selection.select(ROWS[::-1]).set_index('method')
    columns = ['mean', 'std', 'splits', 'depth', 'chosen']
    assert there[columns].equals(back[columns].loc[there.index])


def test_lower_is_better():
    rows = [{**r, 'protocol': 'ogb-scaffold-rmse'} for r in ROWS[:2]]
    [line] = selection.select(rows).to_dict('records')
    assert (line['mean'], line['depth']) == (0.5, 2)


def test_nothing_went_well():
    assert selection.select([ROWS[-1]]).empty


def test_of_a_sweep(root):
    runs = sweep(
        *('mutag', ['gcn+pool-sum', 'sage+pool-diffpool'], [2, 3], 2),
        root=root,
        overrides={'epochs': 2, 'hidden_channels': 4},
        jobs=0,
        progress=False,
    )
    assert not runs.failed()
    lines = runs.selected()
    assert lines['splits'].tolist() == [2, 2, 2]
    assert lines['depth'].isin([2, 3]).all()
    assert lines['mean'].between(20.0, 100.0).all()
