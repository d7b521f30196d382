import pytest
import torch
from torch_geometric.data import Data

from benchmarks import datasets, methods, presets, random_parts, train
from benchmarks.errors import UsageError
from benchmarks.methods import Network, parse
from benchmarks.protocols import PROTOCOLS
from benchmarks.recipe import Recipe
from benchmarks.scores import METRICS

DIGITS = PROTOCOLS['digits-5-per-class']


@pytest.mark.parametrize('spec', ['gcn', 'sage', 'gat', 'revgcn'])
def test_learns_on_parts(spec):
    network = Network(parse(spec), 3, {'hidden_channels': 16})
    recipe = Recipe(epochs=20, parts=3)
    scores = train.run(network, datasets.load('digits'), recipe, DIGITS, 0)
    assert scores['test'] > 0.7


def test_each_node_is_in_one_part_with_the_edges_inside():
    data = datasets.load('digits')
    network = Network(parse('mlp'), 2, {'hidden_channels': 4})
    model = network.build(64, 10)
    seen = []
    model.register_forward_pre_hook(lambda m, given: seen.append(given))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    place = (METRICS['accuracy'], torch.device('cpu'))
    loss = random_parts.learn(model, network, data, 4, optimizer, *place)
    assert loss > 0
    assert len(seen) == 4
    found = torch.cat([x for x, _ in seen])
    assert torch.equal(found.unique(dim=0), data.x.unique(dim=0))
    edges = sum(adj.values().numel() for _, adj in seen)
    loops = data.num_nodes
    assert loops + 0.2 * data.num_edges < edges < loops + 0.3 * data.num_edges


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


@pytest.mark.parametrize('parts', [None, 2])
def test_edge_features_and_several_tasks(parts):
    options = {
        'hidden_channels': 8,
        'conv': 'gen',
        'conv_kwargs': {'aggr': 'max', 'norm': 'layer'},
    }
    network = Network(parse('revgcn'), 2, options)
    recipe = Recipe(epochs=40, parts=parts, edge_features=True)
    protocol = PROTOCOLS['ogb-species']
    scores = train.run(network, proteins(), recipe, protocol, 0)
    assert scores['test'] > 0.9
    recipe = Recipe(epochs=5, parts=parts)
    network = Network(parse('gcn'), 2, {'hidden_channels': 8})
    blind = train.run(network, proteins(), recipe, protocol, 0)
    assert blind['test'] < 0.8


def test_errors():
    digits = datasets.load('digits')
    network = Network(parse('gcn'), 2, {'hidden_channels': 8})
    with pytest.raises(ValueError, match='the edges have none'):
        train.run(network, digits, Recipe(edge_features=True), DIGITS, 0)

    def configure(spec, **changes):
        method = methods.parse(spec)
        return presets.configure('classic', 'cora', method, changes)

    for spec, changes, text in (
        ('gcn+ppr', {'parts': 2}, 'cannot train on parts'),
        ('gcn', {'parts': 2, 'label_rate': 0.5}, 'exclude each other'),
        ('gcn', {'parts': 1}, 'parts must be a whole number of at least 2'),
        ('gcnii', {'edge_features': True}, 'takes no features of edges'),
        ('gcn', {'edge_features': 2}, 'edge_features must be true'),
    ):
        with pytest.raises(UsageError, match=text):
            configure(spec, **changes)
