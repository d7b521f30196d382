import pytest
import torch

from benchmarks.data import datasets
from benchmarks.data.protocols import PROTOCOLS
from benchmarks.methods import backbones
from benchmarks.methods import spec as methods
from benchmarks.methods.network import Network
from benchmarks.recipes.recipe import Recipe
from benchmarks.training import nodes
from benchmarks.training.one_forward import OneForward, is_same_in_both

TASK = 'ring-transfer:distance=3'
SPECS = [
    *(
        name
        for name, b in backbones.BACKBONES.items()
        if not (b.joins_points or b.transductive)
    ),
    *('gcn+batch', 'gcn+layer', 'gin+virtual', 'gcn+dropedge', 'gcn+skipnode'),
]
TWICE = {  # of which training is not evaluation: batch norm, or random
    *('gcn+batch', 'gcn+dropedge', 'gcn+skipnode', 'gin', 'gin+virtual'),
    *('deepergcn', 'revgat', 'gcnii-dense'),
}


def counted(spec, monkeypatch, **options):
    """The row of a short run, and how many epochs had one forward pass."""
    calls = []
    whole = OneForward.__call__

    def call(self, optimizer):
        calls.append(self)
        return whole(self, optimizer)

    monkeypatch.setattr(OneForward, '__call__', call)
    given = {'hidden_channels': 8, **options}
    method = methods.parse(spec)
    given = {k: v for k, v in given.items() if k in method.options()}
    row = nodes.run(
        Network(method, 3, given),
        datasets.load(TASK),
        Recipe(epochs=5, patience=4),
        PROTOCOLS['generated'],
        seed=1,
    )
    row = {k: v for k, v in row.items() if k not in ('seconds', 'peak_mb')}
    return row, len(calls)


@pytest.mark.parametrize('spec', SPECS)
def test_same_bits_as_two_forward_passes(spec, monkeypatch):
    found, once = counted(spec, monkeypatch)
    assert once == (0 if spec in TWICE else found['epochs'])
    monkeypatch.setattr(nodes, '_is_one_forward', lambda *args: False)
    assert counted(spec, monkeypatch) == (found, 0)


def test_dropout_needs_two(monkeypatch):
    assert counted('gcn', monkeypatch, dropout=0.5)[1] == 0


class Noisy(torch.nn.Module):
    """What a network may do in training only."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.register_buffer('seen', torch.zeros(()))

    def forward(self, x, adj):
        if self.training and self.kind == 'draws':
            torch.rand(1)
        if self.training and self.kind == 'counts':
            self.seen += 1
        return x + (self.training and self.kind == 'differs')


@pytest.mark.parametrize('kind', ['nothing', 'draws', 'counts', 'differs'])
def test_what_counts_as_the_same(kind):
    model, x = Noisy(kind), torch.ones(3, 2)
    state = torch.get_rng_state()
    assert is_same_in_both(model, x, None) == (kind == 'nothing')
    assert torch.equal(torch.get_rng_state(), state)
    assert model.seen == 0
    assert model.training
