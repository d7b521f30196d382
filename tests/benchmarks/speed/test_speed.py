import json

import numpy as np
import pytest
import torch
from torch_geometric.utils import is_undirected

from benchmarks.cli import main
from benchmarks.data import clouds, datasets
from benchmarks.errors import UsageError
from benchmarks.speed import augment, epoch, knn, layers, measure, reversible
from pyg_ext.utils import gcn_adj


def test_interleave_takes_turns():
    calls = []
    seconds = measure.interleave(
        {'a': lambda: calls.append('a'), 'b': lambda: calls.append('b')}, 3
    )
    assert calls == ['a', 'a', 'b', 'b'] * 5  # the second of two counts
    assert set(seconds) == {'a', 'b'}
    assert all(s >= 0 for s in seconds.values())


def test_interleave_calls_what_is_slow_twice(monkeypatch):
    now, calls = [0.0], []

    def take(name, seconds):
        calls.append(name)
        now[0] += seconds if calls.count(name) > 1 else 50.0  # compiled

    monkeypatch.setattr(measure.time, 'perf_counter', lambda: now[0])
    seconds = measure.interleave(
        {'slow': lambda: take('slow', 30.0), 'quick': lambda: take('q', 1.0)},
        repeats=3,
    )
    assert seconds == {'slow': 30.0, 'quick': 1.0}
    assert calls == ['slow', 'q'] * 2 + ['q'] * 3


def speed(tmp_path, *arguments):
    """The whole command, where peers are checked to compute the same."""
    file = tmp_path / 'rows.json'
    code = main(['speed', *arguments, '--json', str(file)])
    assert code == 0
    return json.loads(file.read_text())['rows']


def test_epoch(capsys, tmp_path):
    (row,) = speed(
        tmp_path,
        *('epoch', '--datasets', 'digits', '--depths', '2', '--repeats', '1'),
    )
    assert 'repeats=1' in capsys.readouterr().out
    assert row['edge_index / ours'] == pytest.approx(
        row['edge_index ms'] / row['ours ms']
    )


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        ('epoch --depths 0', "as in 2,4,8 (got '0')"),
        ('epoch --datasets core', "did you mean 'cora'"),
        (
            'epoch --datasets ogbg-molesol',
            'one graph is meant, and ogbg-molesol has',
        ),
        ('epoch --repeats 0', 'a whole number from 1 to 1000000'),
        ('epoch --threads 0', 'a whole number from 1 to 1024'),
        ('epoch --device tpu', "device 'tpu' cannot be used"),
        ('epoch --json no/such/file', 'a file in a folder that is there'),
        ('epoch --root no/such', 'is no folder'),
        ('parts --datasets ,', 'a name is missing'),
        ('reversible --depths a', "(got 'a')"),
        ('reversible --peers pgy', "did you mean 'pyg'"),
        ('reversible --channels 7', 'an even number from 4 to 1000000'),
        ('reversible --nodes 0', 'a whole number from 100 to'),
        ('layers --kinds dence', "did you mean 'dense'"),
        ('layers --parts 0', "(got '0')"),
        ('layers --limit nan', "a positive number (got 'nan')"),
        ('drift --norms bach', "did you mean 'batch'"),
        ('drift --checkpoints -1', 'whole numbers from 0'),
        ('knn --peers sicpy', "did you mean 'scipy'"),
        ('augment --graphs core', "did you mean 'cora'"),
        ('augment --graphs 9', 'or numbers of nodes from 200 to'),
        ('augment --eps 0', "a positive number (got '0')"),
        ('metrics --nodes 9', 'a whole number from 256'),
        ('metrics --channels -2', 'an even number'),
        ('probe --depths 2..4', "(got '2..4')"),
        ('probe --dataset arxiv-sim', "no recipe for 'gcn' on arxiv-sim"),
    ],
)
def test_wrong_calls(capsys, monkeypatch, call, message):
    def refuse(*args, **kwargs):
        raise AssertionError('data are loaded')

    monkeypatch.setattr(datasets, 'load', refuse)
    assert main(['speed', *call.split()]) == 2
    text = capsys.readouterr().out
    assert text.startswith('error: ')
    assert text.count('\n') == 1
    assert message in text


def test_parts(capsys, tmp_path):
    rows = speed(tmp_path, 'parts', '--datasets', 'digits', '--repeats', '2')
    assert len(rows) == 3
    for row in rows:
        ratio = row['torch ms'] / row['ours ms']
        assert row['torch / ours'] == pytest.approx(ratio)


SMALL = ('--nodes', '200', '--channels', '8')


def test_reversible_seconds(capsys, tmp_path):
    (row,) = speed(
        tmp_path,
        *('reversible', '--depths', '3', '--repeats', '1', *SMALL),
    )
    assert row['ours / pyg'] == pytest.approx(row['ours s'] / row['pyg s'])
    assert {f'{peer} s' for peer in reversible.PEERS} <= set(row)


def test_reversible_memory(capsys, tmp_path):
    rows = speed(
        tmp_path,
        *('reversible', '--measure', 'memory', '--depths', '2,30'),
        *('--repeats', '1'),
        *('--nodes', '20000', '--channels', '64', '--peers', 'plain'),
    )
    # 28 layers of 20,000 x 64 floats, and more, that only plain stores:
    stored = 28 * 20_000 * 64 * 4 / 2**20
    assert rows[1]['plain MB'] - rows[0]['plain MB'] > stored
    assert rows[1]['ours MB'] - rows[0]['ours MB'] < stored / 2


def test_pool(capsys, tmp_path):
    rows = speed(
        tmp_path,
        *('pool', '--dataset', 'mutag', '--pool', 'mean,diffpool'),
        *('--graphs', '4', '--channels', '8', '--repeats', '1'),
    )
    assert [row['pool'] for row in rows] == ['mean', 'diffpool']
    assert rows[0]['pool / mean'] == 1.0
    assert all(row['ms'] > 0 for row in rows)
    # Four layers keep their outputs, of some 70 nodes and 8 channels, and
    # batch norm its inputs.
    assert rows[0]['kept MB'] > 7 * 70 * 8 * 4 / 2**20
    assert rows[1]['kept MB'] > rows[0]['kept MB']


def test_layers(capsys, tmp_path):
    rows = speed(
        tmp_path,
        *('layers', '--dataset', 'digits', '--channels', '8'),
        *('--depths', '1,3', '--kinds', 'plain,jumping,dense,reversible'),
        *('--parts', '1,4'),
    )
    assert [(row['kind'], row['parts']) for row in rows][2:] == [
        (kind, parts)
        for kind in ('jumping', 'dense', 'reversible')
        for parts in (1, 4)
    ]
    assert all(row['MB, 3 layers'] > 0 for row in rows)
    assert 'MB / layer' in rows[0]


def test_layers_without_room(capsys, tmp_path):
    rows = speed(
        tmp_path,
        *('layers', '--dataset', 'digits', '--channels', '4096'),
        *('--depths', '64', '--kinds', 'residual', '--limit', '1'),
    )
    assert rows[0]['s, 64 layers'].startswith('failed')


@pytest.mark.parametrize('kind', layers.KINDS)
def test_layers_learn(kind, graph):
    """The same blocks in each kind: all parameters get a gradient."""
    model = layers.Stack(kind, 5, 8, 3, 2).double()
    adj = gcn_adj(graph.edge_index, num_nodes=8, dtype=torch.double)
    model(graph.x, adj).sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_reversible_peers_that_differ_are_not_timed(monkeypatch, tmp_path):
    right = reversible.build

    def build(peer, depth, args):
        model = right(peer, depth, args)
        if peer == 'pyg':
            for parameter in model.parameters():
                parameter.data.mul_(1.1)
        return model

    monkeypatch.setattr(reversible, 'build', build)
    with pytest.raises(RuntimeError, match='pyg differs by'):
        speed(tmp_path, 'reversible', '--depths', '2', *SMALL)


def test_knn_seconds(capsys, tmp_path):
    rows = speed(tmp_path, 'knn', '--profile', 'fast', '--repeats', '1')
    assert [row['clouds'] for row in rows] == [1, 1, 32]
    for row in rows:
        assert row['ours s'] > 0
        assert row['cdist / ours'] > 0
        assert row['sklearn / ours'] > 0
    assert rows[1]['scipy / ours'] == 'over 10 dims'


def test_knn_memory(capsys, tmp_path, monkeypatch):
    case = (6000, 3, 8)
    monkeypatch.setitem(knn.PROFILES, 'fast', [case])
    (row,) = speed(
        tmp_path,
        *('knn', '--profile', 'fast', '--measure', 'memory'),
        *('--peers', 'dense'),
    )
    assert row['dense MB'] > 6000**2 * 4 / 2**20
    assert row['ours MB'] < row['dense MB'] / 4


def test_knn_peers_that_differ_are_not_timed(monkeypatch, tmp_path):
    def wrong(x, batch, k):
        return torch.arange(k).expand(len(x), k)

    monkeypatch.setitem(knn.PEERS, 'dense', wrong)
    with pytest.raises(RuntimeError, match='dense differs by'):
        speed(tmp_path, 'knn', '--profile', 'fast', '--peers', 'dense')


def test_knn_names_and_files(monkeypatch, tmp_path):
    assert main(['speed', 'knn', '--peers', 'fais']) == 2
    monkeypatch.delenv('PYG_EXT_DATA', raising=False)
    with pytest.raises(UsageError, match=r'room_scan1.npy is missing'):
        clouds.room()


def test_knn_room(root):
    assert clouds.room(root).size() == (112_586, 3)


def test_drift(capsys, tmp_path):
    rows = speed(
        tmp_path,
        *('drift', '--depths', '8', '--checkpoints', '0,2', *SMALL),
    )
    assert [row['norm'] for row in rows] == ['layer', 'batch', 'none']
    assert all(float(row['checkpoint_every=2']) < 1e-3 for row in rows)


def test_peers_that_differ_are_not_timed():
    torch.manual_seed(0)
    edges = torch.tensor([[0, 1, 2], [1, 2, 0]])
    x, y = torch.rand(3, 4), torch.tensor([0, 1, 1])
    models = [epoch.StockGCN(4, 2, 2) for _ in range(2)]
    inputs = {
        name: (model, x, edges)
        for name, model in zip(('ours', 'other'), models, strict=True)
    }
    with pytest.raises(RuntimeError, match='other differs by'):
        epoch.check(inputs, y, torch.arange(3))
    models[1].load_state_dict(models[0].state_dict())
    epoch.check(inputs, y, torch.arange(3))


def test_augment(tmp_path):
    """Errors are checked beside get_ppr's before anything is timed."""
    (row,) = speed(tmp_path, 'augment', '--graphs', '300', '--repeats', '1')
    assert row['nodes'] == 300
    assert row['L1 heat'] <= row['L1 ppr']
    assert 1 <= row['least nodes ppr'] <= row['least nodes heat'] <= 300
    assert row['heat / ppr'] == pytest.approx(row['heat s'] / row['ppr s'])
    for peer in ('get_ppr', 'scipy', 'GDC exact', 'GDC approx'):
        assert row[f'{peer} / ours'] > 0


def test_least_nodes():
    exact = np.array([[0.5, 0.2], [0.25, 0.4], [0.25, 0.4]])  # [N, B]
    assert augment.least_nodes(exact, 0.5) == (1 + 2) / 2
    assert augment.least_nodes(exact, 0.1) == 3


def test_augment_stops_at_a_large_error(monkeypatch, tmp_path):
    right = augment.ppr_topk

    def wrong(*args, **kwargs):
        edges, value = right(*args, **kwargs)
        return edges, value / 2

    monkeypatch.setattr(augment, 'ppr_topk', wrong)
    with pytest.raises(RuntimeError, match='larger than that of get_ppr'):
        speed(tmp_path, 'augment', '--graphs', '300')


def test_augment_memory(tmp_path):
    options = ('--graphs', '3000', '--measure', 'memory')
    (row,) = speed(tmp_path, 'augment', *options)
    assert all(0 <= row[f'{name} MB'] < 500 for name in augment.CALLS)
    assert all(row[f'{name} process MB'] > 100 for name in augment.CALLS)
    assert all(row[f'{name} s'] > 0 for name in augment.CALLS)


def test_heavy_tailed():
    edges = augment.heavy_tailed(5000)
    degree = edges[0].bincount(minlength=5000)
    assert is_undirected(edges)
    assert 11 < float(degree.double().mean()) < 14
    assert int(degree.max()) > 20 * float(degree.double().mean())


@pytest.mark.parametrize('graphs', ['1', '3'])
def test_metrics(tmp_path, graphs):
    size = ('--nodes', '1000', '--channels', '8', '--graphs', graphs)
    rows = speed(tmp_path, 'metrics', *size)
    names = {row['measure'].partition(',')[0] for row in rows}
    assert {'mad_gap', 'smv', 'numerical_rank', 'dirichlet_energy'} <= names
    assert all(row['seconds'] > 0 and row['MB'] >= 0 for row in rows)


def test_sweep(tmp_path):
    rows = speed(
        tmp_path,
        *('sweep', '--dataset', 'digits', '--seeds', '2', '--jobs', '0,2'),
    )
    assert [row['jobs'] for row in rows] == [0, 2]
    for row in rows:
        assert row['runs'] == 2
        assert 0 < row['training, s a job'] < row['s']


def test_probe(tmp_path):
    (row,) = speed(
        tmp_path,
        *('probe', '--dataset', 'digits', '--depths', '4', '--repeats', '1'),
    )
    assert row['depth'] == 4
    assert row['epoch ms'] > 0
    assert row['each epoch probed, % more'] > -100
