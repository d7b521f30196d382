import pandas as pd
import pytest
from scipy import stats

from benchmarks.methods import spec
from benchmarks.reports import claims, intervals


def test_all_claims_can_be_checked():
    names = [claim['claim'] for claim in claims.claims()]
    assert len(names) == len(set(names))
    assert {name[0] for name in names} == set('ABCDEFG')
    for claim in claims.claims():
        for method, depth in (claim['more'], claim['less']):
            assert spec.parse(method).name == method
            assert depth > 0
        keys = {'claim', 'text', 'more', 'less', 'at_least'}
        assert keys <= set(claim) <= {*keys, 'paired'}


@pytest.mark.parametrize(
    ('low', 'high', 'want'),
    [
        (1.0, 2.0, 'holds'),
        (-1.0, 2.0, 'open'),
        (-2.0, -0.1, 'refuted'),
        (0.0, 0.0, 'holds'),
    ],
)
def test_verdict(low, high, want):
    assert claims.verdict(low, high, 0.0) == want


def test_check(row):
    """GCN falls by 20 points; edges of PageRank give one point each time."""
    tests = {
        ('gcn', 2): [0.80, 0.81, 0.79],
        ('gcn', 16): [0.60, 0.62, 0.58],
        ('gcn+ppr', 2): [0.81, 0.82, 0.80],
        ('appnp', 2): [0.80],  # one run says nothing
        ('appnp', 64): [0.80],
    }
    rows = [
        row(method=method, depth=depth, seed=seed, test=test)
        for (method, depth), scores in tests.items()
        for seed, test in enumerate(scores)
    ]
    lines = claims.check(rows).set_index('claim')
    assert lines['verdict'].to_dict() == {'A2': 'holds', 'F1': 'holds'}
    falls = lines.loc['A2']
    assert falls['difference'] == pytest.approx(20.0)
    want = stats.ttest_ind([80, 81, 79], [60, 62, 58], equal_var=False)
    low, high = want.confidence_interval()
    assert (falls['ci95_low'], falls['ci95_high']) == pytest.approx(
        (low, high)
    )
    assert lines.loc['F1', 'difference'] == pytest.approx(1.0)
    page = claims.markdown(claims.check(rows))
    assert len(page) == 4
    assert '+20.00 [' in page[2]


def test_paired_by_seed():
    more = pd.Series([3.0, 5.0, 9.0], index=[0, 1, 2])
    less = pd.Series([4.0, 1.0, 2.0], index=[2, 0, 1])
    want = stats.ttest_rel([3, 5, 9], [1, 2, 4]).confidence_interval()
    found = intervals.interval(more - less)
    assert found == pytest.approx((want.low, want.high))


@pytest.mark.parametrize('seeds', [(2, 3), (0, 3)])
def test_runs_that_are_no_pairs_say_nothing(row, seeds):
    rows = [row(seed=s, test=0.8 + 0.01 * s) for s in (0, 1)]
    rows += [row(method='gcn+ppr', seed=s, test=0.9) for s in seeds]
    assert claims.check(rows).empty


def test_the_same_score_each_time():
    more, less = pd.Series([82.0, 82.0]), pd.Series([80.0, 80.0, 80.0])
    assert intervals.welch(more, less) == (2.0, 2.0)


def test_where_lower_is_better(row, monkeypatch):
    """Of errors, fewer is more; and they are in no percent."""
    claim = {'claim': 'X', 'text': 'helps', 'at_least': 0.0}
    cells = {'more': ['gcn+ppr', 2], 'less': ['gcn', 2]}
    monkeypatch.setattr(claims, 'claims', lambda: [{**claim, **cells}])
    names = {'protocol': 'ogb-scaffold-rmse', 'metric': 'rmse'}
    rows = [
        row(method=method, seed=seed, test=test + 0.01 * seed, **names)
        for method, test in (('gcn', 2.0), ('gcn+ppr', 1.5))
        for seed in (0, 1, 2)
    ]
    (line,) = claims.check(rows).itertuples()
    assert line.difference == pytest.approx(0.5)
    assert line.verdict == 'holds'
