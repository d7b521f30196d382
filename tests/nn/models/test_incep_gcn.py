import pytest
import torch
from torch_geometric.nn import GCNConv

from pyg_ext.nn import GCN, IncepGCN


def test_equals_the_formula(graph):
    model = IncepGCN(5, 8, 4, 2).double()
    edges = graph.edge_index, graph.edge_weight

    def stock(conv):
        out = GCNConv(conv.in_channels, conv.out_channels).double()
        out.load_state_dict(conv.state_dict())
        return lambda x: out(x, *edges)

    x = stock(model.first)(graph.x).relu()
    (one,), (two, three) = model.branches
    short = stock(one)(x).relu()
    long = stock(three)(stock(two)(x).relu()).relu()
    out = stock(model.last)(torch.cat([x, short, long], dim=-1))
    assert torch.allclose(model(graph.x, *edges), out)


@pytest.mark.parametrize(('depth', 'convs'), [(2, 2), (3, 3), (6, 12)])
def test_number_of_convolutions(depth, convs):
    model = IncepGCN(5, 8, depth, 2)
    count = sum(isinstance(m, GCNConv) for m in model.modules())
    assert count == convs


def test_two_layers_are_a_gcn(graph):
    model = IncepGCN(5, 8, 2, 3).double()
    gcn = GCN(5, 8, 2, 3).double()
    gcn.convs[0].load_state_dict(model.first.state_dict())
    gcn.convs[1].load_state_dict(model.last.state_dict())
    out = model(graph.x, graph.edge_index)
    assert torch.allclose(out, gcn(graph.x, graph.edge_index))


def test_errors():
    with pytest.raises(ValueError, match=r'at least 2 \(got 1\)'):
        IncepGCN(5, 8, 1, 2)
