import pytest
from torch_geometric.nn.conv.gcn_conv import gcn_norm

from pyg_ext.nn import DenseGCNII


def test_as_many_parameters_as_the_authors_state():
    """2,148,648 for 16 layers of 256 channels on ogbn-arxiv."""
    model = DenseGCNII(128, 256, 16, 40)
    assert sum(p.numel() for p in model.parameters()) == 2_148_648


def test_formula(graph):
    model = DenseGCNII(5, 8, 2, 2, alpha=0.2).double().eval()
    x = x_0 = model.lin_in(graph.x).relu()
    edges = graph.edge_index

    edges, weight = gcn_norm(edges, num_nodes=8, dtype=x.dtype)
    for conv, norm in zip(model.convs, model.norms, strict=True):
        x = norm(conv(x, x_0, edges, weight)).relu() + x
    out = model(graph.x, graph.edge_index)
    assert out.allclose(model.lin_out(x))


def test_errors():
    with pytest.raises(ValueError, match=r'at least 1 \(got 0\)'):
        DenseGCNII(5, 8, 0, 2)
