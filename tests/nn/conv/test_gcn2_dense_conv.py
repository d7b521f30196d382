import torch

from pyg_ext.nn import GCN2DenseConv
from pyg_ext.utils import gcn_adj


def test_formula(graph):
    """Against dense matrices, for all kinds of edges."""
    conv = GCN2DenseConv(5, alpha=0.3).double()
    x_0 = torch.rand(8, 5).double()
    adj = gcn_adj(graph.edge_index, num_nodes=8, dtype=torch.double)
    dense = adj.to_dense()
    one = torch.eye(5).double()
    expected = dense @ graph.x @ (one + conv.weight1) + x_0 @ (
        0.3 * one + conv.weight2
    )
    assert torch.allclose(conv(graph.x, x_0, adj), expected)
    row, col = dense.nonzero().t()
    edges, weight = torch.stack([col, row]), dense[row, col]
    assert torch.allclose(conv(graph.x, x_0, edges, weight), expected)


def test_gradients_and_reset(graph):
    conv = GCN2DenseConv(5).double()
    x, x_0 = graph.x.requires_grad_(), torch.rand(8, 5).double()
    x_0.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, x_0: conv(x, x_0, graph.edge_index), (x, x_0)
    )
    torch.manual_seed(3)
    conv.reset_parameters()
    first = conv.weight2.detach().clone()
    torch.manual_seed(3)
    conv.reset_parameters()
    assert torch.equal(conv.weight2, first)
    assert str(conv) == 'GCN2DenseConv(5, alpha=0.5)'
