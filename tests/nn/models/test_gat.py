import copy

import pytest
import torch
from torch_geometric.nn import GATConv, GATv2Conv

from pyg_ext.nn import GAT


@pytest.mark.parametrize('v2', [False, True])
def test_attention_weights_of_each_layer(graph, v2):
    """Those that PyG's layers give, one after the other, by hand."""
    model = GAT(5, 8, 3, 2, heads=4, v2=v2, dropout=0.5).double().eval()
    x, found = graph.x, []
    for conv in model.convs:
        assert isinstance(conv, GATv2Conv if v2 else GATConv)
        x, weights = conv(x, graph.edge_index, return_attention_weights=True)
        found.append(weights)
        x = x if conv is model.convs[-1] else x.relu()
    out, weights = model(
        graph.x, graph.edge_index, return_attention_weights=True
    )
    assert torch.equal(out, model(graph.x, graph.edge_index))
    assert torch.equal(out, x)
    torch.testing.assert_close(weights, found, rtol=0, atol=0)
    assert [a.size(1) for _, a in weights] == [4, 4, 4]


def test_attention_by_hand(graph):
    """The formula of the paper, with its sums written out."""
    model = GAT(5, 8, 1, 2, heads=2).double()
    _, [(edges, alpha)] = model(
        graph.x, graph.edge_index, return_attention_weights=True
    )
    [conv] = model.convs
    z = conv.lin(graph.x).view(-1, 2, 2)
    score = (z * conv.att_src).sum(-1)[edges[0]]
    score = score + (z * conv.att_dst).sum(-1)[edges[1]]
    weight = torch.nn.functional.leaky_relu(score, 0.2).exp()
    for node in range(len(graph.x)):
        to = edges[1] == node
        share = weight[to] / weight[to].sum(dim=0)
        assert torch.allclose(alpha[to], share)


@pytest.mark.parametrize(
    'options',
    [
        {'skip': 'gate', 'lin_out': True},
        {'skip': 'initial', 'lin_in': True, 'theta': 0.5},
        {'skip': 'dense', 'growth': 4},
        {'skip': 'res', 'jk': 'cat', 'norm': 'batch'},
        {'message_dropout': 0.5},
        {'edge_dim': 3},
    ],
)
def test_attention_with_any_remedy(graph, options):
    """In training, gradients included, and no hook is left."""
    options = {'heads': 2, 'attention_dropout': 0.5, **options}
    model = GAT(5, 8, 3, 2, **options).double()
    other = copy.deepcopy(model)
    attr = None
    if 'edge_dim' in options:
        attr = torch.ones(graph.edge_index.size(1), 3).double()
    given = {'x': graph.x, 'edge_index': graph.edge_index, 'edge_attr': attr}
    torch.manual_seed(0)
    want = other(**given)
    torch.manual_seed(0)
    out, weights = model(**given, return_attention_weights=True)
    assert torch.equal(out, want)
    assert len(weights) == 3
    assert any((alpha == 0.0).any() for _, alpha in weights)  # dropped
    sum(alpha.square().sum() for _, alpha in weights).backward()
    assert not any(
        module._forward_hooks or module._forward_pre_hooks
        for module in model.modules()
    )
    assert isinstance(model(**given), torch.Tensor)


def test_attention_on_a_sparse_adjacency(graph, torch_sparse):
    """As edges with their ends, whatever the form it came in."""
    model = GAT(5, 8, 2, 2, heads=2).double()
    size = (8, 8)
    adj_t = torch_sparse.SparseTensor.from_edge_index(
        graph.edge_index, sparse_sizes=size
    ).t()
    out, weights = model(graph.x, adj_t, return_attention_weights=True)
    want, same = model(
        graph.x, graph.edge_index, return_attention_weights=True
    )
    assert torch.allclose(out, want)
    for pair, other in zip(weights, same, strict=True):
        dense = []
        for edges, alpha in (pair, other):
            matrix = torch.zeros(8, 8, 2).double()
            matrix[edges[0], edges[1]] = alpha
            dense.append(matrix)
        assert torch.allclose(*dense)


def test_errors(graph):
    with pytest.raises(ValueError, match=r'heads must divide the 8 .*got 3'):
        GAT(5, 8, 2, 2, heads=3)
    model = GAT(5, 8, 2, 2)
    with pytest.raises(ValueError, match='x must be floating point'):
        model(graph.x[0], graph.edge_index, return_attention_weights=True)
    assert not model.convs[0]._forward_hooks
