import pandas as pd
import pytest

from benchmarks.methods.backbones import BACKBONES, aliases
from benchmarks.methods.edges import EDGES
from benchmarks.methods.remedies import REMEDIES
from benchmarks.reports import style
from benchmarks.reports.summary import (
    limits,
    nested,
    summarize,
    what_cells_hold,
    what_curves_hold,
)

USUAL = ['gcn', 'resgcn', 'jknet', 'appnp', 'gcnii']


def test_all_methods_have_names():
    assert {*style.NAMES} == {*BACKBONES, *aliases()}
    assert {*style.REMEDIES} <= {*REMEDIES, *EDGES}
    assert style.name_of('gcn+pair+ppr') == 'GCN + PairNorm + PPR'
    assert style.name_of('mine+res') == 'mine + res'


def test_a_look_belongs_to_the_method():
    alone = {m: style.looks([m])[m] for m in USUAL}
    assert style.looks(reversed([*USUAL, 'mine', 'gcn+pair'])) | alone == (
        style.looks([*USUAL, 'mine', 'gcn+pair'])
    )
    assert [*style.looks(['mine', 'appnp', 'gcn+res', 'gcn'])] == [
        'gcn',
        'gcn+res',
        'appnp',
        'mine',
    ]


def test_few_have_colours_of_their_own_and_many_stay_apart():
    eight = [*USUAL, 'mine', 'yours', 'gcn+pair']
    assert len({look.color for look in style.looks(eight).values()}) == 8
    many = [f'net{i}' for i in range(style.PLACES - len(USUAL))]
    looks = style.looks([*USUAL, *many]).values()
    assert len({(look.color, look.dash) for look in looks}) == style.PLACES
    more = style.looks([*USUAL, *many, 'one', 'two'])
    assert len(more) == style.PLACES + 2


@pytest.mark.parametrize(
    ('tests', 'want'),
    [
        ([0.800, 0.802], [77.6, 82.6]),  # 5 points at least
        ([0.2, 0.9], [16.5, 93.5]),
        ([0.0, 1.0], [-3.3, 103.3]),  # room for markers at the ends
        ([1.0], [97.5, 100.15]),
        ([], [0.0, 1.0]),
    ],
)
def test_limits(row, tests, want):
    rows = [row(depth=2 + i, test=test) for i, test in enumerate(tests)]
    summary = summarize(rows or [row(status='failed')])
    summary['published'] = float('nan')
    summary['verified'] = None
    assert limits(summary) == pytest.approx(want)
    if tests:
        assert limits(summary, 60.0) == pytest.approx(
            limits(pd.concat([summary, summary.assign(mean=60.0)]))
        )


def test_points_with_the_same_mean_lie_in_one_another(row):
    rows = [
        row(method=method, depth=depth, test=test)
        for method, depth, test in [
            ('gcn', 2, 0.2),
            ('gcn', 4, 0.9),
            ('gcn', 8, 0.5),
            ('gat', 2, 0.2),
            ('gat', 4, 0.2),
            ('mlp', 2, 0.2),
            ('mlp', 4, 0.2),
        ]
    ]
    rows.append(row(method='gin', depth=2, status='failed'))
    summary = summarize(rows)
    wide = summary.assign(wide=nested(summary)).pivot(
        index='method', columns='depth', values='wide'
    )
    assert wide.loc['gcn'].tolist() == pytest.approx([2.2, 1.0, 1.0])
    assert wide.loc['gat', [2, 4]].tolist() == pytest.approx([1.6, 1.6])
    assert wide.loc['mlp', [2, 4]].tolist() == [1.0, 1.0]
    assert wide.loc['gin', 2] == 1.0
    many = summarize([row(method=f'm{i:02}', test=0.2) for i in range(20)])
    assert nested(many).max() == pytest.approx(4)  # never wider
    assert nested(many).is_monotonic_decreasing
    assert (nested(summarize([row(status='failed')])) == 1).all()


@pytest.mark.parametrize(
    ('runs', 'cells', 'curves'),
    [
        ([0], 'no run went well', 'no run went well'),
        ([1, 1], '1 run each', '1 run each'),
        ([0, 1], '1 run each', '1 run each'),
        (
            [1, 1, 3],
            '1 run, or mean ± standard deviation of as many as stand in '
            'brackets',
            'mean ± std of 1 to 3 seeds',
        ),
        (
            [3, 3, 1],
            'mean ± standard deviation of 3 runs (or of as many as stand in '
            'brackets)',
            'mean ± std of 1 to 3 seeds',
        ),
        (
            [2, 2],
            'mean ± standard deviation of 2 runs (or of as many as stand in '
            'brackets)',
            'mean ± std of 2 seeds',
        ),
    ],
)
def test_number_of_runs_in_words(row, runs, cells, curves):
    rows = [
        row(depth=2**depth, seed=seed)
        for depth, number in enumerate(runs)
        for seed in range(number)
    ]
    rows += [
        row(depth=2**depth, status='failed')
        for depth, number in enumerate(runs)
        if not number
    ]
    summary = summarize(rows)
    assert what_curves_hold(summary) == curves
    title = 'test accuracy in percent'
    assert what_cells_hold(summary) == f'{title}, {cells}'
