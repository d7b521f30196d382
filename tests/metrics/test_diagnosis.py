"""Networks whose failure is known."""

import pytest
import torch
import torch.nn.functional as F
from torch.nn import Linear
from torch_geometric.data import Data
from torch_geometric.nn import SimpleConv
from torch_geometric.utils import index_to_mask

from benchmarks.data import datasets
from pyg_ext.metrics import (
    OverSmoothingProbe,
    diagnose,
    jacobian_by_distance,
)
from pyg_ext.nn import ADGN, GCN, SGC, HiddenState, NodeMLP
from pyg_ext.utils import gcn_adj


@pytest.fixture
def cora(root):
    data = datasets.load('cora', root)
    data.x = F.normalize(data.x, p=1.0)
    data.adj = gcn_adj(data.edge_index, num_nodes=data.num_nodes)
    return data


def probed(model, data, epochs=0, weight_decay=5e-4, mask=None):
    """The diagnosis of a model after so many epochs."""
    mask = data.train_mask if mask is None else mask
    if epochs:
        optimizer = torch.optim.Adam(
            model.parameters(), lr=0.01, weight_decay=weight_decay
        )
    for _ in range(epochs):
        optimizer.zero_grad()
        out = model(data.x, data.adj)[mask]
        F.cross_entropy(out, data.y[mask]).backward()
        optimizer.step()
    model.eval()
    with OverSmoothingProbe(model, data.edge_index) as probe:
        out = model(data.x, data.adj)
        F.cross_entropy(out[mask], data.y[mask]).backward()
    right = (out.argmax(-1) == data.y).double()
    scores = right[mask].mean().item(), right[data.val_mask].mean().item()
    return diagnose(probe, *scores)


def test_smoothing_alone(cora):
    """Powers of the adjacency, no weights but the last ones."""
    data = cora.clone()
    torch.manual_seed(0)
    data.x = data.x @ torch.randn(data.num_features, 16)
    found = probed(SGC(16, 400, 7), data)
    assert found.names == ('over-smoothing',)
    assert 'rayleigh quotient from 0.2' in str(found)
    assert 'Try fewer layers' in str(found)


def test_vanishing_gradient_without_a_graph(cora):
    """Its nodes get alike as well, but no message makes them so."""
    torch.manual_seed(0)
    found = probed(NodeMLP(cora.num_features, 64, 64, 7), cora)
    assert found.names == ('vanishing gradient',)


def test_norm_collapse(cora):
    torch.manual_seed(0)
    found = probed(GCN(cora.num_features, 64, 2, 7), cora, 150, 1.0)
    assert found.names == ('norm collapse',)


def test_overfitting(cora):
    torch.manual_seed(0)
    first = [int((cora.y == label).nonzero()[0]) for label in range(7)]
    mask = index_to_mask(torch.tensor(first), cora.num_nodes)
    found = probed(GCN(cora.num_features, 64, 2, 7), cora, 60, 0.0, mask)
    assert found.names == ('overfitting',)
    assert '100.0% on what it was trained on' in str(found)


def test_healthy(cora):
    torch.manual_seed(0)
    found = probed(GCN(cora.num_features, 64, 2, 7), cora, 60)
    assert found.names == ()
    assert str(found) == 'Nothing found.'


def test_a_deep_network_has_them_all(cora):
    torch.manual_seed(0)
    found = probed(GCN(cora.num_features, 64, 32, 7), cora)
    assert found.names == (
        'vanishing gradient',
        'norm collapse',
        'over-smoothing',
    )


def test_exploding_gradient(cora):
    """States that double in each layer."""
    torch.manual_seed(0)
    model = GCN(cora.num_features, 64, 32, 7, skip='res')
    found = probed(model, cora)
    assert found.names[0] == 'exploding gradient'
    assert 'a norm in each layer' in str(found)


def test_thresholds_and_missing_numbers(cora):
    torch.manual_seed(0)
    model = GCN(cora.num_features, 64, 8, 7)
    with OverSmoothingProbe(model, cora.edge_index, ['mad']) as probe:
        model(cora.x, cora.adj)
    assert diagnose(probe, 0.8, 0.7).names == ()
    assert str(diagnose(probe, 0.95, 0.9)) == 'Nothing found.'
    assert 'and yet 14.0% on what' in str(diagnose(probe, 0.14, 0.13))
    assert diagnose(probe, 0.9, 0.8, smooth_below=0.5).names == ()  # it fits
    assert diagnose(probe, smooth_below=0.5).names == ('over-smoothing',)
    assert diagnose(probe, smooth_below=0.5, uses_graph=False).names == ()
    found = diagnose(probe, 0.9, 0.8, gap_above=0.05)
    assert found.names == ('overfitting',)
    assert diagnose(probe, activation_below=1.0).names == ('norm collapse',)
    empty = OverSmoothingProbe(model, cora.edge_index)
    with pytest.raises(ValueError, match=r'OverSmoothingProbe .*\(got None'):
        diagnose(None)
    with pytest.raises(IndexError, match='seen 0 steps'):
        diagnose(empty)


def ring(far, copies=40, classes=4):
    """A node must tell the class of the one at the other side."""
    size = 2 * far
    here = torch.arange(size)
    edges = torch.stack([here, (here + 1) % size])
    edges = torch.cat([edges, edges.flip(0)], dim=1)
    y = torch.arange(copies) % classes
    x = torch.ones(copies, size, classes)
    x[:, far] = 0.0
    x[:, 0] = F.one_hot(y, classes).float()
    return Data(
        x=x.view(-1, classes),
        edge_index=torch.cat([edges + size * i for i in range(copies)], 1),
        y=y,
        targets=torch.arange(copies) * size + far,
    )


def squashed(model, data, far, epochs=150):
    """How much of what is needed arrives, and what is said of a network that
    was trained, or not; its score.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(epochs):
        optimizer.zero_grad()
        out = model(data.x, data.edge_index)[data.targets]
        F.cross_entropy(out, data.y).backward()
        optimizer.step()
    jacobian = jacobian_by_distance(
        model, data.x, data.edge_index, far, targets=data.targets[:4]
    )
    with OverSmoothingProbe(model, data.edge_index) as probe:
        out = model(data.x, data.edge_index)[data.targets]
        F.cross_entropy(out, data.y).backward()
    score = (out.argmax(-1) == data.y).double().mean().item()
    return (
        jacobian[far] / jacobian[:2].max(),
        diagnose(probe, jacobian=jacobian, distance=far),
        score,
    )


def test_squashing_alone():
    """A trained network whose gradients and states are sound."""
    torch.manual_seed(0)
    model = ADGN(4, 32, 11, 4, epsilon=0.5)
    ratio, found, score = squashed(model, ring(10), 10)
    assert ratio < 1e-4
    assert score < 0.5
    assert found.names == ('over-squashing',)
    assert 'features 10 edges away' in str(found)


@pytest.mark.parametrize('far', [2, 4])
def test_what_arrives_is_not_squashed(far):
    torch.manual_seed(0)
    model = GCN(4, 32, far + 1, 4, skip='initial', lin_in=True)
    ratio, found, score = squashed(model, ring(far), far)
    assert score == 1.0
    assert ratio > 0.1
    assert 'over-squashing' not in found.names


def test_smoothing_is_no_squashing(cora):
    """Nodes depend on near and far ones alike."""
    torch.manual_seed(0)
    x = cora.x @ torch.randn(cora.num_features, 16)
    model = SGC(16, 400, 7)
    with OverSmoothingProbe(model, cora.edge_index) as probe:
        out = model(x, cora.adj)
        F.cross_entropy(out, cora.y).backward()
    jacobian = jacobian_by_distance(
        lambda x, _: model(x, cora.adj),
        x,
        cora.edge_index,
        6,
        num_samples=5,
        generator=torch.Generator().manual_seed(0),
    )
    found = diagnose(probe, jacobian=jacobian)
    assert found.names == ('over-smoothing',)


class Forgetful(torch.nn.Module):
    """Sees three edges far, and forgets its first state step by step."""

    def __init__(self):
        super().__init__()
        self.conv = SimpleConv('mean', combine_root='self_loop')
        self.lin_in, self.first = Linear(4, 16), Linear(16, 16)
        self.lin, self.lin_out = Linear(16, 16), Linear(16, 4)
        self.state = HiddenState()

    def forward(self, x, edge_index):
        for _ in range(3):
            x = self.conv(x, edge_index)
        x = self.lin_in(x)
        h = self.state(self.first(x))
        for _ in range(20):
            h = self.state(0.3 * self.lin(h).tanh() + x)
        return self.lin_out(h)


def test_vanishing_gradient_is_no_squashing():
    """It is lost in depth, and not on the way between nodes."""
    torch.manual_seed(0)
    _, found, _ = squashed(Forgetful(), ring(3), 3, 0)
    assert found.names == ('vanishing gradient',)


def test_under_reaching():
    torch.manual_seed(0)
    model = GCN(4, 32, 3, 4, skip='initial', lin_in=True)
    _, found, score = squashed(model, ring(5), 5, 20)
    assert score < 0.5
    assert 'under-reaching' in found.names
    assert 'over-squashing' not in found.names
    assert 'at least 5 layers' in str(found)


def test_squashing_of_numbers(cora):
    torch.manual_seed(0)
    model = GCN(cora.num_features, 64, 2, 7)
    with OverSmoothingProbe(model, cora.edge_index, ['mad']) as probe:
        model(cora.x, cora.adj)

    def say(values, *scores, **kwargs):
        jacobian = torch.tensor(values, dtype=torch.double)
        return diagnose(probe, *scores, jacobian=jacobian, **kwargs).names

    assert say([1.0, 0.1, 9e-3]) == ('over-squashing',)
    assert say([0.1, 1.0, 9e-3]) == ('over-squashing',)
    assert say([1.0, 0.1, 0.02, 1e-3], distance=2) == ()
    assert say([1.0, 0.1, 0.02, 1e-3], 0.5) == ('over-squashing',)
    assert say([1.0, 0.1, 0.02, 1e-3], 0.95) == ()  # it has learned
    assert say([1.0, 0.1, 0.02], squashed_below=0.1) == ('over-squashing',)
    assert say([1.0, 0.1, 0.02, float('nan')]) == ()
    assert say([1.0, 0.1, 0.0]) == ('under-reaching',)
    assert say([float('nan'), 0.1, 9e-4]) == ('over-squashing',)
    assert say([0.1, float('nan'), 9e-4]) == ('over-squashing',)
    inf = float('inf')
    for values in ([inf, 1.0, 1.0], [1.0, inf, 1.0], [1.0, 1.0, inf]):
        assert say(values) == ()  # no share can be told
    # Nothing arrives from anywhere:
    assert say([0.0, 0.0, 0.0]) == ('vanishing gradient',)


def test_errors_of_squashing(cora):
    model = GCN(cora.num_features, 64, 2, 7)
    with OverSmoothingProbe(model, cora.edge_index, ['mad']) as probe:
        model(cora.x, cora.adj)
    some = torch.tensor([1.0, 0.5, float('nan'), 0.1])
    with pytest.raises(ValueError, match='no effect without jacobian'):
        diagnose(probe, distance=3)
    with pytest.raises(ValueError, match='number at the distance of 2'):
        diagnose(probe, jacobian=some, distance=2)
    with pytest.raises(ValueError, match='number at the distance of 4'):
        diagnose(probe, jacobian=some, distance=4)
    with pytest.raises(ValueError, match='distance must be at least 2'):
        diagnose(probe, jacobian=some, distance=1)
    for number in range(3):
        with pytest.raises(ValueError, match='at a distance of 2 or more'):
            diagnose(probe, jacobian=some[:number])
    with pytest.raises(ValueError, match=r'at least zero \(got -0\.5\)'):
        diagnose(probe, jacobian=some.where(some != 0.1, -0.5))
    with pytest.raises(ValueError, match='squashed_below must be a number'):
        diagnose(probe, jacobian=some, squashed_below='a')
    for wrong in (None, float('nan')):
        with pytest.raises(ValueError, match='gap_above must be a number'):
            diagnose(probe, gap_above=wrong)
    for score in (float('nan'), float('inf'), -0.1, 90.0):
        with pytest.raises(ValueError, match=r'train_score must be in \[0, 1'):
            diagnose(probe, score)
        with pytest.raises(ValueError, match=r'val_score must be in \[0, 1'):
            diagnose(probe, 0.5, score)
    for wrong in (some.view(2, 2), [1.0, 2.0, 3.0], some.long()):
        with pytest.raises(ValueError, match='jacobian must be what'):
            diagnose(probe, jacobian=wrong)
