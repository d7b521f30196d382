import pytest
import torch

from pyg_ext.utils import radius, radius_graph

LINE = torch.tensor([0.0, 1.0, 3.0, 6.0, 10.0])
X = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
SIZES = torch.tensor([3, 0, 1, 120, 76])
BATCH = torch.arange(5).repeat_interleave(SIZES)


def brute(x, y, r, batch_x, batch_y, most, loop=True):
    """Pairs within a radius, from all distances in float64."""
    pairs = []
    for i in range(len(y)):
        dist = (x.double() - y[i].double()).square().sum(1).sqrt()
        near = [
            (float(dist[j]), j)
            for j in range(len(x))
            if dist[j] <= r and batch_x[j] == batch_y[i] and (loop or i != j)
        ]
        pairs += [[i, j] for _, j in sorted(near)[:most]]
    return torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).T


def test_as_in_pyg():
    """The examples of PyG's documentation."""
    x = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    y = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
    batch_x, batch_y = torch.zeros(4).long(), torch.zeros(2).long()
    edges = radius(x, y, 1.5, batch_x, batch_y)
    assert edges.tolist() == [[0, 0, 1, 1], [0, 1, 2, 3]]
    assert radius_graph(x, 2.5, batch_x).tolist() == [
        [1, 2, 0, 3, 0, 3, 1, 2],
        [0, 0, 1, 1, 2, 2, 3, 3],
    ]


def test_by_hand():
    """The radius counts as within; the nearest come first."""
    assert radius(LINE, LINE[[2]], 3.0).tolist() == [[0] * 4, [2, 1, 0, 3]]
    found = radius(LINE, LINE[[2]], 3.0, max_num_neighbors=2)
    assert found.tolist() == [[0, 0], [2, 1]]
    assert radius(LINE, LINE[:1] + 0.5, 0.4).tolist() == [[], []]
    edges = radius_graph(LINE, 2.0)
    assert edges.tolist() == [[1, 0, 2, 1], [0, 1, 1, 2]]
    flow = 'target_to_source'
    assert torch.equal(radius_graph(LINE, 2.0, flow=flow), edges.flip(0))
    loops = radius_graph(LINE[:2], 2.0, loop=True, max_num_neighbors=1)
    assert loops.tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize(
    'dtype', [torch.half, torch.bfloat16, torch.float, torch.double]
)
@pytest.mark.parametrize('r', [0.0, 0.6, 100.0])
@pytest.mark.parametrize('most', [1, 5, 32])
def test_equals_all_distances(dtype, r, most):
    """With graphs of unequal size and points at one place."""
    x = X.clone()
    x[100:110] = x[50]
    x = x.to(dtype)
    y, batch_y = x[::7].clone(), BATCH[::7]
    edges = brute(x, y, r, BATCH, batch_y, most)
    assert torch.equal(radius(x, y, r, BATCH, batch_y, most), edges)
    for loop in (False, True):
        edges = brute(x, x, r, BATCH, BATCH, most, loop)
        found = radius_graph(x, r, BATCH, loop, most)
        assert torch.equal(found.flip(0), edges)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))
    found = radius_graph(x[order], r, BATCH[order], True, most)
    edges = brute(x[order], x[order], r, BATCH[order], BATCH[order], most)
    assert torch.equal(found.flip(0), edges)


def test_half_types_are_not_rounded():
    """The distance of these is 2049, which half does not have."""
    x = torch.tensor([[-1.0], [2048.0]], dtype=torch.half)
    assert radius_graph(x, 2048.5).numel() == 0
    assert radius_graph(x, 2049.0).tolist() == [[1, 0], [0, 1]]


def test_nothing_to_find():
    assert radius_graph(X[:0], 1.0).size() == (2, 0)
    assert radius(X[:0], X, 1.0).size() == (2, 0)
    assert radius(X, X[:0], 1.0).size() == (2, 0)
    assert radius_graph(X[:1], 1.0).size() == (2, 0)


def test_whole_numbers_and_no_gradient():
    x = torch.tensor([[0, 0], [3, 4]])
    assert radius_graph(x, 5).tolist() == [[1, 0], [0, 1]]
    x = X.clone().requires_grad_()
    assert torch.equal(radius_graph(x, 0.5), radius_graph(X, 0.5))


ERRORS = {
    r'r must be at least 0 \(got -1.0\)': {'r': -1.0},
    r'r must be at least 0 \(got nan\)': {'r': float('nan')},
    r"r must be a number \(got 'a'\)": {'r': 'a'},
    r'max_num_neighbors must be at least 1 \(got 0\)': {
        'max_num_neighbors': 0
    },
    r'num_workers must be 1, .*\(got 4\)': {'num_workers': 4},
    r'flow must be one of': {'flow': 'up'},
    r'batch must be of shape \[200\]': {'batch': BATCH[:3]},
    r'x must be finite numbers': {'x': X * torch.inf},
    r'x must be a tensor': {'x': X.tolist()},
}


@pytest.mark.parametrize('message', ERRORS)
def test_errors(message):
    with pytest.raises(ValueError, match=message):
        radius_graph(**{'x': X, 'r': 1.0} | ERRORS[message])


def test_errors_between_two_sets():
    with pytest.raises(ValueError, match='num_workers must be 1'):
        radius(X, X, 1.0, num_workers=2)
    with pytest.raises(ValueError, match='y must be a tensor'):
        radius(X, None, 1.0)
