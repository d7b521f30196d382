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


def test_epoch(capsys, tmp_path):
    """The whole command, where peers are checked to compute the same."""
    file = tmp_path / 'epoch.json'
    threads = torch.get_num_threads()
    try:
        code = main(
            [
                *('speed', 'epoch', '--datasets', 'digits', '--depths', '2'),
                *('--repeats', '1', '--json', str(file)),
            ]
        )
    finally:
        torch.set_num_threads(threads)
    assert code == 0
    assert 'interleaved' in capsys.readouterr().out
    (row,) = json.loads(file.read_text())['rows']
    assert row['edge_index / ours'] == pytest.approx(
        row['edge_index ms'] / row['ours ms']
    )


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
