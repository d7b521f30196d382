import pytest
import torch
import torch_geometric
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


@pytest.mark.parametrize('p', [-1.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize('learned', [False, True])
def test_empty_groups_are_zero(p, learned):
    if p < 0.0 and torch_geometric.__version__ < '2.8':
        pytest.skip('a power mean of nothing is NaN ahead of PyG 2.8')
    options = {'learn_y': learned, 'learn': learned}
    for aggr in (
        PowerSumAggregation(p, **options),
        SoftmaxSumAggregation(p, **options),
    ):
        out = aggr.double()(X, INDEX, dim_size=6)
        assert out[[1, 4, 5]].eq(0.0).all()
        if learned:
            out.sum().backward()
            assert all(q.grad.isfinite().all() for q in aggr.parameters())


@pytest.mark.parametrize(('ours', 'pyg'), PAIRS)
@pytest.mark.parametrize('dtype', [torch.half, torch.bfloat16])
def test_half_types(ours, pyg, dtype):
    """Groups of more elements than they can count."""
    torch.manual_seed(0)
    x, index = torch.rand(6000, 2), torch.arange(6000) % 2
    for learned in (False, True):
        aggr = ours(1.5, 0.5, learned, learn=learned)
        expected = aggr(x, index)
        out = aggr.to(dtype)(x.to(dtype), index)
        assert out.dtype == dtype
        assert torch.allclose(out.float(), expected, rtol=0.02)


@pytest.mark.parametrize(('ours', 'pyg'), PAIRS)
def test_order_of_elements_and_type_of_groups_do_not_matter(ours, pyg):
    order = torch.randperm(6)
    out = ours(2.0)(X[order], INDEX[order].int())
    assert torch.allclose(out, ours(2.0)(X, INDEX))
    by_two = ours(2.0)(X.view(6, 1, 3).expand(6, 2, 3), INDEX, dim=0)
    assert torch.allclose(by_two, out.unsqueeze(1).expand(4, 2, 3))


@pytest.mark.parametrize(('ours', 'pyg'), PAIRS)
@pytest.mark.parametrize(
    'groups',
    [
        {'index': INDEX - 1},
        {'index': INDEX[:1]},
        {'index': INDEX.double()},
        {'index': INDEX > 0},
        {'index': INDEX, 'dim_size': 3},
        {'ptr': torch.tensor([0, 3, 7])},
        {'ptr': torch.tensor([0, 10**9, 6])},
        {'ptr': torch.tensor([1, 6])},
        {'ptr': torch.tensor([0, 3, 2, 6])},
    ],
)
def test_groups_that_are_none(ours, pyg, groups):
    with pytest.raises(ValueError, match=r'(index|ptr) must'):
        ours()(X, **groups)


@pytest.mark.parametrize('p', [0.0, float('nan'), float('inf')])
def test_powers_that_are_none(p):
    with pytest.raises(ValueError, match='p must be finite and not zero'):
        PowerSumAggregation(p)
