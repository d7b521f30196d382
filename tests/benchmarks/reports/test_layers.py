import pandas as pd
import pytest
import torch

from benchmarks.cli import main
from benchmarks.data import datasets
from benchmarks.data.protocols import PROTOCOLS
from benchmarks.errors import UsageError
from benchmarks.interface.report import report
from benchmarks.methods import spec
from benchmarks.output import console
from benchmarks.recipes import presets
from benchmarks.reports import layers as probe
from benchmarks.runs.store import Store
from benchmarks.training import nodes
from benchmarks.training.layers import DRAWN, NONE, _plain, look
from pyg_ext.metrics import attention_entropy
from pyg_ext.nn import GAT, GCN

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
    [
        None,
        {},
        {'initial': 3},
        {s: {'layers': [{}]} for s in probe.STATES},
        {
            s: {'layers': [], 'findings': [], 'attention': [0.5]}
            for s in probe.STATES
        },
    ],
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


def test_attention_of_a_look():
    """By layer and head, as the layers of PyG have it; after it the network
    is what it was.
    """
    data = datasets.load('digits')
    torch.manual_seed(0)
    model = GAT(64, 8, 2, 10, heads=4, attention_dropout=0.5)
    first, last = model.convs
    weights, x = [], data.x
    model.eval()
    with torch.no_grad():
        for conv in (first, last):
            x, attention = conv(
                x, data.edge_index, return_attention_weights=True
            )
            weights.append(attention)
            x = x.relu()
    model.train()
    index = {'train': data.train_mask, 'val': data.val_mask}
    index = {name: mask.nonzero().view(-1) for name, mask in index.items()}
    edges = data.edge_index
    seen = look(model, data.x, edges, data.y, index, edges)
    want = [
        attention_entropy(*pair, relative=True).tolist() for pair in weights
    ]
    assert seen['attention'] == want
    assert [len(heads) for heads in want] == [4, 4]
    assert model.training
    gcn = look(GCN(64, 8, 2, 10), data.x, edges, data.y, index, edges)
    assert 'attention' not in gcn


def test_attention_in_a_report(tmp_path, row):
    layer = {'layer': 0, **dict.fromkeys(DRAWN, 0.5)}
    seen = {'layers': [layer], 'findings': []}
    heads = {'initial': [[1.0, 0.5]], 'trained': [[None, 1e-9]]}
    attended = {s: {**seen, 'attention': heads[s]} for s in probe.STATES}
    rows = [
        row(probe=dict.fromkeys(probe.STATES, seen)),
        row(method='gat', probe=attended),
    ]
    text, names = probe.write(rows, tmp_path)
    assert names[-2:] == ['attention.csv', 'attention-gat.png']
    assert {*names} == {file.name for file in tmp_path.iterdir()}
    assert probe.ATTENTION in text
    assert '![attention of gat](attention-gat.png)\n' in text
    table = pd.read_csv(tmp_path / 'attention.csv')
    assert {*table['method']} == {'gat'}
    assert table[['state', 'layer', 'head']].values.tolist() == [
        *(['initial', 0, 0], ['initial', 0, 1]),
        *(['trained', 0, 0], ['trained', 0, 1]),
    ]
    for name, want in {
        'entropy': [1.0, 0.5, None, 1e-9],
        'divergence': [1e-7, 0.5, None, 1.0],
    }.items():
        values = table[name].astype(object)
        assert values.where(values.notna(), None).tolist() == want
    less, names = probe.write(rows[:1], tmp_path)
    assert probe.ATTENTION not in less
    assert 'attention.csv' not in names


def test_figures_that_are_no_longer_of_the_report_go(capsys, tmp_path, row):
    layer = {'layer': 0, **dict.fromkeys(DRAWN, 0.5)}
    seen = {'layers': [layer], 'findings': []}
    heads = {**seen, 'attention': [[0.5]]}
    methods = {'gcn': seen, 'gcn+layer': seen, 'gat': heads}
    stored, probes = Store(tmp_path), Store(tmp_path, 'probe.jsonl')
    for method, state in methods.items():
        stored.append(row(method=method))
        looked = dict.fromkeys(probe.STATES, state)
        probes.append(row(method=method, probe=looked))
    stored.append(row(method='mlp'))

    def names(*methods):
        given = ['--methods', ','.join(methods)] if methods else []
        code, text = run(capsys, 'report', '--out', str(tmp_path), *given)
        assert not code, text
        return {
            file.name
            for file in tmp_path.iterdir()
            if 'probe' in file.name or 'attention' in file.name
            if file.suffix in ('.png', '.csv')
        }

    every = {
        *('probe.csv', 'probe-gcn.png', 'probe-gcn+layer.png'),
        *('probe-gat.png', 'attention.csv', 'attention-gat.png'),
    }
    mine = {'probe-mine.png', 'attention-mine.csv', 'old probe-gcn.png'}
    for name in mine:  # of somebody else
        (tmp_path / name).write_text('mine')
    assert names() == every | mine
    some = {'probe.csv', 'probe-gcn.png', 'probe-gcn+layer.png'}
    assert names('gcn', 'gcn+layer') == some | mine
    assert names('gcn') == {'probe.csv', 'probe-gcn.png'} | mine
    assert names('mlp') == mine
    for name in mine:
        assert (tmp_path / name).read_text() == 'mine'


def test_nothing_goes_if_the_page_is_not_of_a_report(capsys, tmp_path, row):
    Store(tmp_path).append(row())
    kept = tmp_path / 'probe-gcn.png'
    kept.write_text('mine')
    (tmp_path.parent / 'probe-x.png').write_text('mine')
    for page in (
        'See probe-gcn.png, ![layers of gcn](probe-gcn.png), and more',
        '![layers of gcn](../probe-x.png)\n![layers of x](curve.png)\n',
        '![layers of gcn](probe-/../probe-gcn.png)\n',
    ):
        (tmp_path / 'report.md').write_text(page)
        assert run(capsys, 'report', '--out', str(tmp_path))[0] == 0
        assert kept.read_text() == 'mine'
        assert (tmp_path.parent / 'probe-x.png').exists()
        assert (tmp_path / 'curve.png').exists()
    (tmp_path / 'report.md').write_bytes(b'\xff')
    assert run(capsys, 'report', '--out', str(tmp_path))[0] == 0


def test_networks_without_a_hidden_layer(capsys, tmp_path):
    command = (*COMMAND[:3], '--methods', 'gat,gcn,mlp', '--depths', '1,2')
    code, _ = run(
        capsys,
        *(*command, '--epochs', '3', '--seeds', '1', '--jobs', '0'),
        *('--probe', '--out', str(tmp_path)),
    )
    assert code == 0
    table = pd.read_csv(tmp_path / 'probe.csv')
    assert table['depth'].unique().tolist() == [2]
    assert NONE in (tmp_path / 'report.html').read_text()
    page = (tmp_path / 'report.md').read_text()
    assert '| gcn | 1 | no hidden layer | no hidden layer |' in page


def test_no_network_with_a_hidden_layer(capsys, tmp_path):
    command = (*COMMAND[:3], '--methods', 'gcn', '--depths', '1')
    code, _ = run(
        capsys,
        *(*command, '--epochs', '3', '--seeds', '1', '--jobs', '0'),
        *('--probe', '--out', str(tmp_path)),
    )
    assert code == 0
    assert pd.read_csv(tmp_path / 'probe.csv').empty
    assert 'no hidden layer' in (tmp_path / 'report.md').read_text()
    assert (tmp_path / 'curve.png').exists()


def test_points_have_no_graph(capsys, tmp_path):
    code, text = run(
        capsys,
        *('depth', '--dataset', 'digits', '--methods', 'deepgcn'),
        *('--preset', 'points', '--probe', '--out', str(tmp_path)),
    )
    assert code == 2
    assert 'a probe needs a graph, and deepgcn has none' in text


def test_numbers_that_json_cannot_hold():
    given = [1, float('nan'), 'state', 0.5, float('inf')]
    assert [*map(_plain, given)] == [1, None, 'state', 0.5, None]


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


def test_answers_that_are_far_away(capsys, tmp_path):
    code, _ = run(
        capsys,
        *('depth', '--dataset', 'ring-transfer:distance=3', '--probe'),
        *('--methods', 'gcn,gcn+res', '--depths', '1,2,4', '--epochs', '3'),
        *('--seeds', '1', '--jobs', '0', '--out', str(tmp_path)),
    )
    assert code == 0
    lines = pd.read_csv(tmp_path / 'summary.csv').set_index('method')
    far = lines.set_index('depth', append=True)['jacobian']
    assert far['gcn', 2] == 0  # reaches two hops
    assert far['gcn', 4] > 0
    rows = Store(tmp_path, 'probe.jsonl').read()
    for row in rows:
        for state in ('initial', 'trained'):
            seen = row['probe'][state]
            assert len(seen['jacobian']) == 4
            assert seen['jacobian'][0] > 0
            short = seen['layers'] and not seen['jacobian'][3]
            assert ('under-reaching' in seen['findings']) == bool(short)
    for page in ('report.md', 'report.html'):
        text = (tmp_path / page).read_text('utf-8')
        text = ' '.join(text.replace('&#39;', "'").split())
        assert "the answers are 3 hops away along the graph's own" in text
        assert 'can only guess (right in 20 %), unless other edges' in text
        assert 'Gray and dotted: the score of who guesses.' in text
        assert 'Points in one another have the same mean.' in text
        assert 'features 3 hops away' in text
    assert not (tmp_path / 'receptive_field.csv').exists()

    drawn = report(tmp_path).figure()
    curves, below = drawn.axes
    top, side = (axes for axes in curves.child_axes)
    assert [t.get_text() for t in top.get_xticklabels()] == ['3 hops']
    assert [t.get_text() for t in side.get_yticklabels()] == ['guess']
    assert [20, 20] in [[*line.get_ydata()] for line in curves.lines]
    title = ' '.join(drawn.get_suptitle().split())
    assert '1 run each; dashed: the answers are 3 hops away along' in title
    assert '±' not in title
    for panel in (curves, below):
        assert [3, 3] in [[*line.get_xdata()] for line in panel.lines]
    assert below.get_yscale() == 'log'
    assert '3 hops away' in below.get_ylabel()


def test_answers_that_are_at_most_so_far_away(capsys, tmp_path):
    command = (
        *('depth', '--dataset', 'eccentricity:graphs=10', '--methods', 'gcn'),
        *('--epochs', '2', '--seeds', '2', '--jobs', '0'),
        *('--out', str(tmp_path), '--depths'),
    )
    assert run(capsys, *command, '1,2')[0] == 0
    page = (tmp_path / 'report.md').read_text('utf-8')
    assert 'Not drawn: the answers are up to ' in page
    assert not report(tmp_path).figure().axes[0].child_axes
    code, text = run(capsys, *command, '1,20')
    assert code == 0
    needed = datasets.find('eccentricity:graphs=10').needs()
    far = f"answers are up to {needed} hops away along the graph's own edges"
    assert f'The {far}. A network' in ' '.join(text.split())
    page = (tmp_path / 'report.md').read_text('utf-8')
    assert f'Dashed: the {far}. A network that reaches less far can ' in page
    assert 'can know only the nearer ones, unless other edges' in page
    assert 'guess' not in page
    assert 'Points in one another' not in page
    figure = report(tmp_path).figure()
    title = ' '.join(figure.get_suptitle().split())
    assert title.endswith(f'mean ± std of 2 seeds; dashed: the {far}')
    [top] = figure.axes[0].child_axes
    [label] = top.get_xticklabels()
    assert label.get_text() == f'up to {needed} hops'
