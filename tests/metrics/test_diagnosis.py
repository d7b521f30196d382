"""Networks whose failure is known."""

import pytest
import torch
import torch.nn.functional as F
from torch_geometric.utils import index_to_mask

from benchmarks.data import datasets
from pyg_ext.metrics import OverSmoothingProbe, diagnose
from pyg_ext.nn import GCN, SGC, NodeMLP
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
    with pytest.raises(IndexError, match='seen 0 steps'):
        diagnose(empty)
