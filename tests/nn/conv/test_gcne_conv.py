import pytest
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


def test_the_other_way(graph):
    conv = GCNEConv(5, 2, 1).double()
    attr, edges = graph.edge_weight.view(-1, 1)[:12], graph.edge_index[:, :12]
    back = GCNEConv(5, 2, 1, flow='target_to_source').double()
    back.load_state_dict(conv.state_dict())
    out = conv(graph.x, edges, attr)
    assert torch.allclose(back(graph.x, edges.flip(0), attr), out)


@pytest.mark.parametrize(
    ('edges', 'attr', 'message'),
    [
        ([[0, 3], [1, 2]], (2, 2), r'from 0 to 2 \(got 3\)'),
        ([[0, 1], [1, -1]], (2, 2), r'from 0 to 2 \(got -1\)'),
        ([[0.0, 1.0], [1.0, 2.0]], (2, 2), 'as integers'),
        ([[0, 1], [1, 2], [2, 0]], (2, 2), r'got \[3, 2\]'),
        ([[0, 1], [1, 2]], (3, 2), r'shape \[2, 2\].* \[3, 2\]'),
        ([[0, 1], [1, 2]], (2, 3), r'shape \[2, 2\].* \[2, 3\]'),
        ([[0, 1], [1, 2]], (2,), r'shape \[2, 2\].* \[2\]'),
        ([[0, 1], [1, 2]], None, 'edge_attr'),
    ],
)
def test_edges_that_are_none(edges, attr, message):
    attr = None if attr is None else torch.rand(attr)
    with pytest.raises(ValueError, match=message):
        GCNEConv(5, 4, 2)(torch.rand(3, 5), torch.tensor(edges), attr)


def test_arguments_that_it_cannot_follow():
    for option in ({'node_dim': 1}, {'decomposed_layers': 2}):
        with pytest.raises(ValueError, match=f'{next(iter(option))} must be'):
            GCNEConv(5, 4, 2, **option)


@pytest.mark.parametrize('dtype', [torch.half, torch.bfloat16])
def test_half_types_have_no_count_of_many_edges(dtype):
    """The root is a third of its degree; its neighbors have none."""
    conv = GCNEConv(1, 1, 1).to(dtype)
    x = torch.zeros(3001, 1, dtype=dtype)
    edges = torch.stack([torch.arange(1, 3001), torch.zeros(3000).long()])
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.zero_()
        conv.root.fill_(3000.0)
        out = conv(x, edges, torch.zeros(3000, 1, dtype=dtype))
    assert out.dtype == dtype
    assert out[0].item() == pytest.approx(1.0, rel=0.01)


def test_node_permutation(graph):
    conv = GCNEConv(5, 2, 1).double()
    attr = graph.edge_weight.view(-1, 1)
    order = torch.randperm(8)
    out = conv(graph.x, graph.edge_index, attr)
    moved = order.argsort()[graph.edge_index]
    assert torch.allclose(conv(graph.x[order], moved, attr), out[order])
