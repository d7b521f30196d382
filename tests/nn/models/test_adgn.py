import pytest
import torch
from torch_geometric.nn import AntiSymmetricConv

from benchmarks.methods import spec
from pyg_ext.metrics import OverSmoothingProbe
from pyg_ext.nn import ADGN
from pyg_ext.utils import gcn_adj


def propagation(graph, normalize):
    """Row i sums over what comes in to i."""
    a = torch.zeros(8, 8).double()
    a.index_put_((graph.edge_index[1], graph.edge_index[0]), a.new_ones(()))
    if not normalize:
        return a
    a.fill_diagonal_(1.0)
    scale = a.sum(1).rsqrt()
    return scale[:, None] * a * scale


@pytest.mark.parametrize('shared_weights', [True, False])
@pytest.mark.parametrize('normalize', [True, False])
def test_equals_the_formula(graph, shared_weights, normalize):
    model = ADGN(
        *(5, 8, 3, 2),
        epsilon=0.3,
        gamma=0.2,
        shared_weights=shared_weights,
        normalize=normalize,
    ).double()
    p = propagation(graph, normalize)
    h = model.lin_in(graph.x)
    for conv in [*model.convs] * (3 if shared_weights else 1):
        torch.nn.init.normal_(conv.bias)
    for conv in [*model.convs] * (3 if shared_weights else 1):
        w = conv.W - conv.W.t() - 0.2 * torch.eye(8)
        inner = h @ w.t() + p @ h @ conv.phi.lin.weight.t() + conv.bias
        h = h + 0.3 * inner.tanh()
    out = model(graph.x, graph.edge_index)
    assert torch.allclose(out, model.lin_out(h))


def test_shared_weights_are_those_of_pyg(graph):
    """PyG's layer with as many iterations."""
    model = ADGN(5, 8, 7, 2).double()
    assert len(model.convs) == 1
    layer = AntiSymmetricConv(8, num_iters=7).double()
    layer.load_state_dict(model.convs[0].state_dict())
    h = layer(model.lin_in(graph.x), graph.edge_index)
    out = model(graph.x, graph.edge_index)
    assert torch.allclose(out, model.lin_out(h))
    assert len(ADGN(5, 8, 7, 2, shared_weights=False).convs) == 7


def test_gradients_at_depth(graph):
    """Neither lost nor too large after 200 steps."""
    torch.manual_seed(0)
    model = ADGN(5, 8, 200, 2).double()
    adj = gcn_adj(graph.edge_index, num_nodes=8, dtype=torch.double)
    with OverSmoothingProbe(model, graph.edge_index) as probe:
        model(graph.x, adj).square().sum().backward()
    rows = probe.step()
    assert len(rows) == 201
    ratio = rows[0]['gradient'] / rows[-1]['gradient']
    assert 1e-3 < ratio < 1e3


def test_specification():
    method = spec.parse('adgn+unshared')
    assert method.backbone.model is ADGN
    assert method.keywords == {'shared_weights': False}
    assert {'epsilon', 'gamma'} <= method.options()


def test_errors():
    with pytest.raises(ValueError, match=r'at least 1 \(got 0\)'):
        ADGN(5, 8, 0, 2)
    for epsilon in (0.0, -1.0, float('nan'), float('inf')):
        with pytest.raises(ValueError, match='epsilon must be finite'):
            ADGN(5, 8, 2, 2, epsilon=epsilon)
    for gamma in (-0.1, float('nan'), float('inf')):
        with pytest.raises(ValueError, match='gamma must be finite and at'):
            ADGN(5, 8, 2, 2, gamma=gamma)
