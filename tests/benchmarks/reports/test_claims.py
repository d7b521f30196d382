import math

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
        assert {*claim} == {'claim', 'text', 'more', 'less', 'at_least'}


@pytest.mark.parametrize(
    ('p_holm', 'difference', 'want'),
    [
        (0.04, 2.0, 'holds'),
        (0.06, 2.0, 'open'),
        (0.04, -0.1, 'refuted'),
        (1.0, 2.0, 'open'),
    ],
)
def test_verdict(p_holm, difference, want):
    line = pd.Series(
        {'p_holm': p_holm, 'difference': difference, 'at_least': 0.0}
    )
    assert claims.verdict(line) == want


def test_check(row):
    """GCN falls by 20 points; edges of PageRank give about one."""
    tests = {
        ('gcn', 2): [0.80, 0.81, 0.79],
        ('gcn', 16): [0.60, 0.62, 0.58],
        ('gcn+ppr', 2): [0.812, 0.82, 0.798],
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
    shifted = stats.ttest_ind([70, 71, 69], [60, 62, 58], equal_var=False)
    assert falls['p'] == pytest.approx(shifted.pvalue)
    helps = lines.loc['F1']
    assert helps['difference'] == pytest.approx(1.0)
    pairs = stats.ttest_rel([81.2, 82.0, 79.8], [80.0, 81.0, 79.0])
    assert helps['p'] == pytest.approx(pairs.pvalue)
    assert helps['p'] > falls['p']
    assert helps['p_holm'] == pytest.approx(helps['p'])
    assert falls['p_holm'] == pytest.approx(2 * falls['p'])
    page = claims.markdown(claims.check(rows))
    assert len(page) == 4
    assert '+20.00 [' in page[2]
    assert f'| {falls["p"]:.2g} | {falls["p_holm"]:.2g} | holds |' in page[2]


def test_what_a_correction_takes_away(row):
    """Four comparisons, of which two are sure by themselves: p-values of
    0.010, 0.020, 0.3 and 0.6, say, are 0.040, 0.060, 0.6 and 0.6 by Holm.
    """
    noise = [-1.0, 0.0, 1.0]
    means = {'resgcn': 8, 'gcn+ppr': 2, 'gcn+heat': 2, 'gat': 2}
    wanted = {'B': 0.010, 'F1': 0.020, 'F2': 0.3, 'G': 0.6}
    asked = {claim['claim']: claim['at_least'] for claim in claims.claims()}
    rows = []
    for (method, depth), (name, p) in zip(
        means.items(), wanted.items(), strict=True
    ):
        # A gain of which t = gain / (spread / sqrt(3)) has this p-value.
        gain = stats.t.isf(p / 2, 2) / 3**0.5 + asked[name]
        rows += [
            row(
                method=method, depth=depth, seed=i, test=0.5 + (gain + n) / 100
            )
            for i, n in enumerate(noise)
        ]
    rows += [
        row(method='gcn', depth=depth, seed=i, test=0.5)
        for depth in (2, 8)
        for i in range(3)
    ]
    lines = claims.check(rows).set_index('claim')
    assert lines['p'].to_dict() == pytest.approx(wanted)
    corrected = {'B': 0.04, 'F1': 0.06, 'F2': 0.6, 'G': 0.6}
    assert lines['p_holm'].to_dict() == pytest.approx(corrected)
    assert lines.loc['B', 'verdict'] == 'holds'
    assert {*lines.drop('B')['verdict']} == {'open'}


def test_no_spread_decides_nothing(row):
    """Each gain is the same, or each run."""
    rows = [
        row(method=method, depth=depth, seed=seed, test=test)
        for method, depth, test in (
            ('gcn', 2, 0.8),
            ('gcn', 16, 0.2),
            ('gcn+ppr', 2, 0.9),
        )
        for seed in range(3)
    ]
    lines = claims.check(rows).set_index('claim')
    assert lines['p'].isna().all()
    assert lines['verdict'].to_dict() == {'A2': 'open', 'F1': 'open'}
    assert lines['difference'].to_dict() == pytest.approx(
        {'A2': 60.0, 'F1': 10.0}
    )


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
    found = intervals.welch(more, less)
    assert (found['ci95_low'], found['ci95_high']) == (2.0, 2.0)
    assert math.isnan(found['p'])


def test_where_lower_is_better(row, monkeypatch):
    """Of errors, fewer is more; and they are in no percent."""
    claim = {'claim': 'X', 'text': 'helps', 'at_least': 0.0}
    cells = {'more': ['gcn+ppr', 2], 'less': ['gcn', 2]}
    monkeypatch.setattr(claims, 'claims', lambda: [{**claim, **cells}])
    names = {'protocol': 'ogb-scaffold-rmse', 'metric': 'rmse'}
    rows = [
        row(method=method, seed=seed, test=test + share * seed, **names)
        for method, test, share in (('gcn', 2.0, 0.01), ('gcn+ppr', 1.5, 0.02))
        for seed in (0, 1, 2)
    ]
    (line,) = claims.check(rows).itertuples()
    assert line.difference == pytest.approx(0.49)
    assert line.verdict == 'holds'
