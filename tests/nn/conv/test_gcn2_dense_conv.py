import pytest
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


WEIGHTS = torch.rand(17, generator=torch.Generator().manual_seed(0))


def kinds(graph):
    edges = graph.edge_index
    adj_t = torch.sparse_coo_tensor(
        edges.flip(0), WEIGHTS, (8, 8), check_invariants=True
    ).coalesce()
    return (edges, WEIGHTS), (adj_t.to_sparse_csr(),)


@pytest.mark.parametrize('dtype', [torch.half, torch.bfloat16])
@pytest.mark.parametrize('autocast', [False, True])
def test_half_types(graph, dtype, autocast):
    """All in one, or under autocast, for weights in float32."""
    conv = GCN2DenseConv(5)
    x, x_0 = graph.x.float(), torch.rand(8, 5)
    expected = conv(x, x_0, *kinds(graph)[0])
    if not autocast:
        conv, x, x_0 = conv.to(dtype), x.to(dtype), x_0.to(dtype)
    for edges in kinds(graph):
        with torch.autocast('cpu', dtype, enabled=autocast):
            out = conv(x, x_0, *edges)
        assert out.dtype == dtype
        assert torch.allclose(out.float(), expected, rtol=0.05, atol=0.05)
        out.float().sum().backward()


def test_negative_weights(graph):
    """They are used as they are."""
    conv, x = GCN2DenseConv(5), graph.x.float()
    conv.weight2.data.zero_()
    edges = graph.edge_index
    out = conv(x, 0 * x, edges, WEIGHTS)
    assert torch.allclose(conv(x, 0 * x, edges, -WEIGHTS), -out)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'x_0': torch.rand(1, 5)}, r'x and x_0 .* \[8, 5\] and \[1, 5\]'),
        ({'edge_weight': WEIGHTS.view(-1, 1)}, r'\[17\].* \[17, 1\]'),
        ({'edge_weight': WEIGHTS[:1]}, r'\[17\].* \[1\]'),
        ({'edge_weight': WEIGHTS * torch.nan}, 'must be finite'),
        ({'edge_index': torch.tensor([[0], [8]])}, r'0 to 7 \(got 8\)'),
        ({'edge_index': torch.tensor([[-1], [0]])}, r'0 to 7 \(got -1\)'),
        ({'edge_index': torch.eye(9).to_sparse_csr()}, '8 x 8.* 9 x 9'),
    ],
)
def test_errors(graph, change, message):
    given = {'x': graph.x.float(), 'x_0': torch.rand(8, 5)}
    given |= {'edge_index': graph.edge_index} | change
    with pytest.raises(ValueError, match=message):
        GCN2DenseConv(5)(**given)
    with pytest.raises(ValueError, match='node_dim must be'):
        GCN2DenseConv(5, node_dim=1)
