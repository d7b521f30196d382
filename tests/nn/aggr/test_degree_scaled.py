import pytest
import torch
from torch_geometric.nn import GENConv
from torch_geometric.nn.aggr import PowerMeanAggregation, SoftmaxAggregation

from pyg_ext.nn import PowerSumAggregation, SoftmaxSumAggregation

PAIRS = [
    (SoftmaxSumAggregation, SoftmaxAggregation),
    (PowerSumAggregation, PowerMeanAggregation),
]
X = torch.rand(6, 3, generator=torch.Generator().manual_seed(0)).double()
INDEX = torch.tensor([0, 0, 0, 2, 2, 3])
PTR = torch.tensor([0, 3, 3, 5, 6])


@pytest.mark.parametrize(('ours', 'pyg'), PAIRS)
@pytest.mark.parametrize('start', [0.5, 1.0])
def test_by_the_formula(ours, pyg, start):
    mean = pyg(start)(X, INDEX)
    size = torch.tensor([3.0, 1.0, 2.0, 1.0]).double().unsqueeze(1)
    for y in (-3.0, 0.0, 2.0):
        expected = mean * size ** torch.tensor(y).double().sigmoid()
        assert torch.allclose(ours(start, y)(X, INDEX), expected)
        assert torch.allclose(ours(start, y)(X, ptr=PTR), expected)


@pytest.mark.parametrize(('ours', 'pyg'), PAIRS)
def test_between_mean_and_sum(ours, pyg):
    one = torch.ones(4, 1)
    group = torch.zeros(4, dtype=torch.long)
    assert ours(y=-40.0)(one, group).item() == pytest.approx(1.0)
    assert ours(y=40.0)(one, group).item() == pytest.approx(4.0)


@pytest.mark.parametrize(('ours', 'pyg'), PAIRS)
def test_learned(ours, pyg):
    aggr = ours(1.5, 0.3, learn_y=True, learn=True).double()
    assert torch.autograd.gradcheck(
        lambda x: aggr(x, INDEX), X.clone().requires_grad_()
    )
    aggr(X, INDEX).sum().backward()
    assert all(p.grad is not None for p in aggr.parameters())
    assert len(list(aggr.parameters())) == 2
    aggr.y.data.fill_(9.0)
    aggr.reset_parameters()
    assert aggr.y.item() == pytest.approx(0.3)


@pytest.mark.parametrize(('ours', 'pyg'), PAIRS)
def test_inside_gen_conv(ours, pyg):
    conv = GENConv(3, 4, aggr=ours(learn_y=True)).double()
    edges = torch.tensor([[0, 1, 2, 3], [1, 1, 1, 0]])
    conv(X[:4], edges).sum().backward()
    assert conv.aggr_module.y.grad.abs() > 0
