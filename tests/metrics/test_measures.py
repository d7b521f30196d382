import math

import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.nn import DiffGroupNorm
from torch_geometric.utils import to_undirected

from benchmarks.data import datasets
from pyg_ext import metrics
from tests.metrics import oracles
from tests.metrics.oracles import cosine_distances, square_distances

ON_EDGES = [
    'dirichlet_energy',
    'mad',
    'mad_gap',
    'mad_rusch',
    'rayleigh_quotient',
    'smooth_distance',
]
ON_NODES = [
    'column_difference',
    'effective_rank',
    'feature_correlation',
    'mad',
    'numerical_rank',
    'row_difference',
    'smv',
]
WEIGHTED = ['dirichlet_energy', 'rayleigh_quotient', 'smooth_distance']


def made(size=60, extra=20, channels=7, seed=0):
    """Long cycles, so that there are remote nodes, a few short cuts, an
    isolated node, features of very different size.
    """
    draw = torch.Generator().manual_seed(seed)
    nodes = torch.arange(size - 1)
    half = (size - 1) // 2
    after = torch.where(nodes == half - 1, 0, nodes + 1)
    after[-1] = half
    more = torch.randint(half, (2, extra // 10), generator=draw)
    edges = torch.cat([torch.stack([nodes, after]), more], dim=1)
    x = torch.randn(size, channels, generator=draw)
    x = x * torch.rand(size, 1, generator=draw).exp2() + 0.3
    y = torch.randint(4, (size,), generator=draw)
    return Data(x=x, edge_index=to_undirected(edges), y=y)


@pytest.fixture
def data():
    return made()


def call(module, name, data):
    edges = [data.edge_index] if name in ON_EDGES else []
    return getattr(module, name)(data.x, *edges)


@pytest.mark.parametrize('name', sorted({*ON_EDGES, *ON_NODES}))
@pytest.mark.parametrize('dtype', [torch.half, torch.float, torch.double])
def test_equals_its_formula(data, name, dtype):
    data.x = data.x.to(dtype)
    value = call(metrics, name, data)
    assert value.dtype == torch.double
    assert value.dim() == 0
    want = call(oracles, name, data)
    assert math.isclose(value, want, rel_tol=1e-9)


@pytest.mark.parametrize('name', ON_NODES)
def test_of_all_pairs(data, name):
    value = getattr(metrics, name)(data.x)
    want = getattr(oracles, name)(data.x)
    assert math.isclose(value, want, rel_tol=1e-9)


@pytest.mark.parametrize('name', WEIGHTED)
def test_weights(data, name):
    index = data.edge_index
    weight = (index.sum(0) % 5 + 1).float()  # the same both ways
    value = getattr(metrics, name)(data.x, index, weight)
    want = getattr(oracles, name)(data.x, index, weight)
    assert math.isclose(value, want, rel_tol=1e-9)
    adj_t = torch.sparse_coo_tensor(
        index.flip(0), weight, (60, 60), check_invariants=True
    )
    assert math.isclose(
        getattr(metrics, name)(data.x, adj_t), want, rel_tol=1e-9
    )


def test_normalized_energy(data):
    value = metrics.dirichlet_energy(
        data.x, data.edge_index, normalization='sym'
    )
    want = oracles.dirichlet_energy(
        data.x, data.edge_index, normalization='sym'
    )
    assert math.isclose(value, want, rel_tol=1e-9)
    delta = oracles.laplacian(data.edge_index, 60)
    x = data.x.double()
    assert math.isclose(value, torch.trace(x.t() @ delta @ x), rel_tol=1e-9)


def test_group_distance_ratio(data):
    ours = metrics.group_distance_ratio(data.x, data.y)
    pygs = DiffGroupNorm.group_distance_ratio(data.x.double(), data.y, eps=0.0)
    assert math.isclose(ours, pygs, rel_tol=1e-9)
    other = metrics.group_distance_ratio(data.x, data.y, 'dgn')
    want = oracles.group_distance_ratio_dgn(data.x, data.y)
    assert math.isclose(other, want, rel_tol=1e-9)
    # Names of classes do not matter, and neither does a class that is gone.
    renamed = torch.tensor([7, 1, 9, 3])[data.y]
    assert metrics.group_distance_ratio(data.x, renamed) == pytest.approx(ours)


@pytest.mark.parametrize('name', sorted({*ON_EDGES, *ON_NODES}))
def test_batch_gives_each_graph_its_value(name):
    graphs = [made(60, seed=1), made(40, seed=2), made(80, seed=3)]
    batch = Batch.from_data_list(graphs)
    order = torch.randperm(180, generator=torch.Generator().manual_seed(0))
    inverse = order.argsort()
    mixed = Data(
        x=batch.x[order],
        edge_index=inverse[batch.edge_index],
        batch=batch.batch[order],
    )
    measure = getattr(metrics, name)
    edges = [mixed.edge_index] if name in ON_EDGES else []
    values = measure(mixed.x, *edges, batch=mixed.batch)
    want = torch.stack([call(metrics, name, graph) for graph in graphs])
    assert torch.allclose(values, want)


def test_group_distance_ratio_of_a_batch():
    graphs = [made(60, seed=1), made(40, seed=2)]
    batch = Batch.from_data_list(graphs)
    values = metrics.group_distance_ratio(batch.x, batch.y, batch=batch.batch)
    want = [metrics.group_distance_ratio(g.x, g.y) for g in graphs]
    assert torch.allclose(values, torch.stack(want))


@pytest.mark.parametrize('name', ['smv', 'row_difference'])
def test_sampled_pairs(data, name):
    """Of 200 intervals of 95 %, between 180 and 199 hold the value."""
    measure = getattr(metrics, name)
    exact = measure(data.x)
    draw = torch.Generator().manual_seed(0)
    covered = 0
    for _ in range(200):
        value, error = measure(data.x, 300, draw, return_std_error=True)
        covered += abs(value - exact) < 1.96 * error
    assert 180 <= covered <= 199
    assert measure(data.x, return_std_error=True) == (exact, 0.0)


def test_sampled_ratio(data):
    exact = metrics.group_distance_ratio(data.x, data.y)
    draw = torch.Generator().manual_seed(0)
    covered = 0
    for _ in range(200):
        value, error = metrics.group_distance_ratio(
            data.x, data.y, 'pyg', 300, draw, return_std_error=True
        )
        covered += abs(value - exact) < 1.96 * error
    assert 180 <= covered <= 199


def test_sampled_nodes():
    data = made(120)
    exact = metrics.mad_gap(data.x, data.edge_index)
    draw = torch.Generator().manual_seed(0)
    covered = 0
    for _ in range(200):
        value, error = metrics.mad_gap(
            *(data.x, data.edge_index, 3, 8, 40, draw), return_std_error=True
        )
        covered += abs(value - exact) < 1.96 * error
    assert 180 <= covered <= 199
    all_nodes = metrics.mad_gap(data.x, data.edge_index, 3, 8, 120, draw)
    assert math.isclose(all_nodes, exact, rel_tol=1e-9)


def test_blocks_change_nothing(data, monkeypatch):
    names = sorted({*ON_EDGES, *ON_NODES})
    before = [call(metrics, name, data) for name in names]
    monkeypatch.setattr('pyg_ext.metrics.blocks.BLOCK_BYTES', 1)
    after = [call(metrics, name, data) for name in names]
    assert torch.allclose(torch.stack(before), torch.stack(after))


@pytest.mark.parametrize('name', ON_EDGES)
@pytest.mark.parametrize('dtype', [torch.half, torch.float, torch.double])
@pytest.mark.parametrize('channels', [1, 4, 7])
def test_compiled_code_changes_nothing(name, dtype, channels, monkeypatch):
    data = made(channels=channels)
    data.x = data.x.to(dtype)
    data.edge_index = data.edge_index.repeat(1, 2)  # with double edges
    data.edge_index[:, :2] = 0  # and loops
    before = call(metrics, name, data)
    monkeypatch.setattr('pyg_ext.metrics.blocks.MANY', 0)
    monkeypatch.setattr('torch.get_num_threads', lambda: 2)
    assert torch.allclose(before, call(metrics, name, data), rtol=1e-12)
    equal = data.x[:1].expand(60, -1)
    if name in ('dirichlet_energy', 'mad', 'mad_rusch'):
        assert getattr(metrics, name)(equal, data.edge_index) == 0.0
    none = torch.empty(2, 0, dtype=torch.long)
    value = getattr(metrics, name)(data.x, none)
    monkeypatch.undo()
    other = getattr(metrics, name)(data.x, none)
    assert value == other or (value.isnan() and other.isnan())


def nodes_of(value):
    """How many steps a backward pass from a value has."""
    seen, next_ones = set(), [value.grad_fn]
    while next_ones:
        node = next_ones.pop()
        if node is not None and node not in seen:
            seen.add(node)
            next_ones += [one for one, _ in node.next_functions]
    return len(seen)


@pytest.mark.parametrize(
    'name', ['dirichlet_energy', 'mad', 'mad_rusch', 'rayleigh_quotient']
)
def test_a_gradient_takes_no_blocks(name, monkeypatch):
    """Each would have one of the size of all features."""
    monkeypatch.setattr('pyg_ext.metrics.blocks.BLOCK_BYTES', 1)
    numbers = set()
    for size in (20, 60):
        data = made(size)
        bare = getattr(metrics, name)(data.x, data.edge_index)
        data.x.requires_grad_()
        value = getattr(metrics, name)(data.x, data.edge_index)
        assert torch.equal(value, bare)
        numbers.add(nodes_of(value))
    assert len(numbers) == 1


def test_what_each_sees(data):
    """Their blind spots, as their docstrings say."""
    edges = data.edge_index
    degree = torch.bincount(edges[1], minlength=60)
    same = torch.ones(60, 3)
    kernel = (1.0 + degree).sqrt().view(-1, 1).expand(60, 3)
    assert metrics.dirichlet_energy(same, edges) == 0.0
    assert metrics.dirichlet_energy(kernel, edges) > 0.01
    energy = metrics.dirichlet_energy(kernel, edges, normalization='sym')
    assert energy < 1e-10
    energy = metrics.dirichlet_energy(same, edges, normalization='sym')
    assert energy > 0.01
    assert metrics.smooth_distance(kernel, edges, relative=True) < 1e-6
    assert metrics.smooth_distance(same, edges, relative=True) > 0.01
    constant = metrics.smooth_distance(same, edges, normalization=None)
    assert constant < 1e-6
    small = 1e-6 * data.x
    assert metrics.dirichlet_energy(small, edges) < 1e-10
    for name in ('mad', 'rayleigh_quotient', 'mad_rusch', 'mad_gap'):
        measure = getattr(metrics, name)
        assert math.isclose(
            measure(small, edges), measure(data.x, edges), rel_tol=1e-5
        )
    assert metrics.mad(torch.rand(60, 1), edges) < 1e-12
    assert math.isclose(metrics.numerical_rank(kernel), 1.0, rel_tol=1e-9)
    assert math.isclose(metrics.effective_rank(kernel), 1.0, abs_tol=1e-6)
    assert math.isclose(metrics.effective_rank(torch.eye(5)), 5.0)
    twice = torch.cat([data.x[:, :1], -2 * data.x[:, :1] + 3], dim=1)
    assert math.isclose(metrics.feature_correlation(twice), 1.0, rel_tol=1e-6)


def test_nearly_equal_rows_keep_their_digits():
    """Where subtraction of squares has no digit left."""
    x = torch.ones(50, 4, dtype=torch.double)
    x += 1e-7 * torch.rand(50, 4, generator=torch.Generator().manual_seed(0))
    nodes = torch.arange(49)
    edges = to_undirected(torch.stack([nodes, nodes + 1]))
    along = cosine_distances(x)[edges[0], edges[1]].sum() / 50
    assert math.isclose(metrics.mad_rusch(x, edges), along, rel_tol=1e-6)
    energy = square_distances(x)[edges[0], edges[1]].sum() / 50
    assert math.isclose(
        metrics.dirichlet_energy(x, edges), energy, rel_tol=1e-9
    )
    assert math.isclose(metrics.mad(x), oracles.mad(x), rel_tol=1e-6)


@pytest.mark.parametrize('least', [1e-2, 1e-4, 2e-5, 5e-6, 1e-9, 0.0])
@pytest.mark.parametrize('rows', [10, 39, 40, 5000])
def test_ranks_of_small_singular_values(least, rows):
    """Whichever way they are computed; some columns are zero."""
    draw = torch.Generator().manual_seed(0)
    kept = min(rows, 16)
    left, right = (
        torch.linalg.qr(torch.randn(size, kept, generator=draw).double())[0]
        for size in (rows, 16)
    )
    values = torch.logspace(0, -1, kept, dtype=torch.double)
    values[-1] = least
    x = torch.zeros(rows, 20, dtype=torch.double)
    x[:, 2:18] = left * values @ right.T
    for name in ('numerical_rank', 'effective_rank'):
        found = getattr(metrics, name)(x)
        expected = getattr(oracles, name)(x)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=0.0)


@pytest.mark.parametrize('rows', [10, 60])
@pytest.mark.parametrize('name', ['numerical_rank', 'effective_rank'])
def test_gradients_of_ranks(name, rows):
    """Of a matrix that may be wide, and has nearly dependent columns."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(rows, 12, generator=draw, dtype=torch.double)
    x[:, 1] = x[:, 0] + 1e-3 * x[:, 1]
    measure = getattr(metrics, name)
    assert torch.autograd.gradcheck(measure, x.requires_grad_())
    torch.testing.assert_close(measure(x), measure(x.detach()))


def test_zeros_and_nothing():
    zeros, edges = torch.zeros(4, 3), torch.tensor([[0, 1], [1, 0]])
    assert metrics.mad(zeros, edges) == 0.0
    assert metrics.mad(zeros) == 0.0
    assert metrics.dirichlet_energy(zeros, edges) == 0.0
    assert math.isnan(metrics.rayleigh_quotient(zeros, edges))
    assert math.isnan(metrics.numerical_rank(zeros))
    assert math.isnan(metrics.feature_correlation(zeros))
    assert metrics.column_difference(zeros) == 0.0
    none = torch.empty(2, 0, dtype=torch.long)
    assert math.isnan(metrics.mad(torch.rand(4, 3), none))
    assert metrics.mad_rusch(torch.rand(4, 3), none) == 0.0
    assert metrics.dirichlet_energy(torch.rand(4, 3), none) == 0.0
    assert math.isnan(metrics.mad_gap(torch.rand(4, 3), edges))


def test_energy_is_differentiable(data, monkeypatch):
    x = data.x.double().requires_grad_()
    energy = metrics.dirichlet_energy(x, data.edge_index, normalization='sym')
    (grad,) = torch.autograd.grad(energy, x)
    delta = oracles.laplacian(data.edge_index, 60)
    assert torch.allclose(grad, 2 * delta @ x.detach())
    # In blocks, too:
    monkeypatch.setattr('pyg_ext.metrics.blocks.BLOCK_BYTES', 1)
    energy = metrics.dirichlet_energy(x, data.edge_index, normalization='sym')
    assert torch.allclose(torch.autograd.grad(energy, x)[0], grad)


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (
            lambda d: metrics.mad(torch.arange(6).view(2, 3)),
            r'x must be floating point features .*int64 of shape \[2, 3\]',
        ),
        (lambda d: metrics.smv(d.x[0]), r'of shape \[7\]'),
        (
            lambda d: metrics.dirichlet_energy(
                d.x, d.edge_index, normalization='rw'
            ),
            "normalization must be one of None, sym .*'rw'",
        ),
        (
            lambda d: metrics.mad_gap(d.x, d.edge_index, 8, 8),
            'remote_hops must be above neighbor_hops',
        ),
        (
            lambda d: metrics.mad_gap(d.x, d.edge_index, num_samples=1),
            r'num_samples must be at least 2 \(got 1\)',
        ),
        (lambda d: metrics.smv(d.x, 1), r'at least 2 \(got 1\)'),
        (
            lambda d: metrics.group_distance_ratio(d.x, d.y, 'mine'),
            'definition must be one of pyg, dgn',
        ),
        (
            lambda d: metrics.mad(d.x, batch=d.y[:5]),
            r'batch must be of shape \[60\], one for each node \(got \[5\]\)',
        ),
    ],
)
def test_errors(data, make, message):
    with pytest.raises(ValueError, match=message):
        make(data)


def test_cora(root):
    """Against the dense formulas on real features, in float32."""
    data = datasets.load('cora', root)
    step = oracles.laplacian(data.edge_index, 2708)
    smooth = ((torch.eye(2708).double() - step) @ data.x.double()).float()
    data.x = smooth[:, :32]
    for name in sorted({*ON_EDGES, *ON_NODES} - {'mad_gap'}):
        value, want = call(metrics, name, data), call(oracles, name, data)
        assert math.isclose(value, want, rel_tol=1e-5), name


def test_standard_error_of_too_few_gaps():
    chain = to_undirected(torch.tensor([[0, 1], [1, 2]]))
    found = metrics.mad_gap(torch.eye(3), chain, return_std_error=True)
    assert all(value.isnan() for value in found)


@pytest.mark.parametrize('measure', [metrics.smv, metrics.row_difference])
def test_samples_without_end(measure):
    with pytest.raises(ValueError, match='num_samples must be at most'):
        measure(torch.eye(3), num_samples=10**9)
