import pytest

from benchmarks.methods.backbones import BACKBONES, aliases
from benchmarks.methods.edges import EDGES
from benchmarks.methods.remedies import REMEDIES
from benchmarks.reports import style
from benchmarks.reports.summary import limits, summarize

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
        ([0.0, 1.0], [0.0, 100.0]),
        ([], [0.0, 1.0]),
    ],
)
def test_limits(row, tests, want):
    rows = [row(depth=2 + i, test=test) for i, test in enumerate(tests)]
    summary = summarize(rows or [row(status='failed')])
    summary['published'] = float('nan')
    summary['verified'] = None
    assert limits(summary) == pytest.approx(want)
