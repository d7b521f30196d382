import pytest
from scipy import stats

from benchmarks.cli import main
from benchmarks.errors import UsageError
from benchmarks.methods.edges import EDGES
from benchmarks.output import console
from benchmarks.recipes import presets
from benchmarks.reports import edges
from benchmarks.runs import tuning
from benchmarks.runs.store import Store

PRESET = """
source: Ours (arXiv 1911.05485).
recipes:
  digits:
    gcn: {hidden_channels: 8, epochs: 3, dropout: 0.5}
candidates:
  none: [{dropout: 0.5}, {dropout: 0.1}]
  ppr: [{augment: {k: 4}}, {augment: {k: 8, mode: add}}]
"""


def run(capsys, *arguments):
    console.width = 200
    code = main([*arguments])
    return code, capsys.readouterr().out


def test_every_kind_of_edges_is_tuned_alike():
    given = presets.read('augment').candidates
    assert set(given) == {'none', *EDGES}
    assert len({len(changes) for changes in given.values()}) == 1
    tried = {
        (model, kind): tuning.candidates('cora', model, kind)
        for model in ('gcn', 'gat', 'sage', 'appnp')
        for kind in given
    }
    for (model, kind), cells in tried.items():
        configs = [str(group[0].config) for group in cells]
        assert len(set(configs)) == len(configs)
        assert cells[0][0].depth == (10 if model == 'appnp' else 2)
        assert cells[0][0].method == model + f'+{kind}' * (kind != 'none')
        assert [c.seed for c in cells[0]] == [*tuning.TUNING]


def test_best_on_validation_nodes(row):
    cells = tuning.candidates('cora', 'gcn', 'dropedge')

    def tuned(values):
        return [
            {**cell.row(), 'status': 'ok', 'val': val, 'test': 1 - val}
            for group, pair in zip(cells, values, strict=True)
            for cell, val in zip(group, pair, strict=True)
        ]

    rows = tuned([(0.5, 0.6), (0.9, 0.3), (0.7, 0.6), (0.6, 0.7)])
    assert tuning.best(cells, rows) == cells[2]  # first of equals
    rows[4]['status'] = 'failed'
    assert tuning.best(cells, rows) == cells[3]
    with pytest.raises(UsageError, match=r'all candidates of gcn\+dropedge'):
        tuning.best(cells, [{**row, 'status': 'failed'} for row in rows])
    runs = tuning.chosen(cells, rows, 3)
    assert [cell.seed for cell in runs] == [0, 1, 2]
    assert all(cell.config == cells[3][0].config for cell in runs)


def test_compare_is_paired(row):
    """Two kinds of edges, of which one run of the second is missing."""
    plain, other = [0.8, 0.7, 0.9, 0.6], [0.81, 0.73, 0.9, 0.65]
    rows = [row(seed=s, test=t) for s, t in enumerate(plain)]
    rows += [
        row(seed=s, test=t, method='gcn+ppr', config={'augment': {'k': 4}})
        for s, t in enumerate(other)
    ]
    rows[6]['status'] = 'failed'
    lines = edges.compare(rows)
    assert lines['edges'].tolist() == ['none', 'ppr']
    none, ppr = (line for _, line in lines.iterrows())
    assert none['mean'] == pytest.approx(75.0)
    assert none['std'] == pytest.approx(12.91, abs=0.01)
    assert (none['runs'], ppr['runs'], ppr['pairs']) == (4, 3, 3)
    assert ppr['gain'] == pytest.approx(3.0)
    want = stats.ttest_rel([81.0, 73.0, 65.0], [80.0, 70.0, 60.0])
    assert ppr['p'] == pytest.approx(want.pvalue)
    low, high = want.confidence_interval()
    assert (ppr['ci95_low'], ppr['ci95_high']) == pytest.approx((low, high))
    page = edges.markdown(lines)
    assert f'| +3.00 | {low:+.2f} | {high:+.2f} | {want.pvalue:.1e} |' in page
    assert 'gcn, ppr: k=4' in page


@pytest.mark.parametrize('method', ['gcn', 'gcn+ppr'])
def test_nothing_to_compare_with(row, method):
    lines = edges.compare([row(method=method), row(method=method, seed=1)])
    page = edges.markdown(lines)
    assert '| 50.00 | 0.00 |  |  |  |  |' in page


def test_end_to_end(capsys, tmp_path, monkeypatch):
    (tmp_path / 'augment.yaml').write_text(PRESET)
    monkeypatch.setattr(presets, 'FOLDER', tmp_path)
    presets._built_in.cache_clear()
    command = (
        *('augment', '--dataset', 'digits', '--models', 'gcn', '--seeds', '2'),
        *('--augment', 'none,ppr', '--jobs', '2', '--out', str(tmp_path)),
    )
    code, text = run(capsys, *command)
    # A smaller sweep in the same folder takes nothing away.
    less = (*command, '--augment', 'none', '--seeds', '1')
    again, same = run(capsys, *less)
    presets._built_in.cache_clear()
    assert code == again == 0
    assert 'gcn   │ ppr' in text
    assert 'gcn   │ ppr' in same
    rows = Store(tmp_path).read()
    assert len(rows) == 2 * 2 * 2 + 2 * 2
    assert {row['seed'] for row in rows} == {0, 1, *tuning.TUNING}
    assert 'k=' in (tmp_path / 'augment.md').read_text()
    assert (tmp_path / 'augment.csv').read_text().count('\n') == 3


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (
            ('--augment', 'pr'),
            "unknown kind of edges 'pr': did you mean 'ppr'",
        ),
        (('--models', 'gccn'), "did you mean 'gcn'"),
        (('--dataset', 'crao'), "did you mean 'cora'"),
        (('--dataset', 'digits'), "no recipe for 'gcn' on digits"),
        (
            ('--protocol', 'gdc'),
            "unknown protocol of cora 'gdc'",
        ),
    ],
)
def test_errors(capsys, tmp_path, arguments, text):
    command = ('augment', '--out', str(tmp_path), *arguments)
    code, out = run(capsys, *command)
    assert code == 2
    assert text in out


def test_no_run_that_counts_is_good(row):
    with pytest.raises(UsageError, match='all runs that count failed'):
        edges.compare([row(status='failed')])


def test_where_lower_is_better(row):
    """A gain is a lower error; and errors are in no percent."""
    names = {'protocol': 'ogb-scaffold-rmse', 'metric': 'rmse'}
    rows = [
        row(method=method, seed=seed, test=test + 0.01 * seed, **names)
        for method, test in (('gcn', 2.0), ('gcn+ppr', 1.5))
        for seed in (0, 1, 2)
    ]
    lines = edges.compare(rows).set_index('edges')
    assert lines.loc['ppr', 'mean'] == pytest.approx(1.51)
    assert lines.loc['ppr', 'gain'] == pytest.approx(0.5)
