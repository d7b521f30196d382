import pytest
import torch

from pyg_ext.nn import NormGATConv


def test_formula(graph):
    """Node by node, on directed edges."""
    conv = NormGATConv(5, 3, heads=2, concat=False).double()
    edges = graph.edge_index[:, :12]
    h = conv.lin(graph.x).view(8, 2, 3)
    out = torch.zeros(8, 2, 3).double()
    for i in range(8):
        into = edges[0, edges[1] == i]
        if len(into):
            degree = torch.stack([(edges[0] == j).sum() for j in into])
            scaled = h[into] / degree.double().sqrt().view(-1, 1, 1)
            logit = (scaled * conv.att).sum(-1)
            logit = torch.where(logit > 0, logit, 0.2 * logit)
            alpha = logit.softmax(0).unsqueeze(-1)
            out[i] = len(into) ** 0.5 * (alpha * scaled).sum(0)
    out += conv.lin_skip(graph.x).view(8, 2, 3)
    assert torch.allclose(conv(graph.x, edges), out.mean(1))
    conv.concat = True
    assert torch.allclose(conv(graph.x, edges), out.flatten(1))


def test_edges_are_dropped_in_training_only(graph):
    conv = NormGATConv(5, 3, edge_dropout=0.5).double()
    counts = []
    handle = conv.register_propagate_forward_pre_hook(
        lambda module, inputs: counts.append(inputs[0].size(1))
    )
    conv(graph.x, graph.edge_index)
    conv.eval()(graph.x, graph.edge_index)
    handle.remove()
    assert counts == [9, 17]


def test_gradients(graph):
    conv = NormGATConv(5, 2, heads=2).double()
    x = graph.x.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: conv(x, graph.edge_index), x)


def test_the_other_way(graph):
    conv = NormGATConv(5, 3, heads=2).double()
    back = NormGATConv(5, 3, heads=2, flow='target_to_source').double()
    back.load_state_dict(conv.state_dict())
    edges = graph.edge_index[:, :12]
    out = conv(graph.x, edges)
    assert torch.allclose(back(graph.x, edges.flip(0)), out)


@pytest.mark.parametrize('dtype', [torch.half, torch.bfloat16])
def test_half_types_on_a_node_with_many_neighbors(dtype):
    torch.manual_seed(0)
    x = torch.rand(3001, 4)
    edges = torch.stack([torch.arange(1, 3001), torch.zeros(3000).long()])
    conv = NormGATConv(4, 2)
    expected = conv(x, edges)
    out = conv.to(dtype)(x.to(dtype), edges)
    assert out.dtype == dtype
    assert torch.allclose(out.float(), expected, rtol=0.05, atol=0.02)


@pytest.mark.parametrize(
    'edges', [[[0, 3], [1, 2]], [[0, 1], [1, -1]], [[0.0], [1.0]], [[0, 1]]]
)
def test_edges_that_are_none(edges):
    with pytest.raises(ValueError, match='edge_index must'):
        NormGATConv(5, 2)(torch.rand(3, 5), torch.tensor(edges))


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ({'node_dim': 1}, 'node_dim must be'),
        ({'dropout': 1.5}, r'dropout must be .* \(got 1.5\)'),
        ({'edge_dropout': -0.5}, r'edge_dropout must be .* \(got -0.5\)'),
        ({'edge_dropout': float('nan')}, 'edge_dropout must be'),
    ],
)
def test_arguments_that_it_cannot_follow(option, message):
    with pytest.raises(ValueError, match=message):
        NormGATConv(5, 2, **option)


def test_all_edges_dropped(graph):
    conv = NormGATConv(5, 3, edge_dropout=1.0).double()
    out = conv(graph.x, graph.edge_index)
    assert torch.allclose(out, conv.lin_skip(graph.x))
