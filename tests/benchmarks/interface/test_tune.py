import sys

import pandas as pd
import pytest
from torch_geometric.nn import GraphSAGE

from benchmarks import UsageError, report, sweep, tune, tuned_sweep
from benchmarks.cli import main
from benchmarks.data import datasets
from benchmarks.methods import own
from benchmarks.recipes import presets
from benchmarks.reports import published
from benchmarks.runs import work
from benchmarks.runs.identity import key
from benchmarks.runs.store import Store
from benchmarks.runs.tuning import TUNING

pytest.importorskip('optuna', reason='pip install pyg-ext[tune]')

SPACE = {
    'lr': {'low': 0.001, 'high': 0.1, 'log': True},
    'hidden_channels': [4, 8],
    'augment.p': [0.1, 0.5],
}


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setattr(own, 'REGISTERED', {})
    monkeypatch.setattr(presets, 'REGISTERED', {})
    monkeypatch.setattr(datasets, 'REGISTERED', {})


@pytest.fixture
def done(monkeypatch):
    """The runs that are done."""
    cells = []

    def do(cell, **given):
        cells.append(cell)
        if cell.config['lr'] > BROKEN:
            raise RuntimeError('it broke')
        return original(cell, **given)

    original = work.do
    monkeypatch.setattr(work, 'do', do)
    return cells


BROKEN = 1.0  # rates from here on fail


@pytest.fixture
def run(tmp_path):
    given = {
        'data': 'digits',
        'methods': ['gcn', 'gcn+dropedge'],
        'depths': [2, 3],
        'seeds': 2,
        'space': SPACE,
        'trials': 3,
        'overrides': {'epochs': 2},
        'out': tmp_path,
        'jobs': 0,
        'progress': False,
    }
    return lambda **changed: tuned_sweep(**{**given, **changed})


def test_end_to_end(run, done, tmp_path):
    runs = run()
    trials = Store(tmp_path, 'trials.jsonl').read()
    assert {row['seed'] for row in trials} == {*TUNING}
    assert len(trials) == 2 * 2 * 3 * 2
    assert {row['seed'] for row in runs.rows} == {0, 1}
    assert len(runs) == 2 * 2 * 2
    tuning = runs.tuning.set_index(['method', 'depth'])
    assert (tuning['trials'] == 3).all()
    assert (tuning['optimism'] >= 0).all()
    for (method, depth), line in tuning.iterrows():
        mine = [
            row
            for row in trials
            if (row['method'], row['depth']) == (method, depth)
        ]
        means = pd.DataFrame(
            {
                'lr': [row['config']['lr'] for row in mine],
                'val': [row['val'] for row in mine],
                'test': [row['test'] for row in mine],
            }
        )
        means = means.groupby('lr').mean()
        assert line['val'] == pytest.approx(100 * means['val'].max())
        assert line['best_test'] == pytest.approx(100 * means['test'].max())
        best = means.index[means['val'] == means['val'].max()]
        chosen = {
            row['config']['lr']
            for row in runs.rows
            if (row['method'], row['depth']) == (method, depth)
        }
        assert len(chosen) == 1
        assert chosen <= {*best}
    assert runs.notes == ['gcn: augment.p left out, which it does not know']
    # The same again does nothing, and more trials do only what is new.
    before = len(done)
    again = run()
    assert len(done) == before
    assert again.tuning.equals(runs.tuning)
    run(trials=4)
    new = [cell for cell in done[before:] if cell.seed in TUNING]
    assert len(new) == 2 * 2 * 2


def test_what_was_chosen_is_a_preset(run, done, tmp_path, capsys):
    runs = run()
    before = len(done)
    code = main(
        [
            *('depth', '--dataset', 'digits', '--methods', 'gcn,gcn+dropedge'),
            *('--depths', '2,3', '--seeds', '2', '--jobs', '0'),
            *('--preset', str(tmp_path / 'best.yaml')),
            *('--out', str(tmp_path)),
        ]
    )
    assert code == 0
    assert len(done) == before
    text = (tmp_path / 'report.md').read_text('utf-8')
    assert 'changed from the preset: nothing' in text
    assert 'of 3 trials for each method and depth' in text
    with pytest.raises(UsageError, match='at depth 4: it has depths 2, 3'):
        sweep('digits', ['gcn'], [4], 1, tmp_path / 'best.yaml', jobs=0)
    presets.REGISTERED.clear()  # as in another process
    stored = report(tmp_path)
    assert {*map(key_of, stored.rows)} == {*map(key_of, runs.rows)}


def key_of(row):
    return key(row)


def test_stores_with_other_recipes_are_not_mixed(run, tmp_path):
    run(depths=[2])
    run(depths=[2], trials=1, space={'lr': [0.5]})
    with pytest.raises(UsageError, match='the runs of gcn differ in'):
        report(tmp_path)


def test_report(run, tmp_path, monkeypatch):
    sweep(
        'digits',
        ['gcn'],
        [2, 3],
        1,
        overrides={'epochs': 2},
        out=tmp_path / 'fixed',
        jobs=0,
        progress=False,
    )
    line = {
        'dataset': 'digits',
        'protocol': 'digits-5-per-class',
        'preset': 'classic',
        'method': 'gcn',
        'depth': 2,
        'mean': 50.0,
        'std': float('nan'),
        'runs': float('nan'),
        'paper': 'somebody',
        'verified': 'yes',
        'recipe': 'yes',
    }
    monkeypatch.setattr(published, 'reference', lambda: pd.DataFrame([line]))
    space = tmp_path / 'mine.yaml'
    space.write_text(
        'source: me\npublished: classic\nspace: {lr: [0.01, 0.1]}\n', 'utf-8'
    )
    out = tmp_path / 'out'
    runs = run(fixed=tmp_path / 'fixed/results.jsonl', space=space, out=out)
    files = runs.write()
    assert 'tuning.csv' in files
    text = (out / 'report.md').read_text('utf-8')
    assert '## Tuned and not tuned' in text
    assert '## Tuning' in text
    assert '| 50.00 |' in text
    assert 'recipe not published' in text
    summary = runs.summary().set_index(['method', 'depth'])
    assert summary.loc[('gcn', 2), 'published'] == 50
    assert summary['fixed'].notna().tolist() == [True, True, False, False]
    axes, *_ = runs.figure().axes
    title = ' '.join(runs.figure().get_suptitle().split())
    assert 'dotted: fixed recipe' in title
    dotted = [line for line in axes.lines if line.get_linestyle() == ':']
    assert dotted[0].get_ydata() == pytest.approx(summary['fixed'][:2])
    if 'report.html' in files:
        html = (out / 'report.html').read_text('utf-8')
        assert 'Tuned and not tuned</h2>' in html
        assert 'Dotted: the recipe that was not tuned' in html


def test_failures(run, done, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], 'BROKEN', 0.2)
    runs = run(depths=[2], space={'lr': [0.01, 0.5]}, trials=8)
    counts = runs.tuning['failed']
    assert ((counts > 0) & (counts < 8)).all()
    assert not runs.failed()
    with pytest.raises(
        UsageError, match=r'all trials failed at depth 2.*it broke'
    ):
        run(depths=[2], space={'lr': [0.5]})


def test_depths_without_a_recipe_are_said(run, monkeypatch):
    def do(cell, **given):
        if (cell.method, cell.depth) == ('gcn', 3):
            raise RuntimeError('it broke')
        return original(cell, **given)

    original = work.do
    monkeypatch.setattr(work, 'do', do)
    runs = run(trials=1)
    assert 'gcn: all trials failed at depth 3' in runs.notes[-1]
    there = {(row['method'], row['depth']) for row in runs.rows}
    assert there == {('gcn', 2), ('gcn+dropedge', 2), ('gcn+dropedge', 3)}


def test_own_networks(run, tmp_path):
    runs = run(methods={'mine': GraphSAGE}, out=None, trials=2)
    assert [*runs.table().index] == ['mine']
    assert not runs.failed()


@pytest.mark.parametrize(
    ('changed', 'message'),
    [
        ({'sampler': 'grid'}, "unknown sampler 'grid'"),
        ({'pruner': 'best'}, "unknown pruner 'best'"),
        ({'trials': 0}, 'trials must be whole numbers'),
        ({'seeds': [1000]}, 'choose, and cannot be reported'),
        ({'space': {'lr': [0.1, -1.0]}}, 'lr must be a positive number'),
        ({'space': {'epochs': [5]}}, 'has nothing to try of gcn'),
        ({'overrides': {'sage:lr': 0.1}}, 'for a method that is not run'),
        ({'fixed': 'nothing.jsonl'}, 'there is no store'),
    ],
)
def test_requests_that_are_wrong(run, tmp_path, changed, message):
    with pytest.raises(UsageError, match=message):
        run(**changed)
    assert not (tmp_path / 'trials.jsonl').exists()


def test_without_optuna(run, monkeypatch):
    monkeypatch.setitem(sys.modules, 'optuna', None)
    with pytest.raises(UsageError, match=r'pip install pyg-ext\[tune\]'):
        run()


def test_candidates_by_hand(tmp_path):
    best = tune(
        'digits',
        'gcn',
        2,
        [{'lr': 1e-9}, {'lr': 0.1}],
        overrides={'epochs': 3},
        out=tmp_path,
        jobs=0,
        progress=False,
    )
    rows = Store(tmp_path).read()
    means = {
        rate: sum(r['val'] for r in rows if r['config']['lr'] == rate)
        for rate in (1e-9, 0.1)
    }
    assert best == {'lr': max(means, key=means.get)}
    assert {row['seed'] for row in rows} == {*TUNING}


def test_command(capsys, tmp_path):
    code = main(
        [
            *('tune', '--dataset', 'digits', '--methods', 'gcn'),
            *('--depths', '2', '--trials', '2', '--epochs', '2'),
            *('--seeds', '1', '--jobs', '0', '--out', str(tmp_path)),
        ]
    )
    text = capsys.readouterr().out
    assert code == 0
    assert 'optimism' in text
    assert 'gcn: augment.p left out' in text
    assert (tmp_path / 'best.yaml').is_file()
