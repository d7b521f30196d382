import math

import pytest
import torch
from torch.autograd import gradcheck
from torch.nn import LayerNorm
from torch_geometric.nn import GCNConv

from pyg_ext.nn import (
    GAT,
    GCN,
    GIN,
    DeeperGCN,
    GNNBlock,
    GraphSAGE,
    NodeNorm,
    PairNormSCS,
    RevGCNConv,
    RevGNN,
    make_norm,
)
from pyg_ext.nn.norm import NORMS, apply_norm


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


AHEAD = sorted(set(NORMS) - {'message'})  # called with features only


def stack(model):
    return lambda norm: model(
        *(5, 8, 3, 2), norm=norm, lin_in=True, lin_out=True
    )


MODELS = {
    **{model.__name__: stack(model) for model in (GAT, GCN, GIN, GraphSAGE)},
    'DeeperGCN': lambda norm: DeeperGCN(5, 8, 3, 2, norm=norm),
    'RevGNN': lambda norm: RevGNN(5, 8, 3, 2, norm=norm),
    'RevGCNConv': lambda norm: RevGCNConv(5, 3, 5, norm=norm),
    'GNNBlock': lambda norm: GNNBlock(GCNConv(5, 2), 5, norm),
}


@pytest.mark.parametrize('model', MODELS)
@pytest.mark.parametrize('name', AHEAD)
def test_graphs_of_a_batch_are_as_by_themselves(name, model, graph):
    """A batch norm and the groups mix them in training by definition."""
    torch.manual_seed(0)
    net = MODELS[model](name).double().eval()
    x = torch.cat([graph.x, 3 * graph.x[:3] + 1])
    small = torch.tensor([[0, 1], [1, 2]])
    edges = torch.cat([graph.edge_index, small + 8], dim=1)
    batch = torch.tensor([0] * 8 + [1] * 3)
    out = net(x, edges, batch=batch)
    assert torch.allclose(out[:8], net(x[:8], graph.edge_index))
    assert torch.allclose(out[8:], net(x[8:], small))


@pytest.mark.parametrize('name', ['pair', 'pair-si', 'pair-scs', 'mean'])
def test_graph_of_each_node(name, x):
    norm, x = make_norm(name, 6), x.detach()
    batch = torch.tensor([1, 0, 1, 0, 0, 1, 0, 0, 3])  # in any order
    out = apply_norm(norm, x, batch)
    for i in (0, 1, 3):
        assert torch.allclose(out[batch == i], norm(x[batch == i]))
    for bad in (batch[:1], batch - 1, batch.double(), batch.view(9, 1)):
        with pytest.raises(ValueError, match='batch must'):
            apply_norm(norm, x, bad)
    with pytest.raises(ValueError, match='batch must'):
        PairNormSCS()(x, batch[:1])


@pytest.mark.parametrize('dtype', [torch.half, torch.bfloat16])
@pytest.mark.parametrize('name', AHEAD)
def test_half_types(name, dtype):
    """Many nodes, which they cannot count, and squares beyond them."""
    if name == 'batch' and dtype == torch.half and torch.__version__ < '2.5':
        pytest.skip('the batch norm of half types overflows in PyTorch 2.4')
    x = (torch.randn(1000, 6) * 400).to(dtype)
    batch = torch.arange(1000) // 600
    norm = make_norm(name, 6)
    expected = apply_norm(norm, x.float(), batch)
    out = apply_norm(norm.to(dtype), x, batch)
    assert out.dtype == dtype
    assert (out - expected).norm() < 0.01 * expected.norm()


def test_nan_stays():
    x = torch.ones(4, 6)
    x[1, 2] = torch.nan
    for name in AHEAD:
        out = apply_norm(make_norm(name, 6), x, torch.zeros(4).long())
        assert out[1].isnan().any()


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
