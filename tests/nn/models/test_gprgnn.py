import torch
from torch_geometric.nn import APPNP

from pyg_ext.nn import GPRGNN, APPNPNet
from pyg_ext.utils import gcn_adj


def test_starts_as_appnp(graph):
    model = GPRGNN(5, 8, 6, 3, alpha=0.2).double()
    h = model.lin_out(model.lin_in(graph.x).relu())
    out = model(graph.x, graph.edge_index, graph.edge_weight)
    want = APPNP(6, 0.2)(h, graph.edge_index, graph.edge_weight)
    assert torch.allclose(out, want)
    other = APPNPNet(5, 8, 6, 3, alpha=0.2).double()
    other.load_state_dict(model.state_dict(), strict=False)
    weighted = other(graph.x, graph.edge_index, graph.edge_weight)
    assert torch.allclose(out, weighted)


def test_any_weights(graph):
    model = GPRGNN(5, 8, 2, 3).double()
    with torch.no_grad():
        model.gamma.copy_(torch.tensor([1.0, -2.0, 0.5]))
    h = model.lin_out(model.lin_in(graph.x).relu())
    step = gcn_adj(graph.edge_index, graph.edge_weight, 8).to_dense()
    want = h - 2.0 * step @ h + 0.5 * step @ step @ h
    out = model(graph.x, graph.edge_index, graph.edge_weight)
    assert torch.allclose(out, want)
    model.reset_parameters()
    start = torch.tensor([0.1, 0.09, 0.81]).double()
    assert torch.allclose(model.gamma, start)


def test_dropout_before_the_steps(graph):
    model = GPRGNN(5, 8, 2, 3, spread_dropout=0.5).double()
    out = model(graph.x, graph.edge_index)
    assert not torch.equal(out, model(graph.x, graph.edge_index))
    model.eval()
    out = model(graph.x, graph.edge_index)
    assert torch.equal(out, model(graph.x, graph.edge_index))
