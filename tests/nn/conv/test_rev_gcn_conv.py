import pytest
import torch

from pyg_ext.nn import RevGCNConv
from pyg_ext.utils import gcn_adj


def test_equals_the_formula(graph):
    conv = RevGCNConv(6, num_layers=2, num_groups=3).double()
    p = gcn_adj(graph.edge_index, num_nodes=8, dtype=torch.double).to_dense()
    x = torch.randn(8, 6, dtype=torch.double)
    xs = list(x.split(2, dim=1))
    for layer in conv.blocks.layers:
        state = xs[1] + xs[2]
        for i, block in enumerate(layer.convs):
            h = block.norm(state).relu()
            state = xs[i] + p @ h @ block.conv.lin.weight.t()
            state = state + block.conv.bias
            xs[i] = state
    out = conv(x, graph.edge_index)
    assert torch.allclose(out, torch.cat(xs, dim=1))


def test_gradients_equal_the_plain_stack(graph):
    conv = RevGCNConv(4, num_layers=16, dropout=0.5).double()
    x = graph.x[:, :4].clone().requires_grad_()
    weight = graph.edge_weight.clone().requires_grad_()
    results = []
    for enabled in (True, False):
        conv.blocks.enabled = enabled
        torch.manual_seed(0)
        conv(x, graph.edge_index, weight).square().sum().backward()
        inputs = [x, weight, *conv.parameters()]
        results.append([t.grad.clone() for t in inputs])
        for t in inputs:
            t.grad = None
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-8)


def test_error():
    with pytest.raises(ValueError, match=r'num_groups=2 \(got 5\)'):
        RevGCNConv(5)
    with pytest.raises(ValueError, match='flow must be "source_to_target"'):
        RevGCNConv(4, flow='target_to_source')
    with pytest.raises(ValueError, match=r'node_dim -2.* and 0\)'):
        RevGCNConv(4, node_dim=0)
