import pytest
import torch
from torch_geometric.nn import APPNP

from pyg_ext.nn import APPNPNet, DecoupledNet
from pyg_ext.utils import gcn_adj


@pytest.mark.parametrize('weighted', [True, False])
@pytest.mark.parametrize('K', [0, 1, 10])
def test_equals_pyg(graph, K, weighted):
    weight = graph.edge_weight if weighted else None
    model = APPNPNet(5, 8, K, 3, alpha=0.2, dropout=0.5).double().eval()
    h = model.lin_out(model.lin_in(graph.x).relu())
    expected = APPNP(K, 0.2)(h, graph.edge_index, weight)
    out = model(graph.x, graph.edge_index, weight)
    assert torch.allclose(out, expected)


def test_edge_dropout_keeps_the_gradient_right(graph):
    model = APPNPNet(5, 8, 4, 3, edge_dropout=0.5).double()
    adj = gcn_adj(graph.edge_index, num_nodes=8, dtype=torch.double)

    def run(x):
        torch.manual_seed(0)
        return model(x, adj)

    assert torch.autograd.gradcheck(run, graph.x.clone().requires_grad_())
    first = model(graph.x, adj)
    assert not torch.equal(first, model(graph.x, adj))  # a fresh mask
    model.eval()
    assert torch.equal(model(graph.x, adj), model(graph.x, adj))


def test_errors():
    with pytest.raises(ValueError, match=r'K must be at least 0 \(got -1\)'):
        APPNPNet(5, 8, -1, 3)


def test_base_is_there_to_be_filled(graph):
    with pytest.raises(TypeError, match='DecoupledNet must define spread'):
        DecoupledNet(5, 8, 2, 3).double()(graph.x, graph.edge_index)
