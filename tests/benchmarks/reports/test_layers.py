import pandas as pd
import pytest

from benchmarks.cli import main
from benchmarks.data import datasets
from benchmarks.data.protocols import PROTOCOLS
from benchmarks.errors import UsageError
from benchmarks.methods import spec
from benchmarks.output import console
from benchmarks.recipes import presets
from benchmarks.reports import layers as probe
from benchmarks.runs.store import Store
from benchmarks.training import nodes
from benchmarks.training.layers import DRAWN, _plain

COMMAND = (
    *('depth', '--dataset', 'digits', '--methods', 'gcn,revgcn'),
    *('--depths', '2,5', '--epochs', '3', '--seeds', '1', '--jobs', '2'),
)


def run(capsys, *arguments):
    console.width = 200
    code = main([*arguments])
    return code, capsys.readouterr().out


def test_end_to_end(capsys, tmp_path):
    command = (*COMMAND, '--probe', '--out', str(tmp_path))
    code, text = run(capsys, *command)
    assert code == 0
    assert 'probe.csv probe-gcn.png probe-revgcn.png' in text
    rows = Store(tmp_path, 'probe.jsonl').read()
    assert len(rows) == 4
    plain = {
        (row['method'], row['depth']): row
        for row in Store(tmp_path).read()
        if row['seed'] == 0
    }
    for row in rows:  # looking changes nothing
        same = plain[row['method'], row['depth']]
        assert 'probe' not in same
        for score in ('test', 'val', 'train', 'best_epoch'):
            assert row[score] == same[score]
    table = pd.read_csv(tmp_path / 'probe.csv')
    counts = table.groupby(['method', 'depth', 'state'])['layer'].count()
    assert counts['gcn', 5, 'initial'] == counts['gcn', 5, 'trained'] == 4
    assert counts['revgcn', 5, 'trained'] == 5
    assert table['linear_probe'].between(0, 1).all()
    assert table['gradient'].gt(0).all()
    report = (tmp_path / 'report.md').read_text()
    assert '## Layer by layer' in report
    assert '![layers of gcn](probe-gcn.png)' in report

    code, text = run(capsys, *command)  # again: nothing to do
    assert '4 of 4 runs are in the store' in text

    # A smaller sweep in the same folder takes nothing away.
    less = (*command[:3], '--methods', 'gcn', '--depths', '2', '--epochs', '3')
    code, text = run(capsys, *less, '--seeds', '1', '--out', str(tmp_path))
    assert code == 0
    assert len(pd.read_csv(tmp_path / 'summary.csv')) == 4
    assert (tmp_path / 'report.md').read_text('utf-8') == report
    # A report of another store of the same runs takes nothing away.
    store = str(tmp_path / 'results.jsonl')
    code, _ = run(capsys, 'report', '--store', store, '--out', str(tmp_path))
    assert code == 0
    assert '## Layer by layer' in (tmp_path / 'report.md').read_text('utf-8')
    # Of another kind, it says what it left out.
    less = (*less[:-1], '2', '--seeds', '1', '--out', str(tmp_path))
    code, text = run(capsys, *less)
    assert code == 0
    assert 'left out: 2 runs of gcn with epochs=3' in text
    page = (tmp_path / 'report.md').read_text('utf-8')
    assert 'not in this report: 2 runs of revgcn with epochs=3' in page


@pytest.mark.parametrize(
    'seen',
    [None, {}, {'initial': 3}, {s: {'layers': [{}]} for s in probe.STATES}],
)
def test_runs_that_were_not_looked_at(tmp_path, row, seen):
    with pytest.raises(UsageError, match='gcn, depth 2, seed 0 has no meas'):
        probe.write([row(probe=seen)], tmp_path)
    assert not [*tmp_path.iterdir()]


def test_a_look_leaves_the_network_as_it_was():
    data = datasets.load('digits')
    method = spec.parse('gcn+batch')
    config = presets.configure('classic', 'digits', method, {'epochs': 2})
    network, recipe = presets.split(config, method, 3)
    protocol = PROTOCOLS['digits-5-per-class']
    scores = [
        nodes.run(network, data, recipe, protocol, 0, probed=probed)
        for probed in (False, True)
    ]
    states = scores[1].pop('probe')
    for name in ('test', 'val', 'train', 'epochs'):
        assert scores[0][name] == scores[1][name]
    assert set(states) == set(probe.STATES)
    first, last = states['initial'], states['trained']
    assert first['layers'] != last['layers']


def test_points_have_no_graph(capsys, tmp_path):
    code, text = run(
        capsys,
        *('depth', '--dataset', 'digits', '--methods', 'deepgcn'),
        *('--preset', 'points', '--probe', '--out', str(tmp_path)),
    )
    assert code == 2
    assert 'a probe needs a graph, and deepgcn has none' in text


def test_numbers_that_json_cannot_hold():
    layer = {'layer': 1, 'mad': float('nan'), 'module': 'state', 'x': 0.5}
    want = {'layer': 1, 'mad': None, 'module': 'state', 'x': 0.5}
    assert _plain(layer) == want


@pytest.mark.parametrize('missing', ['gradient', 'mad'])
def test_missing_values_are_drawn_as_gaps(tmp_path, missing):
    layers = [
        {'layer': i, 'module': 'x', **dict.fromkeys(DRAWN, 0.5)}
        for i in range(3)
    ]
    layers[1][missing] = None
    rows = [
        {
            'status': 'ok',
            'method': 'gcn',
            'depth': 4,
            'seed': 0,
            'probe': {s: {'layers': layers} for s in probe.STATES},
        }
    ]
    file = probe.draw(probe.frame(rows), 'gcn', tmp_path)
    assert (tmp_path / file).stat().st_size > 1000
