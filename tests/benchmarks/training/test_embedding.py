import pytest
import torch
from torch_geometric.data import Data

from benchmarks.data import datasets
from benchmarks.data.metrics import METRICS
from benchmarks.data.protocols import PROTOCOLS
from benchmarks.errors import UsageError
from benchmarks.interface.sweep import sweep
from benchmarks.interface.train import train
from benchmarks.methods import spec
from benchmarks.methods.network import Network
from benchmarks.methods.node2vec import Node2Vec
from benchmarks.recipes import presets
from benchmarks.recipes.recipe import OBJECTIVE, Recipe
from benchmarks.training import embedding, nodes
from benchmarks.training.fit import Diverged

DIGITS = PROTOCOLS['digits-5-per-class']
PATH = torch.tensor([[0, 1, 2, 3, 4], [1, 2, 3, 4, 5]])


def recipe(epochs, **objective):
    return Recipe(
        epochs=epochs, select='last', objective={**OBJECTIVE, **objective}
    )


def run(method, depth, data=None, epochs=10, **objective):
    """The scores, and the parameters after training."""
    model = []

    class Kept(Network):
        def build(self, *sizes):
            model.append(super().build(*sizes))
            return model[0]

    network = Kept(spec.parse(method), depth, {'hidden_channels': 32})
    data = datasets.load('digits') if data is None else data
    given = recipe(epochs, **objective)
    scores = embedding.run(network, data, given, DIGITS, seed=0)
    return scores, [*model[0].parameters()]


def test_pairs_along_a_path():
    """Each within the window, the earlier first, no node with itself."""
    data = Data(edge_index=PATH, num_nodes=7)
    torch.manual_seed(0)
    given = {**OBJECTIVE, 'walk_length': 4, 'num_walks': 1, 'window': 2}
    pairs = embedding.draw_pairs(data, given)
    found = {*map(tuple, pairs.t().tolist())}
    near = {(u, v) for u in range(6) for v in range(6) if 1 <= v - u <= 2}
    assert found == near
    other = embedding.draw_pairs(data, given)
    assert not torch.equal(pairs, other)  # in another order
    torch.manual_seed(0)
    assert torch.equal(pairs, embedding.draw_pairs(data, given))
    data = Data(edge_index=PATH[:, :0], num_nodes=3)
    with pytest.raises(ValueError, match='no walk leaves its node'):
        embedding.draw_pairs(data, given)


def test_loss_by_its_formula():
    torch.manual_seed(0)
    z = torch.randn(4, 3, dtype=torch.double, requires_grad=True)
    pairs = torch.tensor([[0, 0, 2], [1, 3, 1]])
    others, weight = torch.tensor([3, 3, 1]), 2.5
    want = 0.0
    for u, v in pairs.t().tolist():
        want -= (z[u] @ z[v]).sigmoid().log() / 3
        for n in others.tolist():
            want -= weight * (-z[u] @ z[n]).sigmoid().log() / 9
    loss = embedding.walk_loss(z, pairs, others, weight)
    assert torch.allclose(loss, want)
    (ours,), (theirs,) = (torch.autograd.grad(o, z) for o in (loss, want))
    assert torch.allclose(ours, theirs)


def test_classifier():
    """Two classes on a line, and one that no training node has."""
    z = torch.tensor([[-2.0], [-1.0], [1.0], [2.0], [-3.0], [3.0], [4.0]])
    y = torch.tensor([0, 0, 1, 1, 0, 1, 2])
    parts = {'train': [0, 1, 2, 3], 'val': [4, 5], 'test': [5, 6]}
    index = {split: torch.tensor(nodes) for split, nodes in parts.items()}
    metric = METRICS['accuracy']
    loss, scores = embedding.classify(z, y, index, metric)
    assert scores == {'train': 1.0, 'val': 1.0, 'test': 0.5}
    assert 0.0 < loss < 0.2
    with pytest.raises(Diverged, match='infinite or no number'):
        embedding.classify(z / 0, y, index, metric)


@pytest.mark.parametrize(
    ('method', 'depth', 'given'),
    [
        ('sage+unsupervised', 2, {}),
        ('gcn+unsupervised+dropedge', 2, {}),
        ('node2vec', 5, {'unit': False, 'steps': 8}),
    ],
)
def test_vectors_tell_classes_apart(method, depth, given):
    """Real digits, 50 labels: far beyond the 10 % of guessing."""
    scores, _ = run(method, depth, **given)
    assert scores['test'] > 0.7
    assert scores['epochs'] == scores['best_epoch'] == 10


@pytest.mark.parametrize('method', ['sage+unsupervised', 'node2vec'])
def test_labels_are_not_learned_from(method):
    data = datasets.load('digits')
    _, first = run(method, 2, data, 2)
    data.y = data.y[torch.randperm(data.num_nodes)]
    scores, second = run(method, 2, data, 2)
    assert scores['test'] < 0.3
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other)


def test_a_new_node_has_no_vector():
    model = Node2Vec(5, 4, 2)
    assert model(torch.rand(5, 3)) is model.table.weight
    assert model.table.weight.size() == (5, 4)
    with pytest.raises(ValueError, match=r'none for a new one \(got 6 nodes'):
        model(torch.rand(6, 3))


def test_goes_on_from_a_checkpoint(tmp_path):
    """And gives what it would have given without a stop."""
    given = {
        'lr': 0.01,
        'select': 'last',
        'objective': {'walk_length': 5, 'unit': False},
    }
    rows = {}
    for place, epochs in (('a', 2), ('a', 4), ('b', 4)):
        rows[place] = train(
            'digits',
            'node2vec',
            2,
            recipe={**given, 'epochs': epochs},
            out=tmp_path / place,
            resume=True,
            say=lambda line: None,
        )
    assert rows['a']['epochs'] == 4
    for score in ('val', 'test', 'train'):
        assert rows['a'][score] == rows['b'][score]


def test_new_nodes_have_vectors_of_a_network():
    network = Network(spec.parse('sage+unsupervised'), 2, {})
    data = datasets.load('digits')
    how = Recipe(inductive=True, objective=OBJECTIVE)
    ready = nodes.set_up(network, data, how)
    assert len(ready.x) == 550
    judged, x, adj, *_ = ready.seen
    assert judged(x, adj).size() == (1797, 64)
    node2vec, new = spec.parse('node2vec'), {'inductive': True}
    with pytest.raises(UsageError, match='a new node has none'):
        presets.configure('graphsage', 'cora', node2vec, new, 5)


def test_edges_that_lie_in_memory_in_another_order():
    data = datasets.load('digits')
    data.edge_index = data.edge_index.t().contiguous().t()
    runs = sweep(
        data,
        ['sage+unsupervised'],
        [2],
        1,
        overrides={'epochs': 1},
        jobs=0,
        progress=False,
    )
    assert not runs.failed()
