import pytest
import torch

from pyg_ext.utils import edge_max, neighbor_max

X = torch.tensor([[1.0, 5], [3, 5], [2, 7], [3, 0]])
ROWPTR, COL = torch.tensor([0, 3, 3, 5]), torch.tensor([3, 1, 0, 2, 1])
NONE = -torch.inf
EXPECTED = [[3.0, 5], [NONE, NONE], [3, 7]]
CHOSEN = [[0.0, 1], [2, 0], [0, 1], [0, 0]]  # lowest index of equal ones


def paths(x):
    target = torch.tensor([0, 0, 0, 2, 2])
    shuffled = torch.tensor([4, 1, 0, 3, 2])
    yield neighbor_max(x, ROWPTR, COL)
    yield edge_max(x[COL], COL, target, 3)
    source = COL[shuffled]
    yield edge_max(x[source], source, target[shuffled], 3)


@pytest.mark.parametrize('path', range(3))
@pytest.mark.parametrize('dtype', [torch.float, torch.double])
def test_by_hand(path, dtype):
    x = X.to(dtype, copy=True).requires_grad_()
    out = list(paths(x))[path]
    assert out.tolist() == EXPECTED
    assert out.dtype == dtype
    out[[0, 2]].sum().backward()
    assert x.grad.tolist() == CHOSEN


@pytest.mark.parametrize('path', range(3))
@pytest.mark.parametrize('dtype', [torch.float, torch.double, torch.half])
def test_nan_wins_wherever_it_stands(path, dtype):
    """The column of a NaN, its neighbors before and after it, and twice."""
    nan, inf = torch.nan, torch.inf
    values = [[1, nan, nan], [nan, 5, nan], [2, nan, inf], [3, 0, -inf]]
    x = torch.tensor(values, dtype=dtype, requires_grad=True)
    out = list(paths(x))[path]
    expected = [[nan, nan, nan], [NONE] * 3, [nan, nan, nan]]
    assert torch.equal(out.isnan(), torch.tensor(expected).isnan())
    out[[0, 2]].sum().backward()
    assert x.grad.tolist() == [[0, 1, 1], [2, 0, 1], [0, 1, 0], [0, 0, 0]]


def test_infinite_values():
    x = torch.tensor([[-torch.inf, torch.inf]]).requires_grad_()
    for out in (
        neighbor_max(x, torch.tensor([0, 1]), torch.tensor([0])),
        edge_max(x, torch.tensor([0]), torch.tensor([0]), 1),
    ):
        assert out.tolist() == x.tolist()


def test_half_precision():
    x = X.half().requires_grad_()
    out = neighbor_max(x, ROWPTR, COL)
    assert out.tolist() == EXPECTED
    out[[0, 2]].sum().backward()
    assert x.grad.tolist() == CHOSEN


def test_gradient():
    x = torch.randn(4, 3, dtype=torch.double, requires_grad=True)
    rows = torch.tensor([0, 2])
    torch.autograd.gradcheck(lambda x: neighbor_max(x, ROWPTR, COL)[rows], x)


def test_no_edges():
    x = torch.rand(3, 2)
    rowptr, col = torch.zeros(4).long(), torch.zeros(0).long()
    assert bool((neighbor_max(x, rowptr, col) == NONE).all())
    assert bool((edge_max(x[:0], col, col, 3) == NONE).all())


def test_threads_change_nothing():
    x, col = torch.randn(500, 7), torch.randint(500, (4000,))
    rowptr = torch.arange(0, 4001, 8)
    expected = neighbor_max(x, rowptr, col)
    assert torch.equal(expected, x[col].view(500, 8, 7).amax(1))
    torch.set_num_threads(torch.get_num_threads() + 2)
    assert torch.equal(neighbor_max(x, rowptr, col), expected)


@pytest.mark.parametrize(
    ('rowptr', 'col', 'text'),
    [
        ([0, 1, 50_000_000], [0], r'rowptr .* 0 to 1 \(got 50000000\)'),
        ([0, 1, 2], [0], 'rowptr .* 0 to 1'),
        ([0, 0, 1], [0, 1], 'rowptr must go up from 0 to the 2 neighbors'),
        ([1, 1, 2], [0, 1], 'rowptr must go up'),
        ([0, 2, 1, 3], [0, 1, 2], 'rowptr must go up'),
        ([], [], 'rowptr must go up'),
        ([0, 2], [0, 10**10], r'col .* 0 to 3 \(got 10000000000\)'),
        ([0, 2], [0, -1], r'col .* 0 to 3 \(got -1\)'),
        ([0, 1], [0.5], 'col .* integers'),
    ],
)
def test_pointers_that_are_none(rowptr, col, text):
    col = torch.tensor(col, dtype=None if col else torch.long)
    rowptr = torch.tensor(rowptr, dtype=torch.long)
    with pytest.raises(ValueError, match=text):
        neighbor_max(X, rowptr, col)


def test_errors():
    nodes = torch.tensor([0, 1, 2, 3])
    with pytest.raises(ValueError, match=r'x must be .* of shape \[N, F\]'):
        neighbor_max(X.view(-1), ROWPTR, COL)
    with pytest.raises(ValueError, match=r'target .* 0 to 2'):
        edge_max(X, nodes, nodes, 3)
    with pytest.raises(ValueError, match=r'of shape \[4\]'):
        edge_max(X, nodes[1:], nodes, 4)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
def test_cuda():
    x = X.cuda().requires_grad_()
    out = neighbor_max(x, ROWPTR.cuda(), COL.cuda())
    assert out.tolist() == EXPECTED
    out[[0, 2]].sum().backward()
    assert x.grad.tolist() == CHOSEN
