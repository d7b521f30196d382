import math

import pytest
import torch
from torch.autograd import gradcheck
from torch_geometric.nn import GATConv, GCN2Conv, GCNConv, SAGEConv

from pyg_ext.nn import GCN, GCNII, IdentityLinear, identity_mapping


@pytest.mark.parametrize('beta', [0.0, 0.3, 1.0])
def test_equals_gcn2_conv(graph, beta):
    """PyG's layer without initial residual has the same mapping."""
    conv = identity_mapping(GCNConv(5, 5, bias=False), beta).double()
    other = GCN2Conv(5, alpha=0.0, theta=math.expm1(beta), layer=1).double()
    with torch.no_grad():
        other.weight1.copy_(conv.lin.lin.weight.t())
    edges = graph.edge_index, graph.edge_weight
    out = conv(graph.x, *edges)
    assert torch.allclose(out, other(graph.x.clone(), graph.x, *edges))


@pytest.mark.parametrize(
    'conv', [GCNConv(5, 5), GATConv(5, 5), SAGEConv(5, 5, bias=False)], ids=str
)
def test_any_convolution(graph, conv):
    identity_mapping(conv, 0.2).double()
    assert any(isinstance(m, IdentityLinear) for m in conv.modules())
    conv(graph.x, graph.edge_index).sum().backward()
    assert all(p.grad is not None for p in conv.parameters())
    before = conv.state_dict()
    before = {name: value.clone() for name, value in before.items()}
    conv.reset_parameters()
    weights = [name for name, value in before.items() if value.dim() > 1]
    after = conv.state_dict()
    assert all(not torch.equal(before[n], after[n]) for n in weights)


def test_gradients():
    linear = IdentityLinear(4, 0.3).double()
    x = torch.rand(3, 4, dtype=torch.double, requires_grad=True)
    assert gradcheck(linear, (x,))


@pytest.mark.parametrize('depth', [1, 8])
def test_a_gcn_of_it_is_a_gcnii_without_initial_residual(graph, depth):
    options = {'theta': 0.5, 'lin_in': True, 'lin_out': True}
    ours = GCN(5, 8, depth, 2, **options).double()
    other = GCNII(5, 8, depth, 2, alpha=0.0, theta=0.5).double()
    with torch.no_grad():
        for mine, its in zip(ours.convs, other.convs, strict=True):
            its.weight1.copy_(mine.lin.lin.weight.t())
    other.lin_in.load_state_dict(ours.lin_in.state_dict())
    other.lin_out.load_state_dict(ours.lin.state_dict())
    edges = graph.edge_index, graph.edge_weight
    assert torch.allclose(ours(graph.x, *edges), other(graph.x, *edges))


def test_type_of_the_convolution():
    conv = identity_mapping(GCNConv(5, 5).double(), 0.5)
    assert conv.lin.lin.weight.dtype == torch.double


@pytest.mark.parametrize('dtype', [torch.half, torch.bfloat16])
def test_autocast(dtype):
    linear, x = IdentityLinear(4, 0.3), torch.rand(3, 4)
    with torch.autocast('cpu', dtype):
        out = linear(x)
    assert out.dtype == torch.float
    assert torch.allclose(out, linear(x), atol=0.02)


def test_errors():
    with pytest.raises(ValueError, match=r'keeps the number .*GCNConv\(5, 4'):
        identity_mapping(GCNConv(5, 4), 0.5)
    with pytest.raises(ValueError, match=r'beta must be in .* \(got 1.5\)'):
        identity_mapping(GCNConv(5, 5), 1.5)


def test_repr():
    assert str(IdentityLinear(4, 0.25)) == 'IdentityLinear(4, beta=0.25)'
