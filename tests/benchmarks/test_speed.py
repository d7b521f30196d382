import json

import pytest
import torch

from benchmarks.__main__ import main
from benchmarks.speed import epoch, measure, reversible


def test_interleave_takes_turns():
    calls = []
    seconds = measure.interleave(
        {'a': lambda: calls.append('a'), 'b': lambda: calls.append('b')}, 3
    )
    assert calls == ['a', 'b'] * 5
    assert set(seconds) == {'a', 'b'}
    assert all(s >= 0 for s in seconds.values())


def speed(tmp_path, *arguments):
    """The whole command, where peers are checked to compute the same."""
    file = tmp_path / 'rows.json'
    threads = torch.get_num_threads()
    try:
        code = main(['speed', *arguments, '--json', str(file)])
    finally:
        torch.set_num_threads(threads)
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
        *('--nodes', '20000', '--channels', '64', '--peers', 'plain'),
    )
    # 28 layers of 20,000 x 64 floats, and more, that only plain stores:
    stored = 28 * 20_000 * 64 * 4 / 2**20
    assert rows[1]['plain MB'] - rows[0]['plain MB'] > stored
    assert rows[1]['ours MB'] - rows[0]['ours MB'] < stored / 2


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


def test_drift(capsys, tmp_path):
    rows = speed(
        tmp_path,
        *('drift', '--depths', '8', '--anchors', '0,2', *SMALL),
    )
    assert [row['norm'] for row in rows] == ['layer', 'batch', 'none']
    assert all(float(row['anchor_every=2']) < 1e-3 for row in rows)


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
