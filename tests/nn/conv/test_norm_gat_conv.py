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
