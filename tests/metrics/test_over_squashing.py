"""Resistances, spectral gap and curvature of graphs."""

import itertools
import math

import networkx as nx
import numpy as np
import pytest
import torch
from torch_geometric.utils import from_networkx, to_undirected

from pyg_ext.metrics import (
    balanced_forman_curvature,
    cheeger_bounds,
    commute_time,
    effective_resistance,
    spectral_gap,
    total_resistance,
)
from tests.metrics.oracles import dense

NONE = torch.empty(2, 0, dtype=torch.long)


def both_ways(*pairs):
    return to_undirected(torch.tensor(pairs).t())


def edges_of(graph):
    graph = nx.convert_node_labels_to_integers(graph)
    return from_networkx(graph).edge_index


def random_graph(seed, size=24, p=0.15):
    graph = nx.gnp_random_graph(size, p, seed=seed)
    return edges_of(graph), size


def weights_of(edges, seed=0):
    """The same both ways, of different size."""
    draw = torch.Generator().manual_seed(seed)
    table = torch.rand(100, 100, generator=draw).double() * 3 + 0.1
    return (table + table.t())[edges[0], edges[1]]


def by_pseudo_inverse(edges, size, weight=None):
    """All resistances, infinite between components, as the formula says."""
    adj = dense(edges, size, weight)
    adj.fill_diagonal_(0.0)
    inverse = torch.linalg.pinv(torch.diag(adj.sum(1)) - adj, hermitian=True)
    diagonal = inverse.diagonal()
    out = diagonal[:, None] + diagonal - 2 * inverse
    graph = nx.from_numpy_array(adj.numpy())
    for one, other in itertools.combinations(
        nx.connected_components(graph), 2
    ):
        for u, v in itertools.product(one, other):
            out[u, v] = out[v, u] = math.inf
    return out


ALL = torch.cartesian_prod(torch.arange(24), torch.arange(24)).t()


def test_resistance_written_out():
    """In series they add up; in parallel conductances do."""
    path = both_ways((0, 1), (1, 2))
    pairs = torch.tensor([[0, 0, 2, 1], [1, 2, 0, 1]])
    found = effective_resistance(path, pairs=pairs)
    assert found.tolist() == pytest.approx([1, 2, 2, 0])
    weight = torch.tensor([2.0, 2.0, 4.0, 4.0])
    found = effective_resistance(path, weight, pairs=pairs)
    assert found.tolist() == pytest.approx([0.5, 0.75, 0.75, 0])
    triangle = both_ways((0, 1), (1, 2), (0, 2))
    assert effective_resistance(triangle).tolist() == pytest.approx(
        [2 / 3] * 6
    )
    # Of repeated edges, a loop, a component apart and an isolated node.
    more = torch.cat([path, path, torch.tensor([[2, 3, 4], [2, 4, 3]])], 1)
    pairs = torch.tensor([[0, 0, 3, 0, 5], [2, 3, 4, 5, 5]])
    found = effective_resistance(more, None, 6, pairs)
    assert found.tolist() == pytest.approx([1, math.inf, 1, math.inf, 0])


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('weighted', [False, True])
def test_resistance_by_pseudo_inverse(seed, weighted):
    edges, size = random_graph(seed, p=0.06 + 0.04 * seed)
    weight = weights_of(edges) if weighted else None
    want = by_pseudo_inverse(edges, size, weight)
    found = effective_resistance(edges, weight, size, ALL)
    torch.testing.assert_close(found, want.flatten())
    ends = want[edges[0], edges[1]]
    torch.testing.assert_close(effective_resistance(edges, weight), ends)
    total = want.triu(1).sum()
    torch.testing.assert_close(total_resistance(edges, weight, size), total)


def test_resistance_in_blocks(monkeypatch):
    edges, size = random_graph(1)
    want = effective_resistance(edges, None, size, ALL)
    total = total_resistance(edges, None, size)
    monkeypatch.setattr(
        'pyg_ext.metrics.laplacian.rows_at_a_time', lambda size: 5
    )
    assert torch.equal(effective_resistance(edges, None, size, ALL), want)
    torch.testing.assert_close(total_resistance(edges, None, size), total)


def test_resistance_of_a_weight_of_zero():
    edges = both_ways((0, 1), (1, 2), (0, 2))
    weight = torch.ones(6)
    weight[(edges.sum(0) == 2) & (edges[0] != 1)] = 0.0
    found = effective_resistance(edges, weight)
    assert sorted(found.tolist()) == pytest.approx([1, 1, 1, 1, 2, 2])
    assert total_resistance(edges, weight * 0.0) == math.inf


@pytest.mark.parametrize('loop', [False, True])
def test_commute_time_by_hitting_times(loop):
    """Of the chain itself: the systems of equations for expected steps."""
    edges, size = random_graph(3)
    assert nx.is_connected(nx.from_edgelist(edges.t().tolist()))
    if loop:
        edges = torch.cat([edges, torch.tensor([[4, 4], [4, 4]])], dim=1)
    weight = weights_of(edges)
    adj = dense(edges, size, weight)
    walk = adj / adj.sum(1, keepdim=True)
    hit = torch.zeros(size, size).double()
    for v in range(size):
        rest = [u for u in range(size) if u != v]
        system = torch.eye(size - 1) - walk[rest][:, rest]
        hit[rest, v] = torch.linalg.solve(
            system, torch.ones(size - 1).double()
        )
    want = (hit + hit.t()).flatten()
    found = commute_time(edges, weight, size, ALL)
    torch.testing.assert_close(found, want)


def test_commute_time_of_components():
    """The degrees of the other component do not count."""
    edges = both_ways((0, 1), (2, 3), (3, 4))
    pairs = torch.tensor([[0, 2, 0, 5], [1, 4, 2, 5]])
    found = commute_time(edges, None, 6, pairs)
    assert found.tolist() == pytest.approx([2, 8, math.inf, 0])
    assert commute_time(edges).tolist() == pytest.approx([2, 2, 4, 4, 4, 4])


def test_total_resistance_written_out():
    """Path: (n^3 - n) / 6; complete graph: n - 1; cycle: (n^3 - n) / 12."""
    assert total_resistance(edges_of(nx.path_graph(9))).item() == (
        pytest.approx(120)
    )
    complete = total_resistance(edges_of(nx.complete_graph(9))).item()
    assert complete == pytest.approx(8)
    cycle = total_resistance(edges_of(nx.cycle_graph(9))).item()
    assert cycle == pytest.approx(60)
    assert total_resistance(NONE).isnan()
    assert total_resistance(NONE, num_nodes=1) == 0
    assert total_resistance(NONE, num_nodes=2) == math.inf
    assert effective_resistance(NONE).size() == (0,)
    assert commute_time(NONE, num_nodes=3).size() == (0,)


def normalized_laplacian(edges, size, weight=None):
    adj = dense(edges, size, weight)
    scale = adj.sum(1).rsqrt()
    return torch.eye(size) - scale[:, None] * adj * scale


@pytest.mark.parametrize('size', [24, 90])  # dense and sparse
@pytest.mark.parametrize('weighted', [False, True])
def test_spectral_gap_by_all_eigenvalues(size, weighted):
    edges, _ = random_graph(3, size)
    edges = torch.cat([edges, torch.tensor([[4], [4]])], dim=1)
    weight = weights_of(edges) if weighted else None
    values = torch.linalg.eigvalsh(normalized_laplacian(edges, size, weight))
    found = spectral_gap(edges, weight)
    torch.testing.assert_close(found, values[1])
    assert torch.equal(found, spectral_gap(edges, weight))  # the same bits


def test_spectral_gap_written_out():
    complete = edges_of(nx.complete_graph(7))
    assert spectral_gap(complete).item() == pytest.approx(7 / 6)
    for size in (5, 200):
        cycle = edges_of(nx.cycle_graph(size))
        want = 1 - math.cos(2 * math.pi / size)
        assert spectral_gap(cycle).item() == pytest.approx(want)
    path = edges_of(nx.path_graph(1000))
    want = 2 * math.sin(math.pi / 999 / 2) ** 2
    assert spectral_gap(path).item() == pytest.approx(want, rel=1e-6)
    assert spectral_gap(path, num_nodes=1001) == 0
    weight = torch.ones(path.size(1))
    weight[(path == 500).any(0)] = 0.0
    assert spectral_gap(path, weight) == 0
    assert spectral_gap(both_ways((0, 1))) == pytest.approx(2)
    assert spectral_gap(NONE, num_nodes=2) == 0
    assert spectral_gap(NONE, num_nodes=1).isnan()
    assert cheeger_bounds(NONE).isnan().tolist() == [True, True]


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('weighted', [False, True])
def test_cheeger_by_all_cuts(seed, weighted):
    edges, size = random_graph(seed, 9, 0.5)
    weight = weights_of(edges) if weighted else None
    adj = dense(edges, size, weight)
    ratios = []
    for mask in itertools.product([False, True], repeat=size):
        side = torch.tensor(mask)
        if side.any() and not side.all():
            volume = min(adj[side].sum(), adj[~side].sum())
            ratios.append((adj[side][:, ~side].sum() / volume).item())
    lower, upper = cheeger_bounds(edges, weight).tolist()
    assert lower <= min(ratios) <= upper
    assert lower == spectral_gap(edges, weight).item() / 2
    assert upper == pytest.approx(math.sqrt(4 * lower))


def brute_force_curvature(edges, size):
    """Definition 1 of Topping et al. by loops over all nodes."""
    near = [set() for _ in range(size)]
    for u, v in edges.t().tolist():
        if u != v:
            near[u].add(v)

    def around(i, j):
        """Of each other neighbor of i, how many squares there are by it."""
        found = {}
        for k in near[i] - near[j] - {j}:
            found[k] = len((near[k] & near[j]) - near[i] - {i})
        return {k: number for k, number in found.items() if number}

    out = []
    for i, j in edges.t().tolist():
        degrees = len(near[i]), len(near[j])
        if i == j or min(degrees) == 1:
            out.append(math.nan if i == j else 0.0)
            continue
        triangles = len(near[i] & near[j])
        value = 2 / degrees[0] + 2 / degrees[1] - 2
        value += 2 * triangles / max(degrees) + triangles / min(degrees)
        one, other = around(i, j), around(j, i)
        assert bool(one) == bool(other)
        if one:
            gamma = max(*one.values(), *other.values())
            value += (len(one) + len(other)) / (gamma * max(degrees))
        out.append(value)
    return torch.tensor(out, dtype=torch.double)


@pytest.mark.parametrize('seed', range(6))
def test_curvature_by_brute_force(seed):
    edges, size = random_graph(seed, p=0.1 + 0.06 * seed)
    loops = torch.tensor([[0, 3], [0, 3]])
    edges = torch.cat([edges, loops, edges[:, :4], edges[:, :4].flip(0)], 1)
    found = balanced_forman_curvature(edges, size)
    want = brute_force_curvature(edges, size)
    torch.testing.assert_close(found, want, equal_nan=True)
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    moved = balanced_forman_curvature(order[edges], size)
    assert torch.equal(moved.nan_to_num(9.0), found.nan_to_num(9.0))
    assert (found[~found.isnan()] > -2).all()


@pytest.mark.parametrize(
    ('graph', 'want'),
    [  # of the paper
        (nx.cycle_graph(3), 1.5),
        (nx.cycle_graph(4), 1.0),
        (nx.cycle_graph(5), 0.0),
        (nx.cycle_graph(12), 0.0),
        (nx.complete_graph(2), 0.0),
        (nx.complete_graph(7), 7 / 6),
        (nx.grid_2d_graph(6, 6, periodic=True), 0.0),
        (nx.petersen_graph(), 4 / 3 - 2),  # a tree as far as three edges see
        (nx.path_graph(2), 0.0),
    ],
)
def test_curvature_of_known_graphs(graph, want):
    found = balanced_forman_curvature(edges_of(graph))
    assert found.tolist() == pytest.approx([want] * len(found))


def test_curvature_of_a_tree_and_a_path():
    """4 / (r + 1) - 2 inside, zero at the leaves."""
    tree = nx.bfs_tree(nx.balanced_tree(3, 4), 0).to_undirected()
    edges = edges_of(tree)
    degree = edges[0].bincount()
    found = balanced_forman_curvature(edges)
    inner = (degree[edges] == 4).all(0)
    leaf = (degree[edges] == 1).any(0)
    assert inner.any()
    assert leaf.any()
    assert found[inner].tolist() == pytest.approx([-1.0] * int(inner.sum()))
    assert (found[leaf] == 0).all()


def test_curvature_of_edges_without():
    assert balanced_forman_curvature(NONE).size() == (0,)
    assert balanced_forman_curvature(NONE, 4).size() == (0,)
    loop = torch.tensor([[1], [1]])
    assert balanced_forman_curvature(loop).isnan().tolist() == [True]


def test_curvature_of_a_sparse_adjacency():
    edges, size = random_graph(2)
    adj_t = torch.sparse_coo_tensor(
        edges.flip(0),
        torch.ones(edges.size(1)),
        (size, size),
        check_invariants=True,
    )
    found = balanced_forman_curvature(adj_t.coalesce())
    want = balanced_forman_curvature(edges, size)
    assert np.allclose(found.sort().values, want.sort().values)


@pytest.mark.parametrize(
    'measure',
    [
        balanced_forman_curvature,
        cheeger_bounds,
        commute_time,
        effective_resistance,
        spectral_gap,
        total_resistance,
    ],
)
def test_undirected_edges_only(measure):
    with pytest.raises(ValueError, match=r'got 1 to 2 and not back'):
        measure(torch.tensor([[0, 1, 1], [1, 0, 2]]))
    with pytest.raises(ValueError, match=r'edge_index must be of shape'):
        measure(torch.tensor([0, 1]))
    if measure is not balanced_forman_curvature:
        weight = torch.tensor([1.0, 2.0])
        with pytest.raises(ValueError, match=r'got 1 from 0 to 1 and 2 back'):
            measure(both_ways((0, 1)), weight)


def test_pairs_of_nodes_only():
    edges = both_ways((0, 1))
    with pytest.raises(ValueError, match='pairs must be of shape'):
        effective_resistance(edges, pairs=torch.tensor([0, 1]))
    with pytest.raises(ValueError, match='pairs must name nodes from 0 to 1'):
        commute_time(edges, pairs=torch.tensor([[0], [2]]))
