import copy

import pytest
import torch

from pyg_ext.nn import RevGAT


def test_as_many_parameters_as_the_authors_state():
    """2,098,256 on ogbn-arxiv, with the 40 labels among the inputs."""
    model = RevGAT(128 + 40, 256, 5, 40)
    assert sum(p.numel() for p in model.parameters()) == 2_098_256


def test_gradients_equal_those_of_the_plain_stack(graph):
    """With all kinds of dropout and batch norm inside."""
    model = RevGAT(
        *(5, 8, 6, 2),
        dropout=0.5,
        input_dropout=0.2,
        attention_dropout=0.3,
        edge_dropout=0.3,
    ).double()
    plain = copy.deepcopy(model)
    plain.blocks.enabled = False
    grads = []
    for net in (model, plain):
        torch.manual_seed(0)
        net(graph.x, graph.edge_index).square().sum().backward()
        grads.append([p.grad for p in net.parameters()])
    for a, b in zip(*grads, strict=True):
        assert torch.allclose(a, b)


def test_self_loops_are_added_once(graph):
    model = RevGAT(5, 8, 3, 2).double().eval()
    loops = torch.arange(8).expand(2, 8)
    more = torch.cat([graph.edge_index[:, :-1], loops], dim=1)
    out = model(graph.x, graph.edge_index)
    assert torch.allclose(model(graph.x, more), out)


def test_errors():
    with pytest.raises(ValueError, match=r'at least 2 \(got 1\)'):
        RevGAT(5, 8, 1, 2)
    with pytest.raises(ValueError, match=r'num_groups=2 \(got 7\)'):
        RevGAT(5, 7, 3, 2)
