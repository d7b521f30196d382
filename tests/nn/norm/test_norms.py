import math

import pytest
import torch
from torch.autograd import gradcheck
from torch.nn import LayerNorm

from pyg_ext.nn import NodeNorm, PairNormSCS, make_norm
from pyg_ext.nn.norm import NORMS


@pytest.fixture
def x():
    torch.manual_seed(0)
    return torch.randn(9, 6, dtype=torch.double, requires_grad=True)


def test_node_norm_by_hand():
    x = torch.tensor([[1.0, 3.0], [0.0, 8.0]], dtype=torch.double)
    out = NodeNorm(eps=0.0)(x)  # deviations 1 and 4
    assert out.tolist() == [[1.0, 3.0], [0.0, 2.0]]
    assert NodeNorm(2.0, eps=0.0)(x).tolist() == [[1.0, 3.0], [0.0, 4.0]]
    centered = NodeNorm(center=True, eps=0.0)(x)
    assert centered.tolist() == [[-1.0, 1.0], [-1.0, 1.0]]


def test_centered_node_norm_is_a_layer_norm(x):
    layer = LayerNorm(6, elementwise_affine=False).double()
    assert torch.allclose(NodeNorm(center=True)(x), layer(x))


def test_pair_norm_scs_by_hand():
    x = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    out = PairNormSCS(scale=10.0, eps=0.0)(x)
    assert torch.allclose(out, torch.tensor([[4.5, 5.0], [-1.5, 7.0]]))


@pytest.mark.parametrize('name', sorted(set(NORMS) - {'message'}))
def test_every_norm(name, x):
    norm = make_norm(name, 6).double()
    out = norm(x)
    assert out.size() == x.size()
    assert out.isfinite().all()
    assert gradcheck(norm.eval(), (x,))


def test_what_they_do(x):
    x = x + 3
    assert torch.allclose(
        make_norm('mean', 6)(x).mean(0), torch.zeros(6).double()
    )
    pair = make_norm('pair', 6)(x)
    assert math.isclose(pair.square().sum(-1).mean().item(), 1.0, rel_tol=1e-3)
    each = make_norm('pair-si', 6)(x)
    assert torch.allclose(each.norm(dim=-1), torch.ones(9).double(), atol=1e-4)
    comb = make_norm('comb', 6, groups=2).double()(x)
    assert torch.allclose(comb.mean(-1), torch.zeros(9).double(), atol=1e-6)


def test_further_arguments():
    assert make_norm('group', 6, groups=3, lamda=0.5).groups == 3
    assert make_norm('pair', 6, scale=2.0).scale == 2.0
    assert make_norm('node', 6, p=3.0).p == 3.0


def test_errors():
    with pytest.raises(ValueError, match=r"norm must be one of .*'pear'"):
        make_norm('pear', 6)
    with pytest.raises(ValueError, match=r'p must be positive \(got 0\)'):
        NodeNorm(0)


def test_repr():
    assert str(NodeNorm()) == 'NodeNorm(p=1.0, center=False)'
    assert str(PairNormSCS(2.0)) == 'PairNormSCS(scale=2.0)'
