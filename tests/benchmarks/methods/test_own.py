import pytest
import torch
from torch_geometric.nn import GCNConv, GraphSAGE

from benchmarks.errors import UsageError
from benchmarks.methods import own, spec
from benchmarks.methods.network import Network
from pyg_ext.nn import GCN, ConvStack, PoolNet


class Net(torch.nn.Module):
    def __init__(self, size, hidden, depth, classes, bias=True):
        super().__init__()
        self.layer = torch.nn.Linear(size, classes, bias)
        self.sizes = size, hidden, depth, classes

    def forward(self, x, edge_index):
        return self.layer(x)


class Stack(ConvStack):
    def init_conv(self, in_channels, out_channels, last, **options):
        return GCNConv(in_channels, out_channels)


def three(size, hidden, classes):
    return Net(size, hidden, 2, classes)


def needs_more(size, hidden, depth, classes, more):
    return Net(size, hidden, depth, classes)


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setattr(own, 'REGISTERED', {})


def build(name, **options):
    return Network(spec.parse(name), 3, options).build(5, 7)


def test_sizes_and_options():
    own.register('mine', Net)
    assert build('mine').sizes == (5, 64, 3, 7)
    assert build('mine', hidden_channels=8).sizes == (5, 8, 3, 7)
    assert build('mine', bias=False).layer.bias is None
    own.register('theirs', GraphSAGE)
    assert build('theirs').num_layers == 3


def test_stacks_take_remedies():
    own.register('mine', Stack)
    assert spec.parse('Mine+res').name == 'mine+res'
    assert build('mine+res')(torch.ones(2, 5), torch.zeros(2, 0).long()).shape


def test_a_pool_net_of_ones_own():
    def pooled(size, hidden, depth, classes):
        return PoolNet(GCN, size, hidden, depth, classes, pool='diffpool')

    own.register('mine', pooled)
    given = torch.ones(4, 5), torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]])
    batch = torch.tensor([0, 0, 1, 1])
    out, loss = build('mine')(*given, batch=batch, return_losses=True)
    assert out.shape == build('mine')(*given, batch=batch).shape == (2, 7)
    assert loss > 0


def test_names():
    own.register('mine', Net)
    own.register('Mine', Stack)  # specification strings know no upper case
    assert [*own.REGISTERED] == ['Mine']
    for name in ('gcn', 'GCN', 'resgcn', 'none'):
        with pytest.raises(UsageError, match='is a built-in method'):
            own.register(name, Net)
    for name in ('', 'a b', 'a+b', 'a,b', '1a', 3, None):
        with pytest.raises(UsageError, match='must be of letters'):
            own.register(name, Net)


@pytest.mark.parametrize(
    ('model', 'message'),
    [
        (Net(1, 2, 3, 4), r'must be a class.*got Net'),
        (3, r'must be a class.*got int'),
        (torch, r'must be a class.*got module'),
        (three, 'three must take the size'),
        (needs_more, 'needs_more must take the size'),
        (lambda **sizes: None, 'lambda.* must take the size'),
        (int, 'int is no network'),
    ],
)
def test_what_is_no_network(model, message):
    with pytest.raises(UsageError, match=message):
        own.register('mine', model)
    assert not own.REGISTERED


def test_function_that_gives_no_network():
    own.register('mine', lambda size, hidden, depth, classes: classes)
    with pytest.raises(TypeError, match=r'must give a network \(got int\)'):
        build('mine')


def test_other_code_is_another_backbone():
    own.register('mine', GCN)
    first = spec.parse('mine').backbone
    own.register('mine', GraphSAGE)
    second = spec.parse('mine').backbone
    assert len({first.code, second.code, None}) == 3


@pytest.mark.parametrize(
    'wrong',
    [lambda x: x[:, :2], lambda x: x[0], lambda x: (x, None), lambda x: None],
)
def test_outputs(wrong):
    class Wrong(Net):
        def forward(self, x, edge_index):
            return wrong(super().forward(x, edge_index))

    own.register('mine', Wrong)
    with pytest.raises(ValueError, match='must give rows of 7 outputs'):
        build('mine')(torch.ones(4, 5), None)
