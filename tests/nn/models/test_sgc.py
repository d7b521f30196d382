import pytest
import torch
from torch_geometric.nn import SGConv

from pyg_ext.nn import SGC
from pyg_ext.utils import CSRTensor, gcn_adj


@pytest.mark.parametrize('K', [0, 1, 4])
def test_equals_pyg(graph, K):
    model = SGC(5, K, 3, dropout=0.5).double().eval()
    other = SGConv(5, 3, K).double()
    other.load_state_dict(model.state_dict())
    edges = (graph.edge_index, graph.edge_weight)
    want = other(graph.x, *edges)
    assert torch.allclose(model(graph.x, *edges), want)
    adj = gcn_adj(*edges, num_nodes=8)
    x = CSRTensor.from_dense(graph.x)
    assert torch.allclose(model(x, adj), want)


def test_cached(graph):
    model = SGC(5, 2, 3, cached=True).double()
    first = model(graph.x, graph.edge_index)
    assert torch.equal(model(graph.x, graph.edge_index), first)
    assert torch.equal(model(2 * graph.x, graph.edge_index), first)
    model.reset_parameters()
    plain = SGC(5, 2, 3).double()
    plain.load_state_dict(model.state_dict())
    want = plain(2 * graph.x, graph.edge_index)
    assert torch.equal(model(2 * graph.x, graph.edge_index), want)


def test_errors():
    with pytest.raises(ValueError, match=r'K must be at least 0 \(got -1\)'):
        SGC(5, -1, 3)
