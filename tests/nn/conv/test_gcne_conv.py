import torch
from torch_geometric.nn import GCNConv

from pyg_ext.nn import GCNEConv


def test_on_paper():
    """Two nodes with one edge each way, and one alone."""
    conv = GCNEConv(1, 1, 1)
    for lin in (conv.lin, conv.lin_edge):
        torch.nn.init.ones_(lin.weight)
        torch.nn.init.zeros_(lin.bias)
    torch.nn.init.constant_(conv.root, 10.0)
    x = torch.tensor([[1.0], [-2.0], [3.0]])
    edge_index = torch.tensor([[0, 1], [1, 0]])
    out = conv(x, edge_index, torch.tensor([[4.0], [5.0]]))
    # Degrees 2, 2, 1; relu(-2 + 5) = 3 comes to 0, relu(1 + 4) = 5 to 1.
    assert out.tolist() == [[11 / 2 + 3 / 2], [8 / 2 + 5 / 2], [13.0]]


def test_is_a_gcn_where_nothing_is_negative(graph):
    """Without features of edges and loops, and with positive inputs."""
    edge_index = graph.edge_index[:, :-1]  # the loop counts twice in a GCN
    conv = GCNEConv(5, 4, 2).double()
    gcn = GCNConv(5, 4, bias=False).double()
    with torch.no_grad():
        conv.lin.weight.abs_()
        for zero in (conv.lin.bias, conv.root, *conv.lin_edge.parameters()):
            zero.zero_()
        gcn.lin.weight.copy_(conv.lin.weight)
    attr = torch.rand(16, 2).double()
    assert torch.allclose(
        conv(graph.x, edge_index, attr), gcn(graph.x, edge_index)
    )


def test_gradients(graph):
    conv = GCNEConv(5, 2, 1).double()
    x, attr = graph.x.requires_grad_(), graph.edge_weight.view(-1, 1)
    attr.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, attr: conv(x, graph.edge_index, attr), (x, attr)
    )
    conv(x, graph.edge_index, attr).sum().backward()
    assert all(p.grad is not None for p in conv.parameters())
    assert str(conv) == 'GCNEConv(5, 2)'


def test_node_permutation(graph):
    conv = GCNEConv(5, 2, 1).double()
    attr = graph.edge_weight.view(-1, 1)
    order = torch.randperm(8)
    out = conv(graph.x, graph.edge_index, attr)
    moved = order.argsort()[graph.edge_index]
    assert torch.allclose(conv(graph.x[order], moved, attr), out[order])
