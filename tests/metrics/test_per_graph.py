"""What all measures share: what they take, and where there is no number."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch_geometric.data import Batch, Data
from torch_geometric.utils import to_undirected

from pyg_ext import metrics
from tests.metrics import oracles

TRAIN = torch.arange(24) % 2 == 0
MEASURES = {
    'dirichlet_energy': lambda d, **k: metrics.dirichlet_energy(
        d.x, d.edge_index, **k
    ),
    'dirichlet_energy, sym': lambda d, **k: metrics.dirichlet_energy(
        d.x, d.edge_index, normalization='sym', **k
    ),
    'rayleigh_quotient': lambda d, **k: metrics.rayleigh_quotient(
        d.x, d.edge_index, **k
    ),
    'mad': lambda d, **k: metrics.mad(d.x, d.edge_index, **k),
    'mad of all pairs': lambda d, **k: metrics.mad(d.x, **k),
    'mad_rusch': lambda d, **k: metrics.mad_rusch(d.x, d.edge_index, **k),
    'mad_gap': lambda d, **k: metrics.mad_gap(d.x, d.edge_index, 1, 2, **k),
    'smv': lambda d, **k: metrics.smv(d.x, **k),
    'row_difference': lambda d, **k: metrics.row_difference(d.x, **k),
    'column_difference': lambda d, **k: metrics.column_difference(d.x, **k),
    'ratio, pyg': lambda d, **k: metrics.group_distance_ratio(d.x, d.y, **k),
    'ratio, dgn': lambda d, **k: metrics.group_distance_ratio(
        d.x, d.y, 'dgn', **k
    ),
    'numerical_rank': lambda d, **k: metrics.numerical_rank(d.x, **k),
    'effective_rank': lambda d, **k: metrics.effective_rank(d.x, **k),
    'feature_correlation': lambda d, **k: metrics.feature_correlation(
        d.x, **k
    ),
    'smooth_distance': lambda d, **k: metrics.smooth_distance(
        d.x, d.edge_index, **k
    ),
    'smooth_distance, relative': lambda d, **k: metrics.smooth_distance(
        d.x, d.edge_index, relative=True, **k
    ),
}
# With the features times s they are times s to this power, all others are not
# changed.
POWERS = {
    'dirichlet_energy': 2,
    'dirichlet_energy, sym': 2,
    'row_difference': 1,
    'smooth_distance': 1,
}
ON_NODES = {
    *('mad of all pairs', 'smv', 'row_difference', 'column_difference'),
    *('ratio, pyg', 'ratio, dgn', 'numerical_rank', 'effective_rank'),
    'feature_correlation',
}
each = pytest.mark.parametrize('name', MEASURES)


def made(size=24, seed=0):
    """Repeated edges, loops, equal nodes, one of zeros, one without edges."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(size, 5, generator=draw, dtype=torch.double) + 0.2
    x[1], x[2] = x[0], 0.0
    edges = torch.randint(size - 1, (2, 2 * size), generator=draw)
    edges = torch.cat([edges, edges[:, :3]], dim=1)
    y = torch.arange(size) % 3
    return Data(x=x, edge_index=torch.cat([edges, edges.flip(0)], 1), y=y)


def probe(d):
    return metrics.linear_probe(d.x, d.y, TRAIN, ~TRAIN)


@pytest.mark.parametrize('name', sorted({*MEASURES} - {'ratio, pyg'}))
def test_hard_inputs_by_the_formula(name):
    oracle = {
        'dirichlet_energy, sym': lambda d: oracles.dirichlet_energy(
            d.x, d.edge_index, normalization='sym'
        ),
        'mad of all pairs': lambda d: oracles.mad(d.x),
        'mad_gap': lambda d: oracles.mad_gap(d.x, d.edge_index, 1, 2),
        'ratio, dgn': lambda d: oracles.group_distance_ratio_dgn(d.x, d.y),
        'smooth_distance, relative': lambda d: (
            oracles.smooth_distance(d.x, d.edge_index) / d.x.norm()
        ),
    }.get(name)
    for data in (made(), made(7, 1), made(40, 2)):
        if oracle is not None:
            want = oracle(data)
        else:
            edges = [] if name in ON_NODES else [data.edge_index]
            want = getattr(oracles, name)(data.x, *edges)
        assert math.isclose(MEASURES[name](data), want, rel_tol=1e-9)


def test_weights_of_zero_join_nothing():
    """Neither do they in the convolution whose end is measured."""
    data = made()
    index = data.edge_index
    weight = (index.sum(0) % 2).double()
    value = metrics.smooth_distance(data.x, index, weight)
    kept = metrics.smooth_distance(data.x, index[:, weight > 0])
    assert math.isclose(value, kept, rel_tol=1e-9)
    want = oracles.smooth_distance(data.x, index, weight)
    assert math.isclose(value, want, rel_tol=1e-9)


@each
def test_order_of_nodes_and_edges(name):
    data = made()
    draw = torch.Generator().manual_seed(0)
    order = torch.randperm(24, generator=draw)
    edges = order.argsort()[data.edge_index]
    edges = edges[:, torch.randperm(edges.size(1), generator=draw)]
    other = Data(x=data.x[order], edge_index=edges, y=data.y[order])
    want = MEASURES[name](data)
    assert math.isclose(MEASURES[name](other), want, rel_tol=1e-9)


@each
@pytest.mark.parametrize('scale', [1e200, 1e-200, 1e307, 1e-305])
def test_any_size_of_features(name, scale):
    data = made()
    want = MEASURES[name](data)
    for _ in range(POWERS.get(name, 0)):
        want = want * scale  # infinite or zero where the true value is
    data.x = data.x * scale
    assert math.isclose(MEASURES[name](data), want, rel_tol=1e-7)


@each
@pytest.mark.parametrize('scale', [2.0**124, 2.0**-120])
def test_any_size_of_features_in_float32(name, scale):
    data = made()
    data.x = data.x.float()
    want = MEASURES[name](data) * scale ** POWERS.get(name, 0)
    data.x = data.x * scale
    assert math.isclose(MEASURES[name](data), want, rel_tol=1e-5)


@pytest.mark.parametrize(
    'name', ['mad', 'mad of all pairs', 'mad_rusch', 'smv', 'ratio, dgn']
)
def test_rows_of_different_size(name):
    data = made()
    want = MEASURES[name](data)
    power = torch.arange(24, dtype=torch.double) * 20 - 230
    data.x = data.x * (10.0**power).view(-1, 1)
    assert math.isclose(MEASURES[name](data), want, rel_tol=1e-9)


def test_columns_of_different_size():
    data, scaled = made(), made()
    sizes = [1e250, 1e-250, 1.0, 1e-303, 1e150]
    scaled.x = data.x * torch.tensor(sizes, dtype=torch.double)
    for name in ('feature_correlation', 'column_difference'):
        want = MEASURES[name](data)
        assert math.isclose(MEASURES[name](scaled), want, rel_tol=1e-9)
    assert probe(scaled) == probe(data)


def test_linear_probe_of_channels_that_do_not_vary():
    """0.1 in each node has a deviation of 1e-17 by rounding."""
    data = made()
    want = probe(data)
    data.x = torch.cat([data.x, torch.full((24, 1), 0.1).double()], dim=1)
    data.x[~TRAIN, -1] = 0.2
    assert probe(data) == want


def test_equal_nodes_have_no_ratio():
    data = made()
    data.x = torch.full((24, 5), 0.1)
    assert MEASURES['ratio, dgn'](data).isnan()
    assert MEASURES['ratio, pyg'](data).isnan()
    data.x = torch.rand(3, 5)[data.y]
    assert MEASURES['ratio, dgn'](data) == math.inf
    assert MEASURES['ratio, pyg'](data) == math.inf


@each
@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize('node', [0, 23])
def test_not_finite(name, value, node):
    """Also at a node without edges."""
    data = made()
    data.x[node, 1] = value
    assert MEASURES[name](data).isnan()
    assert probe(data).isnan()


def test_not_finite_in_a_batch():
    batch = Batch.from_data_list([made(), made(9, 1)])
    batch.x[3] = math.nan
    energy = metrics.dirichlet_energy(
        batch.x, batch.edge_index, batch=batch.batch
    )
    assert energy.isnan().tolist() == [True, False]


def test_gradients_pass_where_there_is_no_number():
    data = made()
    x = data.x.clone().requires_grad_()
    empty = metrics.dirichlet_energy(x[:0], data.edge_index[:, :0])
    assert empty.isnan()
    (empty.nan_to_num() + x.sum()).backward()
    assert x.grad.eq(1.0).all()


@each
def test_nothing_has_no_number(name):
    none = torch.empty(2, 0, dtype=torch.long)
    for dtype in (torch.half, torch.double):
        x = torch.ones(0, 5, dtype=dtype)
        value = MEASURES[name](Data(x=x, edge_index=none, y=torch.arange(0)))
        assert value.isnan()
        assert value.dtype == torch.double
    data = made()
    data.x = data.x[:, :0]
    assert MEASURES[name](data).isnan()
    if name in ('smv', 'row_difference', 'mad of all pairs'):
        assert MEASURES[name](Data(x=torch.ones(1, 3))).isnan()  # no pair
    if name == 'column_difference':
        assert MEASURES[name](Data(x=torch.ones(3, 1))).isnan()


def mixed(dtype):
    """Graphs of all kinds, whose nodes and edges stand in any order, and the
    same graphs one by one. None has number 1, and the last ones are empty.
    """
    graphs = [made(size, seed=size) for size in (24, 9, 30, 5, 7, 6, 8)]
    edges = torch.zeros(2, 1).long()
    one = Data(x=graphs[0].x[:1], edge_index=edges, y=torch.tensor([2]))
    graphs.insert(3, one)
    graphs[4].edge_index = graphs[4].edge_index[:, :0]
    graphs[5].x[3, 2] = math.nan
    graphs[6].x = torch.ones(6, 5)
    graphs[7].y = torch.ones(8).long()
    for graph, power in zip(graphs[:3], (0, 450, -450), strict=True):
        double = dtype == torch.double
        graph.x = graph.x * 2.0 ** (power if double else power / 100)
    for graph in graphs:
        graph.x = graph.x.to(dtype)
    joint = Batch.from_data_list(graphs)
    number = torch.tensor([0, 2, 3, 4, 5, 6, 7, 8])
    draw = torch.Generator().manual_seed(0)
    order = torch.randperm(joint.num_nodes, generator=draw)
    edges = order.argsort()[joint.edge_index]
    edges = edges[:, torch.randperm(edges.size(1), generator=draw)]
    data = Data(x=joint.x[order], edge_index=edges, y=joint.y[order])
    return graphs, number, data, number[joint.batch][order]


def assert_same(values, want):
    torch.testing.assert_close(
        values, want, rtol=1e-12, atol=1e-14, equal_nan=True
    )


@each
@pytest.mark.parametrize(
    'dtype', [torch.double, torch.float, torch.half, torch.bfloat16]
)
def test_each_graph_of_a_batch_as_if_alone(name, dtype):
    graphs, number, data, batch = mixed(dtype)
    want = torch.full((11,), math.nan, dtype=torch.double)
    want[number] = torch.stack([MEASURES[name](g) for g in graphs])
    assert want[0].isfinite()
    assert want[6].isnan()
    for kind in (torch.long, torch.int, torch.uint8):
        values = MEASURES[name](data, batch=batch.to(kind), batch_size=11)
        assert_same(values, want)
    assert_same(MEASURES[name](data, batch=batch), want[:9])
    order = batch.argsort(stable=True)
    sorted_edges = order.argsort()[data.edge_index]
    data = Data(x=data.x[order], edge_index=sorted_edges, y=data.y[order])
    assert_same(MEASURES[name](data, batch=batch[order]), want[:9])


@pytest.mark.parametrize(
    'name', sorted({*MEASURES} - {'numerical_rank', 'effective_rank'})
)
def test_gradients_of_a_batch(name):
    """Each graph has that which it has alone, and a graph without a value
    has no part in that of others.
    """
    graphs = [made(), made(9, 1), made(30, 2), made(7, 5)]
    graphs[3].x[0, 0] = math.nan
    want = []
    for graph in graphs[:3]:
        graph.x = graph.x + torch.arange(len(graph.x)).view(-1, 1) / 100
        x = graph.x.clone().requires_grad_()
        other = Data(x=x, edge_index=graph.edge_index, y=graph.y)
        want.append(torch.autograd.grad(MEASURES[name](other), x)[0])
    joint = Batch.from_data_list(graphs)
    joint.x.requires_grad_()
    values = MEASURES[name](joint, batch=joint.batch)
    (grad,) = torch.autograd.grad(values[:3].sum(), joint.x)
    torch.testing.assert_close(
        grad[:63], torch.cat(want), rtol=1e-9, atol=1e-12, equal_nan=True
    )


@pytest.mark.parametrize('normalization', [None, 'sym'])
def test_weights_in_a_batch(normalization):
    _, number, data, batch = mixed(torch.double)
    weight = (data.x[data.edge_index].sum(-1).sum(0).nan_to_num() % 3).round()
    for measure in (metrics.dirichlet_energy, metrics.smooth_distance):
        values = measure(
            data.x, data.edge_index, weight, normalization, batch=batch
        )
        for value, i in zip(values[number], number, strict=True):
            mine = batch == i
            edges = mine[data.edge_index[0]]
            place = mine.cumsum(0) - 1
            alone = measure(
                data.x[mine],
                place[data.edge_index[:, edges]],
                weight[edges],
                normalization,
            )
            assert_same(value, alone)


@pytest.mark.parametrize(
    'measure',
    [
        lambda d, draw, **k: metrics.smv(d.x, 30, draw, True, **k),
        lambda d, draw, **k: metrics.row_difference(d.x, 30, draw, True, **k),
        lambda d, draw, **k: metrics.group_distance_ratio(
            *(d.x, d.y, 'pyg', 30, draw, True), **k
        ),
        lambda d, draw, **k: metrics.mad_gap(
            *(d.x, d.edge_index, 1, 2, 5, draw, True), **k
        ),
    ],
)
def test_samples_of_a_batch(measure):
    """Drawn as they are of one graph after the other."""
    graphs = [made(), made(9, 1), made(30, 2)]
    draw = torch.Generator().manual_seed(0)
    joint = Batch.from_data_list(graphs)
    values = measure(joint, draw, batch=joint.batch)
    draw.manual_seed(0)
    want = zip(*(measure(graph, draw) for graph in graphs), strict=True)
    for value, each in zip(values, want, strict=True):
        assert_same(value, torch.stack(each))


class Operations(TorchDispatchMode):
    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    'name',
    [
        *('dirichlet_energy', 'dirichlet_energy, sym', 'rayleigh_quotient'),
        *('mad', 'mad of all pairs', 'mad_rusch', 'ratio, dgn'),
        *('smooth_distance', 'smooth_distance, relative'),
    ],
)
def test_sums_of_all_graphs_at_once(name):
    """As many operations for a hundred graphs as for two."""
    counts = []
    for size in (2, 100):
        batch = Batch.from_data_list([made(9, i) for i in range(size)])
        with Operations() as operations:
            MEASURES[name](batch, batch=batch.batch)
        counts.append(operations.count)
    assert counts[0] == counts[1]


@each
def test_batch_without_nodes(name):
    none = torch.empty(2, 0, dtype=torch.long)
    data = Data(x=torch.ones(0, 5), edge_index=none, y=torch.arange(0))
    assert MEASURES[name](data, batch=torch.arange(0)).size() == (0,)
    values = MEASURES[name](data, batch=torch.arange(0), batch_size=2)
    assert values.isnan().tolist() == [True, True]


def test_small_graphs_in_a_batch_of_samples():
    """A graph of one node, one of one class, one smaller than the sample."""
    draw = torch.Generator().manual_seed(0)
    x, y = torch.rand(8, 3), torch.tensor([0, 1, 1, 1, 0, 1, 0, 1])
    batch = torch.tensor([0, 2, 2, 2, 3, 3, 3, 3])
    for part in metrics.smv(x, 9, draw, return_std_error=True, batch=batch):
        assert part.isnan().tolist() == [True, True, False, False]
    for part in metrics.group_distance_ratio(
        *(x, y, 'pyg', 9, draw, True), batch=batch
    ):
        assert part.isnan().tolist() == [True, True, True, False]
    nodes = torch.arange(7)
    path = to_undirected(torch.stack([nodes, nodes + 1]))
    exact = metrics.mad_gap(x, path, 1, 2)
    value, error = metrics.mad_gap(
        x, path, 1, 2, num_samples=100, return_std_error=True
    )
    assert value.item() == pytest.approx(exact.item())
    assert error == 0.0


def test_cost_follows_the_nodes():
    """Many graphs, and hops without end."""
    nodes = torch.arange(40_000)
    edges = to_undirected(nodes.view(-1, 2).t())
    x = torch.rand(40_000, 2, dtype=torch.double)
    values = metrics.dirichlet_energy(x, edges, batch=nodes // 2)
    pairs = x.view(-1, 2, 2)
    want = (pairs[:, 0] - pairs[:, 1]).square().sum(-1)
    assert torch.allclose(values, want)
    data = made()
    assert metrics.mad_gap(data.x, data.edge_index, 1, 10**9).isnan()


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda d: {'x': d.x.long()}, r'x must be floating point .*int64'),
        (lambda d: {'x': d.x + 0j}, 'x must be floating point .*complex128'),
        (lambda d: {'x': d.x[0]}, r'x must be .* of shape \[5\]'),
        (lambda d: {'x': d.x.numpy()}, r'x must be a tensor \(got ndarray\)'),
        (lambda d: {'x': None}, r'x must be a tensor \(got NoneType\)'),
        (lambda d: {'y': d.y.view(-1, 1)}, r'y must be .*\[24\].*\[24, 1\]'),
        (lambda d: {'y': d.y.double()}, r'y must .* integers .*float64'),
        (lambda d: {'y': d.y > 0}, r'y must hold the numbers of classes'),
        (lambda d: {'y': d.y - 1}, r'y must name classes .*\(got -1\)'),
        (lambda d: {'y': d.y[:5]}, r'y must be of shape \[24\].*\[5\]'),
        (
            lambda d: {'edge_index': d.edge_index.double()},
            'edge_index must .* integers .*float64',
        ),
        (
            lambda d: {'edge_index': torch.tensor([[], []])},
            'edge_index must .* integers .*float32',
        ),
        (
            lambda d: {'edge_index': d.edge_index.t()},
            r'edge_index must be of shape \[2, E\] \(got \[102, 2\]\)',
        ),
        (
            lambda d: {'edge_index': d.edge_index - 1},
            r'edge_index must name nodes from 0 to 23 \(got -1\)',
        ),
        (
            lambda d: {'edge_index': d.edge_index + 2},
            r'edge_index must name nodes from 0 to 23 \(got 24\)',
        ),
        (
            lambda d: {'edge_index': torch.eye(23).to_sparse()},
            r'adjacency must be of size 24 x 24.*\(got 23 x 23\)',
        ),
        (lambda d: {'batch': d.y - 1}, r'batch must .* from 0 on \(got -1\)'),
        (lambda d: {'batch': d.y.double()}, r'batch must .* \(got .*64\)'),
        (lambda d: {'batch': d.y[:5]}, r'batch must .*\[24\].*\[5\]'),
        (lambda d: {'batch': d.y.view(-1, 1)}, r'batch must .*\[24, 1\]'),
        (
            lambda d: {
                'batch': d.y * 10**8,
                'edge_index': d.edge_index[:, :0],
            },
            r'batch must number graphs from 0 on \(got 200000000 among 24',
        ),
        (
            lambda d: {'batch': d.y, 'batch_size': 2},
            r'batch must name graphs from 0 to 1 \(got 2\)',
        ),
        (
            lambda d: {'batch': d.y, 'batch_size': 3.0},
            r'batch_size must be an integer \(got 3.0\)',
        ),
        (lambda d: {'batch_size': 3}, r'batch_size needs batch \(got 3\)'),
    ],
)
def test_refused_by_all_alike(change, message):
    data = made()
    options = change(data)
    given = {key: options.pop(key) for key in (*options,) if key in data}
    names = set(MEASURES)
    if 'y' in given:
        names = {'ratio, pyg', 'ratio, dgn'}
    elif 'edge_index' in given:
        names -= ON_NODES
    data.update(given)
    for name in names:
        with pytest.raises(ValueError, match=message):
            MEASURES[name](data, **options)


def test_edges_between_graphs_are_refused():
    data = made()
    with pytest.raises(ValueError, match='join nodes of one graph'):
        metrics.mad(data.x, data.edge_index, batch=data.y)


@pytest.mark.parametrize('name', ['train_mask', 'test_mask'])
@pytest.mark.parametrize(
    ('mask', 'message'),
    [
        (TRAIN.view(-1, 1), r'of shape \[24\].*\(got \[24, 1\]\)'),
        (TRAIN[:5], r'of shape \[24\].*\(got \[5\]\)'),
        (TRAIN.long(), r'a boolean mask \(got torch.int64\)'),
        (TRAIN.nonzero().view(-1), r'a boolean mask \(got torch.int64\)'),
        (TRAIN & False, r'at least one node \(got none\)'),
        (None, r'a boolean mask \(got NoneType\)'),
    ],
)
def test_masks(name, mask, message):
    data = made()
    masks = {'train_mask': TRAIN, 'test_mask': ~TRAIN, name: mask}
    with pytest.raises(ValueError, match=f'{name} must .*{message}'):
        metrics.linear_probe(data.x, data.y, **masks)
    if mask is not None:
        with pytest.raises(ValueError, match=f'{name} must .*{message}'):
            metrics.OverSmoothingProbe(
                *(torch.nn.Linear(2, 2), data.edge_index),
                layers=[''],
                y=data.y,
                **masks,
            )


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'y': torch.arange(24) - 1}, r'y must name classes .*\(got -1\)'),
        ({'y': torch.ones(24, 1).long()}, r'y must be of shape \[24\]'),
        ({'x': torch.ones(24, 5).long()}, 'x must be floating point'),
        ({'x': torch.ones(20, 5)}, r'y must be of shape \[20\]'),
    ],
)
def test_classes_of_the_linear_probe(change, message):
    data = made()
    for key, value in change.items():
        data[key] = value
    with pytest.raises(ValueError, match=message):
        probe(data)


def test_numbers_of_classes_cost_nothing():
    data = made()
    want = probe(data)
    data.y = data.y * 10**15
    assert probe(data) == want
    data.x = data.x.to_sparse()
    assert probe(data) == want
    empty = Data(x=torch.ones(0, 5), y=torch.arange(0))
    none = torch.zeros(0, dtype=torch.bool)
    assert metrics.linear_probe(empty.x, empty.y, none, none).isnan()


@each
def test_types_of_edges_and_features(name):
    data = made()
    want = MEASURES[name](data)
    for dtype in (torch.int, torch.uint8):
        other = data.clone()
        other.edge_index = data.edge_index.to(dtype)
        assert MEASURES[name](other) == want
    other = data.clone()
    other.x = data.x.to_sparse()
    assert MEASURES[name](other) == want
    other.x = data.x.clone().requires_grad_()
    value = MEASURES[name](other).detach()
    assert math.isclose(value, want, rel_tol=1e-9)
    for dtype in (torch.half, torch.bfloat16):
        other.x = data.x.to(dtype)
        low = MEASURES[name](other)
        with torch.autocast('cpu'):
            assert MEASURES[name](other) == low
        other.x = other.x.double()
        assert math.isclose(MEASURES[name](other), low, rel_tol=1e-9)


@pytest.mark.parametrize(
    'name', ['dirichlet_energy', 'rayleigh_quotient', 'smooth_distance']
)
def test_weights(name):
    data = made()
    measure = getattr(metrics, name)
    weight = torch.arange(102) % 4
    want = measure(data.x, data.edge_index, weight.double())
    for dtype in (torch.int, torch.half, torch.float):
        value = measure(data.x, data.edge_index, weight.to(dtype))
        assert math.isclose(value, want, rel_tol=1e-9)
    for bad in (-1.0, math.nan, math.inf):
        hostile = weight.double()
        hostile[5] = bad
        with pytest.raises(ValueError, match='finite and not negative'):
            measure(data.x, data.edge_index, hostile)
    with pytest.raises(ValueError, match=r'edge_weight .*\[102, 1\]'):
        measure(data.x, data.edge_index, weight.view(-1, 1))
