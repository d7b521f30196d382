"""Edges for bottlenecks: SDRF and FoSR."""

import itertools
import math

import networkx as nx
import numpy as np
import pytest
import torch
from torch.utils.data import IterDataPipe
from torch_geometric import EdgeIndex
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.transforms import BaseTransform, Compose
from torch_geometric.utils import from_networkx, is_undirected

from pyg_ext.metrics import (
    balanced_forman_curvature,
    effective_resistance,
    spectral_gap,
)
from pyg_ext.transforms import SDRF, FoSR
from pyg_ext.utils.simple_graph import SimpleGraph

BOTH = [SDRF, FoSR]
NONE = torch.empty(2, 0, dtype=torch.long)


def dumbbell(size=6):
    """Two complete graphs, and a path of two edges between them."""
    graph = nx.barbell_graph(size, 1)
    edges = from_networkx(graph).edge_index
    return Data(x=torch.eye(2 * size + 1), edge_index=edges)


def pairs(edges):
    return {tuple(sorted(pair)) for pair in edges.t().tolist()}


def test_simple_graph():
    """As a set of pairs, edge by edge."""
    draw = np.random.default_rng(0)
    edges = torch.from_numpy(draw.integers(0, 9, (2, 30)))
    edges = torch.cat([edges, edges.flip(0)], 1)
    graph = SimpleGraph(edges, 10)
    want = {(u, v) for u, v in edges.t().tolist() if u != v}
    values = graph.source * 10 + graph.target
    for _ in range(60):
        u, v = sorted(draw.choice(10, 2, replace=False).tolist())
        if (u, v) in want:
            want -= {(u, v), (v, u)}
            values = np.delete(values, graph.remove(u, v))
        else:
            want |= {(u, v), (v, u)}
            values = np.insert(
                values, graph.add(u, v), (u * 10 + v, v * 10 + u)
            )
        both = zip(graph.source.tolist(), graph.target.tolist(), strict=True)
        assert [*both] == sorted(want)
        assert (values == graph.source * 10 + graph.target).all()
        for node in range(10):
            near = [b for a, b in sorted(want) if a == node]
            assert graph.neighbors(node).tolist() == near
            assert graph.degree[node] == len(near)


def test_the_first_edge_of_sdrf():
    """One of those that widen the bottleneck, with the best gain."""
    data = dumbbell()
    before = balanced_forman_curvature(data.edge_index)
    found = SDRF(1, math.inf, None)(data)
    assert found.num_edges == data.num_edges + 2
    assert torch.equal(found.edge_index[:, :-2], data.edge_index)
    (new,) = pairs(found.edge_index) - pairs(data.edge_index)
    i, j = data.edge_index[:, before.argmin()].tolist()
    near = {v: {v} for v in range(13)}
    for u, v in data.edge_index.t().tolist():
        near[u].add(v)
    gains = {}
    for k, l in itertools.product(near[i], near[j]):  # noqa: E741
        if k != l and l not in near[k]:
            more = torch.cat(
                [data.edge_index, torch.tensor([[k, l], [l, k]])], 1
            )
            after = balanced_forman_curvature(more)
            at = (data.edge_index == torch.tensor([[i], [j]])).all(0).nonzero()
            gains[tuple(sorted((k, l)))] = (after[at] - before.min()).item()
    assert len(gains) > 3
    assert gains[new] == max(gains.values()) > 0


def flow_by_hand(edges, size, iterations, bound):
    """SDRF with the best edge each time, all curvatures each time anew."""
    now = sorted((u, v) for u, v in set(map(tuple, edges.t().tolist())))

    def curvatures(now):
        return balanced_forman_curvature(torch.tensor(now).t(), size)

    for _ in range(iterations):
        curvature = curvatures(now)
        i, j = now[int(curvature.numpy().argmin())]
        near = {v: [b for a, b in now if a == v] + [v] for v in (i, j)}
        best, new = -math.inf, None
        for k, l in itertools.product(near[i], near[j]):  # noqa: E741
            if k == l or (k, l) in now:
                continue
            after = [*now, (k, l), (l, k)]
            gain = curvatures(after)[now.index((i, j))] - curvature.min()
            if gain > best:
                best, new = gain, (k, l)
        if new is not None:
            now = sorted([*now, new, new[::-1]])
        curvature = curvatures(now)
        at = int(curvature.numpy().argmax())
        if bound is not None and curvature[at] > bound:
            u, v = now[at]
            now = [e for e in now if e not in ((u, v), (v, u))]
    return set(now)


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('bound', [None, 0.2])
def test_sdrf_by_hand(seed, bound):
    """What is computed again after each step is all that changes."""
    graph = nx.gnp_random_graph(16, 0.2, seed=seed)
    edges = from_networkx(graph).edge_index
    want = flow_by_hand(edges, 16, 12, bound)
    found = SDRF(12, math.inf, bound)(Data(edge_index=edges, num_nodes=16))
    assert {*map(tuple, found.edge_index.t().tolist())} == want


def fosr_by_hand(edges, size, x, first, iterations):
    """Dense, over all pairs."""
    adj = torch.zeros(size, size).double()
    adj[edges[0], edges[1]] = 1.0
    adj.fill_diagonal_(0.0)

    def power(x):
        degree = adj.sum(1)
        x = x - (x @ degree.sqrt()) / degree.sum() * degree.sqrt()
        scale = torch.where(degree > 0, degree.rsqrt(), 0.0)
        x = scale * (adj @ (scale * x))
        return x / x.norm()

    for _ in range(first):
        x = power(x)
    for _ in range(iterations):
        y = x / (1 + adj.sum(1)).sqrt()
        product = torch.outer(y, y)
        product[adj > 0] = math.inf
        product.fill_diagonal_(math.inf)
        i, j = divmod(int(product.argmin()), size)
        adj[i, j] = adj[j, i] = 1.0
        x = power(x)
    return adj


@pytest.mark.parametrize('seed', [0, 1, 2, 4, 5])  # no two pairs are alike
def test_fosr_by_hand(seed):
    graph = nx.gnp_random_graph(30, 0.05 + 0.03 * seed, seed=seed)
    data = Data(edge_index=from_networkx(graph).edge_index, num_nodes=30)
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(30, generator=draw, dtype=torch.double)
    want = fosr_by_hand(data.edge_index, 30, x, 5, 25)
    found = FoSR(25, seed=seed)(data)
    assert found.num_edges == data.num_edges + 50
    adj = torch.zeros(30, 30).double()
    adj[found.edge_index[0], found.edge_index[1]] = 1.0
    assert torch.equal(adj, want)


def test_the_gap_widens():
    data = dumbbell()
    before = spectral_gap(data.edge_index)
    one = spectral_gap(FoSR(1, seed=0)(data).edge_index)
    many = spectral_gap(FoSR(10, seed=0)(data).edge_index)
    assert many > 2 * one > 3 * before
    ends = torch.tensor([[0], [12]])
    far = effective_resistance(data.edge_index, pairs=ends)
    flown = SDRF(10, seed=0)(data).edge_index
    assert effective_resistance(flown, None, 13, ends) < far


def test_components_are_joined():
    edges = from_networkx(
        nx.disjoint_union(*[nx.cycle_graph(5)] * 2)
    ).edge_index
    found = FoSR(1, seed=0)(Data(edge_index=edges, num_nodes=10)).edge_index
    assert spectral_gap(edges) == 0
    assert spectral_gap(found) > 0


def test_removal():
    """Of the edges in the complete graphs, whose curvature is high."""
    data = dumbbell()
    found = SDRF(5, math.inf, 1.0)(data)
    gone = pairs(data.edge_index) - pairs(found.edge_index)
    assert len(gone) == 5
    assert all({u, v}.isdisjoint({12}) for u, v in gone)
    kept = SDRF(5, math.inf, None)(data)
    assert pairs(kept.edge_index) > pairs(data.edge_index)
    same = SDRF(0)(data)
    assert torch.equal(same.edge_index, data.edge_index)


def test_nothing_to_add():
    """All nodes are joined."""
    full = from_networkx(nx.complete_graph(5)).edge_index
    data = Data(edge_index=full, num_nodes=5)
    for transform in (FoSR(3), SDRF(3, removal_bound=None)):
        assert torch.equal(transform(data).edge_index, full)
    left = SDRF(3, removal_bound=1.2)(data).edge_index
    assert left.size(1) == 20 - 2  # until the rest has less


@pytest.mark.parametrize('transform', BOTH)
def test_seeds(transform):
    data = dumbbell()
    make = (
        transform
        if transform is FoSR
        else (lambda n, seed: SDRF(n, 0.5, None, seed=seed))
    )
    found = [make(8, seed=s)(data).edge_index for s in (0, 0, 1)]
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    torch.manual_seed(3)
    one = make(8, seed=None)(data).edge_index
    torch.manual_seed(3)
    assert torch.equal(make(8, seed=None)(data).edge_index, one)


@pytest.mark.parametrize('transform', BOTH)
def test_input_is_left_alone_and_edges_keep_their_order(transform):
    data = dumbbell()
    loops = torch.tensor([[3, 3], [3, 3]])
    order = torch.randperm(64 + 2, generator=torch.Generator().manual_seed(0))
    edges = torch.cat([data.edge_index, loops], dim=1)[:, order]
    data.edge_index = edges.clone()
    data.edge_attr = torch.arange(66.0).view(-1, 1) + 1
    found = transform(6, seed=0)(data)
    assert torch.equal(data.edge_index, edges)
    assert data.edge_attr.size() == (66, 1)
    assert is_undirected(found.edge_index)
    assert found.edge_index[:, -1].tolist() != edges[:, -1].tolist()
    old = found.edge_attr.view(-1) > 0
    assert old[: old.sum()].all()
    place = found.edge_attr[old].view(-1).long() - 1
    assert (place.diff() > 0).all()
    assert torch.equal(found.edge_index[:, old], edges[:, place])
    assert (found.edge_index[:, old] == 3).all(0).sum() == 2
    assert (~old).sum() in (10, 12)
    if transform is FoSR:
        assert old.sum() == 66


@pytest.mark.parametrize('transform', BOTH)
def test_attributes(transform):
    data = dumbbell(3)
    number = data.num_edges
    data.edge_weight = torch.rand(number) + 2
    data.edge_attr = torch.ones(number, dtype=torch.long)
    data.edge_time = np.arange(number) + 5
    data.edge_name = [str(i) for i in range(number)]
    data.y = torch.arange(7)
    found = transform(2, seed=0)(data)
    new = found.edge_attr == 0
    assert 0 < new.sum() <= 4
    assert (found.edge_weight[new] == 1).all()
    assert (found.edge_weight[~new] > 2).all()
    assert (found.edge_time[new.numpy()] == 0).all()
    assert [n is None for n in found.edge_name] == new.tolist()
    assert len(found.edge_name) == found.num_edges
    assert torch.equal(found.y, data.y)
    del data.edge_weight
    data.edge_attr = torch.full((number,), 3.0)
    found = transform(2, seed=0)(data)
    assert set(found.edge_attr.tolist()) == {1.0, 3.0}
    assert 'edge_weight' not in found


@pytest.mark.parametrize('transform', BOTH)
def test_batch(transform):
    """Each graph as if it were alone."""
    graphs = [
        dumbbell(4),
        Data(x=torch.eye(9)[:2], edge_index=torch.tensor([[0, 1], [1, 0]])),
        dumbbell(4),
        Data(x=torch.eye(9)[:1], edge_index=NONE),
    ]
    change = transform(3, seed=0)
    found = change(Batch.from_data_list(graphs)).to_data_list()
    for one, graph in zip(found, graphs, strict=True):
        assert torch.equal(one.edge_index, change(graph).edge_index)


@pytest.mark.parametrize('transform', BOTH)
@pytest.mark.parametrize('sort', [True, False])
def test_graphs_of_a_vector(transform, sort):
    """Components that are graphs are not joined, in whatever order."""
    rings = [nx.cycle_graph(8), nx.cycle_graph(5), nx.empty_graph(1)]
    whole = from_networkx(nx.disjoint_union_all(rings))
    batch = torch.tensor([0] * 8 + [2] * 5 + [3])  # no node is of graph 1
    order = torch.arange(14)
    if not sort:
        order = torch.randperm(14, generator=torch.Generator().manual_seed(0))
    place = order.argsort()
    data = Data(edge_index=place[whole.edge_index], batch=batch[order])
    change = transform(4, seed=0)
    found = change(data).edge_index
    assert (data.batch[found[0]] == data.batch[found[1]]).all()
    alone = [change(from_networkx(ring)).edge_index for ring in rings]
    alone = torch.cat([alone[0], alone[1] + 8], dim=1)
    if sort:
        assert pairs(found) == pairs(alone)
    assert found.size(1) > whole.num_edges
    data.batch[order == 0] = 2
    with pytest.raises(ValueError, match='join nodes of one graph'):
        change(data)


@pytest.mark.parametrize('transform', BOTH)
def test_small_graphs(transform):
    change = transform(3, seed=0)
    for data in (
        Data(edge_index=NONE, num_nodes=0),
        Data(edge_index=NONE, num_nodes=1),
        Data(edge_index=torch.tensor([[0], [0]]), num_nodes=1),
    ):
        assert torch.equal(change(data).edge_index, data.edge_index)
    assert SDRF(3)(Data(edge_index=NONE, num_nodes=3)).num_edges == 0
    index = EdgeIndex(dumbbell(3).edge_index, sparse_size=(7, 7))
    assert change(Data(edge_index=index)).num_edges > 0


@pytest.mark.parametrize('transform', BOTH)
def test_as_any_transform(transform):
    assert issubclass(transform, BaseTransform)
    assert transform.__name__.lower() in IterDataPipe.functions
    change = transform(2, seed=0)
    both = Compose([change, transform(0)])(dumbbell())
    assert torch.equal(both.edge_index, change(dumbbell()).edge_index)
    assert str(SDRF()) == 'SDRF(num_iterations=10, tau=1.0, removal_bound=0.5)'
    assert str(FoSR()) == 'FoSR(num_iterations=50, num_power_iterations=5)'


@pytest.mark.parametrize('transform', BOTH)
def test_errors(transform):
    with pytest.raises(ValueError, match='num_iterations must be at least 0'):
        transform(-1)
    with pytest.raises(ValueError, match='seed must be in'):
        transform(seed=-1)
    with pytest.raises(ValueError, match='nodes and edges of one type'):
        transform()(HeteroData())
    with pytest.raises(ValueError, match='no edge_index'):
        transform()(Data(x=torch.eye(3)))
    edges = torch.tensor([[0, 1, 1], [1, 0, 2]])
    directed = Data(edge_index=edges, num_nodes=3)
    with pytest.raises(ValueError, match='1 to 2 and not back'):
        transform()(directed)
    data = dumbbell()
    data.edge_weight = torch.ones(3)
    with pytest.raises(ValueError, match='one for each edge'):
        transform()(data)
    data = dumbbell()
    data.adj_t = data.edge_index
    with pytest.raises(ValueError, match='adj_t beside edge_index'):
        transform()(data)


def test_errors_of_sdrf():
    for tau in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match='tau must be above zero'):
            SDRF(tau=tau)
    with pytest.raises(ValueError, match='removal_bound must be a number'):
        SDRF(removal_bound='no')
    with pytest.raises(ValueError, match='removal_bound must be a number'):
        SDRF(removal_bound=math.nan)
    with pytest.raises(ValueError, match='num_power_iterations must be'):
        FoSR(num_power_iterations=-1)
