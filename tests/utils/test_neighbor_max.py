import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

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


def many_ties(dtype, edges=400):
    draw = torch.Generator().manual_seed(0)
    x = torch.randint(3, (30, 5), generator=draw).to(dtype)
    x[torch.rand(30, 5, generator=draw) < 0.05] = torch.nan
    x[torch.rand(30, 5, generator=draw) < 0.05] = NONE
    source = torch.randint(30, (edges,), generator=draw)
    target = torch.randint(40, (edges,), generator=draw)
    return x, source, target  # of 41


@pytest.mark.parametrize('edges', [20, 400])
@pytest.mark.parametrize(
    'dtype', [torch.double, torch.float, torch.half, torch.bfloat16]
)
def test_edge_by_edge(dtype, edges):
    x, source, target = many_ties(dtype, edges)
    want = torch.full((41, 5), NONE, dtype=dtype)
    grad = torch.zeros_like(x)
    for i in range(41):
        nodes = source[target == i].unique()  # sorted
        for f in range(5 if len(nodes) else 0):
            first = x[nodes, f].argmax()  # a NaN, or the first of the largest
            want[i, f] = x[nodes[first], f]
            grad[nodes[first], f] += 1
    x.requires_grad_()
    out = edge_max(x[source], source, target, 41)
    torch.testing.assert_close(out, want, rtol=0, atol=0, equal_nan=True)
    ones = torch.ones_like(out)
    assert torch.equal(torch.autograd.grad(out, x, ones)[0], grad)


def test_second_derivative():
    _, source, target = many_ties(torch.double, 20)
    draw = torch.Generator().manual_seed(0)
    x = torch.rand(30, 5, generator=draw, dtype=torch.double).requires_grad_()

    def cubes(x):
        out = edge_max(x[source], source, target, 41)
        return out.where(out.isfinite(), 0.0) ** 3

    assert torch.autograd.gradgradcheck(cubes, x)


# PyTorch 2.4 maps scatter_reduce by a loop, and says so:
@pytest.mark.filterwarnings('ignore:There is a performance drop:UserWarning')
def test_function_transforms():
    x, source, target = many_ties(torch.double)
    x = x.nan_to_num(0.5)

    def total(x):
        return edge_max(x[source], source, target, 41)[:5].square().sum()

    stacked = torch.stack([x, -x])
    want = []
    for one in stacked:
        one = one.clone().requires_grad_()
        want.append(torch.autograd.grad(total(one), one)[0])
    grads = torch.func.vmap(torch.func.grad(total))(stacked)
    assert torch.equal(grads, torch.stack(want))


def test_compiled_as_one_graph():
    compiled = torch.compile(edge_max, fullgraph=True, backend='aot_eager')
    for edges in (400, 300, 20):
        x, source, target = many_ties(torch.float, edges)
        want = edge_max(x[source], source, target, 41)
        out = compiled(x[source], source, target, 41)
        assert torch.equal(out.nan_to_num(), want.nan_to_num())


class Sizes(TorchDispatchMode):
    """The storage of each tensor that is made."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.seen.append(out.untyped_storage())
        return out


def test_no_tensor_larger_than_features_of_edges():
    """And no more than two of that size, one after the other."""
    draw = torch.Generator().manual_seed(0)
    x = torch.rand(4000, 50, generator=draw)
    source, target = torch.randint(100, (2, 4000), generator=draw)
    with Sizes() as sizes:
        edge_max(x, source, target, 100)
    made = {s.data_ptr(): s.nbytes() for s in sizes.seen}
    del made[x.data_ptr()]
    made = [*made.values()]
    assert max(made) == 4 * x.numel()
    assert made.count(4 * x.numel()) == 2


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
