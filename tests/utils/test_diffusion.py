import math
from collections import deque

import numpy as np
import pytest
import torch
from torch_geometric.utils import erdos_renyi_graph, get_ppr

from pyg_ext.utils import (
    diffusion_matrix,
    diffusion_topk,
    heat_kernel_topk,
    ppr_topk,
    walk_steps,
)
from pyg_ext.utils.diffusion import power_iteration
from pyg_ext.utils.walk_steps import Sparsification, TransitionMatrix

PAIR = torch.tensor([[0, 1], [1, 0]])
KINDS = {
    'ppr': (ppr_topk, {'alpha': 0.15}),
    'heat': (heat_kernel_topk, {'t': 5.0}),
    'series': (diffusion_topk, {'coeffs': [0.0, 0.5, 0.0, 0.7, 0.1]}),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


@pytest.fixture(params=['plain', 'weighted'])
def random_graph(request):
    """Undirected, of 60 nodes of which some are isolated, with a loop."""
    torch.manual_seed(0)
    edges = erdos_renyi_graph(50, 0.06)
    edges = torch.cat([edges, torch.tensor([[7], [7]])], dim=1)
    if request.param == 'plain':
        return edges, None, 60
    table = torch.rand(60, 60).double() + 0.01
    table = table + table.t()
    return edges, table[edges[0], edges[1]], 60


def dense(found, size):
    (seed, node), value = found
    out = torch.zeros(size, size).double()
    out[seed, node] = value.double()
    return out


def degrees(edges, weight, size):
    if weight is None:
        weight = torch.ones(edges.size(1)).double()
    sums = torch.zeros(size).double().scatter_add(0, edges[0], weight)
    sums /= weight.mean()
    return torch.where(sums > 0, sums, 1.0)


def test_two_nodes():
    """By hand: the walk is at its start after an even number of steps."""
    edges, value = ppr_topk(PAIR, 0.2, 1e-12, edge_weight=torch.ones(2))
    assert edges.tolist() == [[0, 0, 1, 1], [0, 1, 1, 0]]
    assert value.tolist() == pytest.approx([1 / 1.8, 0.8 / 1.8] * 2)
    _, value = heat_kernel_topk(PAIR, 1.5, 1e-12)
    even = (1 + math.exp(-3)) / 2
    assert value.tolist() == pytest.approx([even, 1 - even] * 2)
    _, value = diffusion_topk(PAIR, [0.5, 1.0, 0.25])
    assert value.tolist() == [1.0, 0.75, 1.0, 0.75]  # the larger first


@pytest.mark.parametrize('eps', [1e-2, 1e-4, 1e-7])
def test_error_bound(kind, random_graph, eps):
    topk, how = kind
    edges, weight, size = random_graph
    exact = diffusion_matrix(edges, weight, size, **how)
    double = torch.ones(edges.size(1)).double() if weight is None else weight
    found = topk(
        edges, **how, eps=eps, k=None, edge_weight=double, num_nodes=size
    )
    error = (exact - dense(found, size)) / degrees(edges, weight, size)
    assert error.min() > -1e-12
    assert error.max() <= eps
    if eps < 1e-5:
        assert error.max() > 0  # it did stop early


def plain_push(transition, seed, alpha, eps):
    """The method as the paper has it, from one seed."""
    mass, residual = (np.zeros(len(transition.degree)) for _ in range(2))
    limit = alpha * eps * transition.degree
    residual[seed], queue = alpha, deque([seed])
    while queue:
        v = queue.popleft()
        pushed, residual[v] = residual[v], 0.0
        row = slice(transition.rowptr[v], transition.rowptr[v + 1])
        nodes = transition.col[row]
        mass[v] += pushed if len(nodes) else pushed / alpha
        prob = transition.prob[row]
        for i, u in enumerate(nodes):
            share = pushed * (1.0 - alpha)
            share = share * prob[i] if len(prob) else share / len(nodes)
            before, residual[u] = residual[u], residual[u] + share
            if before < limit[u] <= residual[u]:
                queue.append(u)
    return mass


@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize('number', [0, 12, 40, 144, 400])
@pytest.mark.parametrize('eps', [1e-1, 1e-3, 1e-9])
def test_first_in_first_out(weighted, number, eps):
    """Bit for bit, on directed edges: some nodes are alone, or all wait."""
    generator = torch.Generator().manual_seed(number)
    edges = torch.randint(12, (2, number), generator=generator)
    edges = edges.unique(dim=1)
    weight = torch.ones(edges.size(1)).double()
    if weighted:
        weight = torch.rand(len(weight), generator=generator).double()
    transition = TransitionMatrix.from_edges(edges, weight, 12)
    want = [plain_push(transition, seed, 0.2, eps) for seed in range(12)]
    found = ppr_topk(edges, 0.2, eps, None, weight, 12)
    assert np.array_equal(dense(found, 12).numpy(), np.stack(want))


@pytest.mark.parametrize('decades', [0, 4, 10])
@pytest.mark.parametrize('eps', [1e-2, 1e-4, 1e-6])
def test_error_bound_with_weights(kind, eps, decades):
    """On undirected graphs whose degrees differ by orders of magnitude."""
    topk, how = kind
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        edges = torch.randint(20, (2, 50), generator=generator)
        power = decades * torch.rand(50, generator=generator).double()
        weight = 10.0 ** (power - decades / 2)
        edges = torch.cat([edges, edges.flip(0)], dim=1)
        weight = torch.cat([weight, weight])
        exact = diffusion_matrix(edges, weight, 20, **how)
        found = topk(
            edges, **how, eps=eps, k=None, edge_weight=weight, num_nodes=20
        )
        lack = exact - dense(found, 20)
        assert lack.min() > -1e-13
        assert (lack <= eps * degrees(edges, weight, 20) + 1e-13).all()


def test_loops_of_little_weight():
    """Nothing leaves a node, which so has all of its mass but for eps times
    its degree.
    """
    weight = torch.tensor([1.0, 1e-4, 1e-12]).double()
    loops = torch.arange(3).repeat(2, 1)
    for topk in (ppr_topk, heat_kernel_topk):
        _, value = topk(loops, eps=1e-3, edge_weight=weight)
        assert (1.0 - value <= 1e-3 * weight / weight.mean() + 1e-15).all()


def test_directed_and_stuck(kind):
    """A chain: a walk stays at its end, and at an isolated node."""
    topk, how = kind
    edges = torch.tensor([[0, 1], [1, 2]])
    exact = diffusion_matrix(edges, None, 4, **how)
    found = topk(edges, **how, eps=1e-12, num_nodes=4)
    assert torch.allclose(dense(found, 4), exact, atol=1e-7)
    total = exact.sum(1)
    assert torch.allclose(total, total[3].expand(4))
    assert exact[3].tolist() == [0.0, 0.0, 0.0, pytest.approx(float(total[3]))]
    if 'alpha' in how:
        assert float(exact[3, 3]) == pytest.approx(1.0)


def test_exact_matrices(graph):
    """Against plain series, for each normalization."""
    edges, weight = graph.edge_index, graph.edge_weight
    adj = torch.zeros(8, 8).double()
    adj[edges[0], edges[1]] = weight
    adj[7, 7] = 1.0  # the isolated node stays
    out, to = adj.sum(1), adj.sum(0)
    steps = {
        'row': adj / out[:, None],
        'col': adj / to[None],
        'sym': adj / (to[:, None] * to[None]).sqrt(),
    }
    for name, step in steps.items():
        power = torch.eye(8).double()
        ppr, heat = torch.zeros(8, 8).double(), torch.zeros(8, 8).double()
        for j in range(200):
            ppr += 0.3 * 0.7**j * power
            heat += math.exp(j * math.log(2) - 2 - math.lgamma(j + 1)) * power
            power = power @ step
        cube = 2.0 * torch.eye(8) + 3.0 * torch.linalg.matrix_power(step, 3)
        for want, how in (
            (ppr, {'alpha': 0.3}),
            (heat, {'t': 2.0}),
            (cube.double(), {'coeffs': [2.0, 0.0, 0.0, 3.0]}),
        ):
            found = diffusion_matrix(edges, weight, 8, name, **how)
            assert torch.allclose(found, want, rtol=1e-10, atol=1e-12)


def test_ties_go_to_the_lower_node():
    star = torch.tensor([[0] * 6, [6, 2, 5, 1, 4, 3]])
    edges, _ = ppr_topk(torch.cat([star, star.flip(0)], 1), k=3)
    assert edges[1, :3].tolist() == [0, 1, 2]
    edges, _ = ppr_topk(torch.cat([star, star.flip(0)], 1), k=3, loop=False)
    assert edges[1, :3].tolist() == [1, 2, 3]
    assert edges[:, edges[0] == 6].tolist() == [[6] * 3, [0, 1, 2]]


@pytest.mark.parametrize('how', [{'k': 5}, {'k': None, 'threshold': 1e-3}])
def test_same_for_all_threads_and_splits(kind, random_graph, how, monkeypatch):
    monkeypatch.setattr(walk_steps, 'BLOCK', 7)
    topk, options = kind
    edges, weight, size = random_graph
    options = {**options, **how, 'edge_weight': weight, 'num_nodes': size}
    whole = topk(edges, **options)
    torch.set_num_threads(3)
    again = topk(edges, **options)
    order = torch.randperm(size)
    parts = [topk(edges, **options, targets=p) for p in order.split(17)]
    seeds = torch.cat([p[0][0] for p in parts])
    back = seeds.argsort(stable=True)
    joined = (
        torch.cat([p[0] for p in parts], 1)[:, back],
        torch.cat([p[1] for p in parts])[back],
    )
    for other in (again, joined):
        assert torch.equal(whole[0], other[0])
        assert torch.equal(whole[1], other[1])


def test_little_capacity(kind, random_graph, monkeypatch):
    """The output fills up in the middle of a block."""
    topk, how = kind
    edges, weight, size = random_graph
    options = {'k': None, 'edge_weight': weight, 'num_nodes': size}
    whole = topk(edges, **how, **options)
    assert len(whole[1]) > 4 * size
    monkeypatch.setattr(walk_steps, 'CAPACITY', 1)
    again = topk(edges, **how, **options)
    assert torch.equal(whole[0], again[0])
    assert torch.equal(whole[1], again[1])


@pytest.mark.parametrize('capacity', [1 << 16, 1])
def test_sparsification(kind, random_graph, capacity, monkeypatch):
    monkeypatch.setattr(walk_steps, 'CAPACITY', capacity)
    monkeypatch.setattr(walk_steps, 'BLOCK', 4)
    topk, how = kind
    edges, weight, size = random_graph
    options = {**how, 'edge_weight': weight, 'num_nodes': size}
    every, value = topk(edges, k=None, **options)
    _, few = topk(edges, k=3, **options)
    assert int(every[0].bincount().max()) > 3
    for s in range(size):
        row = value[every[0] == s]
        assert torch.equal(few[every_k(every, 3)[0] == s], row[:3])
    some, least = topk(edges, k=None, threshold=0.01, **options)
    mask = value >= 0.01
    assert 0 < int(mask.sum()) < len(value)
    assert torch.equal(some, every[:, mask])
    assert torch.equal(least, value[mask])
    some, least = topk(edges, k=None, avg_degree=2, **options)
    ranked = value.sort(descending=True).values
    mask = value >= ranked[2 * size - 1 : 2 * size + 1].double().mean()
    assert torch.equal(some, every[:, mask])
    some, _ = topk(edges, k=None, avg_degree=100, **options)
    assert torch.equal(some, every)


def every_k(edges, k):
    """The first k edges of each seed."""
    place = torch.arange(edges.size(1))
    first = torch.searchsorted(edges[0].contiguous(), edges[0].contiguous())
    return edges[:, place - first < k]


def test_power_iteration(kind, random_graph):
    """What runs on CUDA."""
    edges, weight, size = random_graph
    _, how = kind
    theta = {
        'alpha': 0.15 * 0.85 ** np.arange(300),
        't': np.array(
            [
                math.exp(j * math.log(5) - 5 - math.lgamma(j + 1))
                for j in range(60)
            ]
        ),
        'coeffs': np.array(how.get('coeffs', [])),
    }[next(iter(how))]
    graph = (edges, weight, size)
    exact = diffusion_matrix(*graph, **how)
    transition = TransitionMatrix.from_edges(*graph)
    found = power_iteration(transition, None, Sparsification(), theta)
    assert torch.allclose(dense(found, size), exact, atol=1e-6)
    rule = Sparsification(4, 0.01, None, False)
    some = power_iteration(transition, torch.tensor([9, 3]), rule, theta)
    topk, _ = kind
    same = topk(
        edges,
        **how,
        eps=1e-9,
        k=4,
        threshold=0.01,
        loop=False,
        edge_weight=weight,
        num_nodes=size,
        targets=torch.tensor([9, 3]),
    )
    assert torch.equal(some[0], same[0])
    assert torch.allclose(some[1], same[1], atol=1e-6)


def test_beside_get_ppr(random_graph):
    """Both lack at most eps times the degree, in the same convention."""
    edges, _, size = random_graph
    edges = edges[:, edges[0] != edges[1]]
    theirs = dense(get_ppr(edges, 0.15, 1e-4, num_nodes=size), size)
    ours = dense(ppr_topk(edges, 0.15, 1e-4, None, num_nodes=size), size)
    linked = edges[0].unique()  # get_ppr gives alpha to an isolated node
    gap = (theirs - ours)[linked].abs() / degrees(edges, None, size)
    assert gap.max() <= 1e-4 + 1e-7


def test_scale_of_weights_does_not_count(kind):
    topk, how = kind
    edges = erdos_renyi_graph(30, 0.2)
    weight = torch.rand(edges.size(1)).double()
    one = topk(edges, **how, edge_weight=weight)
    two = topk(edges, **how, edge_weight=weight * 2.0**-900)
    assert torch.equal(one[0], two[0])
    assert torch.allclose(one[1], two[1], rtol=1e-12)


@pytest.mark.parametrize(
    'dtype', [torch.float16, torch.bfloat16, torch.float64, torch.long]
)
def test_types(kind, dtype):
    topk, how = kind
    weight = torch.tensor([2, 2]).to(dtype)
    _, value = topk(PAIR, **how, edge_weight=weight)
    _, same = topk(PAIR, **how)
    assert value.dtype == (torch.float if dtype == torch.long else dtype)
    assert torch.allclose(value.float(), same, rtol=0.01)


def test_extreme_weights(kind):
    """No entry is met twice, which would write beyond an array."""
    topk, how = kind
    generator = torch.Generator().manual_seed(0)
    edges = torch.randint(40, (2, 400), generator=generator)
    power = torch.randint(-320, 308, (400,), generator=generator)
    weight = 10.0 ** power.double()
    weight[::5] = 0.0
    (seed, node), value = topk(edges, **how, k=None, edge_weight=weight)
    assert len(torch.stack([seed, node]).unique(dim=1)[0]) == len(seed)
    assert value.isfinite().all()


def test_empty(kind):
    topk, how = kind
    nothing = torch.empty(2, 0, dtype=torch.long)
    edges, value = topk(nothing, **how, num_nodes=0)
    assert edges.size() == (2, 0)
    assert value.size() == (0,)
    edges, _ = topk(nothing, **how, num_nodes=2)
    assert edges.tolist() == [[0, 1], [0, 1]]
    edges, _ = topk(PAIR, **how, targets=torch.empty(0, dtype=torch.long))
    assert edges.size() == (2, 0)


def test_repeated_edges_are_summed(kind):
    topk, how = kind
    edges = torch.tensor([[0, 0, 0, 1, 2], [1, 1, 2, 0, 0]])
    weight = torch.tensor([2.0, 1.0, 1.0, 1.0]).double()
    one = topk(edges, **how)
    two = topk(edges[:, 1:], **how, edge_weight=weight)
    assert torch.equal(one[0], two[0])
    assert torch.allclose(one[1].double(), two[1])


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        ({'alpha': 0.0}, r'alpha must be in \[1e-06, 1\) \(got 0.0\)'),
        ({'alpha': 1.0}, 'alpha must be in'),
        ({'alpha': 1e-17}, 'alpha must be in'),
        ({'eps': math.nan}, 'eps must be in'),
        ({'eps': 1e-17}, r'eps must be in \[1e-16, 1\)'),
        ({'k': 0}, r'k must be at least 1 \(got 0\)'),
        ({'avg_degree': 0}, 'avg_degree must be at least 1'),
        ({'num_nodes': 1}, r'nodes from 0 to 0 \(got 1\)'),
        ({'targets': torch.tensor([2])}, 'targets must'),
        ({'targets': torch.tensor([[0]])}, 'targets must be a vector'),
        ({'edge_weight': torch.ones(3)}, r'of shape \[2\], .* \(got \[3\]\)'),
        ({'edge_weight': torch.tensor([1.0, -1.0])}, 'not negative'),
        ({'edge_weight': torch.tensor([1.0, math.inf])}, 'finite'),
    ],
)
def test_errors(options, text):
    with pytest.raises(ValueError, match=text):
        ppr_topk(PAIR, **options)


def test_more_errors():
    with pytest.raises(ValueError, match=r'shape \[2, E\] \(got \[3\]\)'):
        ppr_topk(torch.tensor([0, 1, 2]))
    with pytest.raises(ValueError, match='t must be in'):
        heat_kernel_topk(PAIR, 0.0)
    with pytest.raises(ValueError, match='no negative one'):
        diffusion_topk(PAIR, [1.0, -0.1])
    with pytest.raises(ValueError, match='at least one number'):
        diffusion_topk(PAIR, [])
    with pytest.raises(ValueError, match='a finite sum'):
        diffusion_topk(PAIR, [1e308, 1e308])
    with pytest.raises(ValueError, match='a finite sum'):
        diffusion_matrix(PAIR, coeffs=torch.ones(2, 2))
    with pytest.raises(ValueError, match='alpha must be in'):
        diffusion_matrix(PAIR, alpha=1e-17)
    with pytest.raises(ValueError, match='exactly one of'):
        diffusion_matrix(PAIR, alpha=0.1, t=1.0)
    with pytest.raises(ValueError, match='normalization must be one of'):
        diffusion_matrix(PAIR, None, 2, 'rw', alpha=0.1)


def test_progress(capsys):
    ppr_topk(PAIR, progress=True)
    assert '2/2' in capsys.readouterr().err
    ppr_topk(PAIR)
    assert capsys.readouterr().err == ''


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
def test_cuda(kind, random_graph):
    topk, how = kind
    edges, weight, size = random_graph
    options = {'eps': 1e-9, 'k': 5, 'num_nodes': size}
    here = topk(edges, **how, **options, edge_weight=weight)
    weight = None if weight is None else weight.cuda()
    there = topk(edges.cuda(), **how, **options, edge_weight=weight)
    assert there[0].is_cuda
    assert torch.allclose(there[1].cpu(), here[1], atol=1e-7)
