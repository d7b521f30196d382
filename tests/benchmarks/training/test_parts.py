import math

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.typing import WITH_TORCH_SPARSE

from benchmarks.data import datasets
from benchmarks.data.metrics import METRICS
from benchmarks.data.protocols import PROTOCOLS
from benchmarks.errors import UsageError
from benchmarks.methods import spec as methods
from benchmarks.methods.network import Network
from benchmarks.methods.spec import parse
from benchmarks.recipes import presets, recipe
from benchmarks.recipes.recipe import BATCHES, SPARSE, Recipe
from benchmarks.training import nodes
from benchmarks.training import parts as batches

DIGITS = PROTOCOLS['digits-5-per-class']


RECIPES = {
    'random': {'parts': 3},
    'cluster': {'parts': 6, 'batch_size': 2},
    'neighbor': {'batch_size': 25, 'fanout': [10, 5]},
    'saint': {'parts': 3, 'batch_size': 100, 'walk_length': 3},
}
KINDS = [
    pytest.param(kind, marks=[pytest.mark.sparse] * (kind in SPARSE))
    for kind in RECIPES
]


@pytest.fixture
def kind(request):
    if request.param in SPARSE:
        pytest.importorskip('torch_sparse')
    return request.param


@pytest.mark.parametrize('kind', KINDS, indirect=True)
@pytest.mark.parametrize('spec', ['gcn', 'sage', 'revgcn'])
def test_learns_on_parts(spec, kind):
    network = Network(parse(spec), 3, {'hidden_channels': 16})
    recipe = Recipe(epochs=20, batch=kind, **RECIPES[kind])
    digits = datasets.load('digits')
    scores = nodes.run(network, digits, recipe, DIGITS, 0)
    assert scores['test'] > 0.6
    again = nodes.run(network, digits, recipe, DIGITS, 0)
    assert scores['test'] == again['test']  # a seed is enough


@pytest.mark.parametrize('kind', ['random', 'cluster'])
def test_each_node_is_in_one_part_with_the_edges_inside(kind):
    data = datasets.load('digits')
    size = {'batch_size': 2, 'parts': 8} if kind == 'cluster' else {'parts': 4}
    parts = batches.make(data, Recipe(batch=kind, **size))
    found = [*parts()]
    assert len(found) == 4
    numbers = torch.cat([part.number for part in found])
    assert numbers.sort().values.tolist() == list(range(data.num_nodes))
    edges = {*zip(*data.edge_index.tolist(), strict=True)}
    inside = 0
    for part in found:
        ends = part.number[part.edge_index]
        assert {*zip(*ends.tolist(), strict=True)} <= edges
        assert part.x is None
        assert torch.equal(part.learn, data.train_mask[part.number])
        inside += part.num_edges
    share = inside / data.num_edges
    assert 0.2 < share < 0.3 if kind == 'random' else share > 0.9
    sizes = [part.num_nodes for part in found]
    assert max(sizes) < 1.2 * min(sizes)
    other = [part.number for part in parts()]
    assert any(  # in another order, or other parts
        len(a.number) != len(b) or not torch.equal(a.number, b)
        for a, b in zip(found, other, strict=True)
    )


@pytest.mark.sparse
def test_neighbors_learn_from_each_training_node_once(torch_sparse):
    data = datasets.load('digits')
    recipe = Recipe(batch='neighbor', batch_size=20, fanout=[3])
    found = [*batches.make(data, recipe)()]
    assert len(found) == 3
    seeds = torch.cat([part.number[part.learn] for part in found])
    train_nodes = data.train_mask.nonzero().view(-1)
    assert torch.equal(seeds.sort().values, train_nodes)
    for part in found:
        degree = part.edge_index[1].bincount(minlength=part.num_nodes)
        assert degree.max() <= 3
        assert (degree[~part.learn] == 0).all()


@pytest.mark.parametrize('kind', KINDS, indirect=True)
def test_parts_know_which_graph_a_node_is_of(kind):
    data = datasets.load('ring-transfer:distance=3')
    give = batches.make(data, Recipe(batch=kind, **RECIPES[kind]))
    for part in give():
        assert torch.equal(part.batch, data.batch[part.number])


@pytest.mark.sparse
def test_saint_weighs_nodes_by_how_often_they_come(torch_sparse):
    data = datasets.load('digits')
    recipe = Recipe(batch='saint', parts=5, batch_size=50, walk_length=2)
    part = next(iter(batches.make(data, recipe)()))
    degree = data.edge_index[0].bincount()[part.number].double()
    weights = torch.stack([degree, part.node_norm.double()])
    assert torch.corrcoef(weights)[0, 1] < -0.3  # hubs come often


class Given(torch.nn.Module):
    """Gives what it gets."""

    def __init__(self):
        super().__init__()
        self.shift = torch.nn.Parameter(torch.zeros(2))

    def forward(self, x, adj):
        return x + self.shift


LOGS = math.log1p(math.exp(-2)), math.log1p(math.exp(1))  # cross entropies
SHIFT = 1 - math.log(2)


@pytest.mark.parametrize(
    ('metric', 'y', 'each'),
    [
        ('accuracy', [0, 0, 1], LOGS),
        ('log', [0, 0, 1], [math.log(1 + loss / SHIFT) for loss in LOGS]),
        ('rmse', [[2.0, 1.0], [0.0, 3.0], [0.0, 0.0]], [0.5, 2.0]),
    ],
)
@pytest.mark.parametrize('norms', [None, [3.0, 1.0, 5.0]])
def test_norms_of_saint_weigh_the_loss(norms, metric, y, each):
    """Of the nodes to learn from; without norms, all count alike."""
    part = Data(
        edge_index=torch.tensor([[0, 1], [1, 2]]),
        y=torch.tensor(y),
        number=torch.arange(3),
        learn=torch.tensor([True, True, False]),
    )
    part.num_nodes = 3
    first, second = 1.0, 1.0
    if norms is not None:
        part.node_norm = torch.tensor(norms)
        first, second, _ = norms
    model, x = Given(), torch.tensor([[2.0, 0.0], [0.0, 1.0], [9.0, 0.0]])
    loss = batches.learn(
        model,
        model,
        Network(parse('gcn'), 2, {'hidden_channels': 8}),
        x,
        iter([part]),
        torch.optim.SGD(model.parameters(), 0.1),
        Recipe(loss='log').metric(METRICS['accuracy'])
        if metric == 'log'
        else METRICS[metric],
    )
    mean = (first * each[0] + second * each[1]) / (first + second)
    assert loss == pytest.approx(mean)


def test_clusters_of_a_graph_with_loops_and_one_way_edges():
    """Two directed rings that one edge joins."""
    ring = torch.tensor([[0, 1, 2, 3, 0], [1, 2, 3, 0, 0]])
    bridge = torch.tensor([[0], [4]])
    edges = torch.cat([ring, ring + 4, bridge], dim=1)
    found = batches.clusters(Data(edge_index=edges, num_nodes=8), 2)
    assert sorted(found.bincount().tolist()) == [4, 4]
    assert len(found[:4].unique()) == 1


def test_without_torch_sparse(monkeypatch):
    monkeypatch.setattr(recipe, 'WITH_TORCH_SPARSE', False)
    for kind in SPARSE:
        changes = {'batch': kind, **RECIPES[kind]}
        with pytest.raises(UsageError, match='needs torch_sparse'):
            presets.configure('classic', 'cora', parse('gcn'), changes)


def proteins():
    """Edges whose feature says whether the classes of their ends agree, and
    nodes that say nothing.
    """
    torch.manual_seed(0)
    y = torch.randint(2, (60,))
    row, col = torch.randint(60, (2, 600))
    hub = y[row] == 1
    masks = torch.arange(60) % 3
    return Data(
        x=torch.ones(60, 1),
        edge_index=torch.stack([row, col]),
        edge_attr=torch.stack([hub, y[col] == 1], dim=1).float(),
        y=torch.stack([y, 1 - y], dim=1),
        train_mask=masks == 0,
        val_mask=masks == 1,
        test_mask=masks == 2,
    )


@pytest.mark.parametrize('batch', [{}, {'batch': 'random', 'parts': 2}])
def test_edge_features_and_several_tasks(batch):
    options = {
        'hidden_channels': 8,
        'conv': 'gen',
        'conv_kwargs': {'aggr': 'max', 'norm': 'layer'},
    }
    network = Network(parse('revgcn'), 2, options)
    recipe = Recipe(epochs=40, **batch, edge_features=True)
    protocol = PROTOCOLS['ogb-species']
    scores = nodes.run(network, proteins(), recipe, protocol, 0)
    assert scores['test'] > 0.9
    recipe = Recipe(epochs=5, **batch)
    network = Network(parse('gcn'), 2, {'hidden_channels': 8})
    blind = nodes.run(network, proteins(), recipe, protocol, 0)
    assert blind['test'] < 0.8


@pytest.mark.sparse
def test_saint_with_a_loss_of_its_own(torch_sparse):
    """The logarithm for classes; several tasks on theirs."""
    keys = {'batch': 'saint', 'parts': 4, 'walk_length': 2}
    network = Network(parse('gcn'), 2, {'hidden_channels': 16})
    recipe = Recipe(epochs=20, loss='log', batch_size=100, **keys)
    scores = nodes.run(network, datasets.load('digits'), recipe, DIGITS, 0)
    assert scores['test'] > 0.6
    data = proteins()
    data.x = data.y + 0.1  # what is to be learnt
    recipe = Recipe(epochs=40, batch_size=20, lr=0.05, **keys)
    network = Network(parse('mlp'), 2, {'hidden_channels': 8})
    scores = nodes.run(network, data, recipe, PROTOCOLS['ogb-species'], 0)
    assert scores['test'] > 0.9


def test_kinds_have_defaults_and_replace_those_of_a_preset():
    def configure(preset, dataset, **changes):
        return presets.configure(preset, dataset, parse('revgcn'), changes)

    for kind, keys in BATCHES.items():
        if kind in SPARSE and not WITH_TORCH_SPARSE:
            continue
        config = configure('ogb', 'ogbn-products', batch=kind)
        assert config == {
            **configure('ogb', 'ogbn-products', batch='full'),
            **{'batch': kind, **keys},
        }
    plain = configure('ogb', 'ogbn-products')
    assert (plain['batch'], plain['parts']) == ('random', 10)
    assert 'parts' not in configure('ogb', 'ogbn-products', batch='full')
    assert configure('classic', 'cora', batch='random', parts=3)['parts'] == 3


def test_errors():
    digits = datasets.load('digits')
    network = Network(parse('gcn'), 2, {'hidden_channels': 8})
    with pytest.raises(ValueError, match='the edges have none'):
        nodes.run(network, digits, Recipe(edge_features=True), DIGITS, 0)
    for batch in ('random', 'cluster'):
        many = Recipe(batch=batch, parts=1798, batch_size=1)
        with pytest.raises(ValueError, match='parts must be at most 1797'):
            batches.make(digits, many)

    def configure(spec, **changes):
        method = methods.parse(spec)
        return presets.configure('classic', 'cora', method, changes)

    random = {'batch': 'random', 'parts': 2}
    for spec, changes, text in (
        ('gcn+ppr', random, 'cannot train on parts'),
        ('gcn', {**random, 'label_rate': 0.5}, 'cannot train on parts'),
        (
            'gcn',
            {'parts': 2},
            r'there must be nothing of a batch \(got parts\)',
        ),
        ('gcn', {**random, 'fanout': [2]}, r'got fanout, parts\)'),
        ('gcn', {'batch': 'x'}, "batch must be 'random', "),
        ('gcn', {**random, 'parts': 1}, 'parts must be a whole number of'),
        ('gcnii', {'edge_features': True}, 'takes no features of edges'),
        ('gcn', {'edge_features': 2}, 'edge_features must be true'),
        ('revgcn', {'edge_features': True}, "got conv='gcn'"),
    ):
        with pytest.raises(UsageError, match=text):
            configure(spec, **changes)
