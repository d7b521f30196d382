import json

import pytest
import torch

from benchmarks.__main__ import main
from benchmarks.speed import epoch, measure


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
    assert 'interleaved' in capsys.readouterr().out
    assert row['edge_index / ours'] == pytest.approx(
        row['edge_index ms'] / row['ours ms']
    )


def test_parts(capsys, tmp_path):
    rows = speed(tmp_path, 'parts', '--datasets', 'digits', '--repeats', '2')
    assert len(rows) == 3
    for row in rows:
        ratio = row['torch ms'] / row['ours ms']
        assert row['torch / ours'] == pytest.approx(ratio)


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
