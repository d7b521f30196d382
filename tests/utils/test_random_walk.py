import pytest
import torch
from scipy.stats import chisquare
from torch_geometric.utils import erdos_renyi_graph

from pyg_ext.utils import (
    add_random_walk_edge,
    diffusion_matrix,
    dropout_path,
    random_walk,
    walk_pairs,
    walk_topk,
)

CHAIN = torch.tensor([[0, 1, 2], [1, 2, 3]])


def test_walk_along_a_chain():
    """The only way, and then it stays."""
    nodes, edges = random_walk(
        CHAIN.flip(1), torch.tensor([0, 2, 4]), 4, num_nodes=5
    )
    assert nodes.tolist() == [[0, 1, 2, 3, 3], [2, 3, 3, 3, 3], [4] * 5]
    assert edges.tolist() == [[2, 1, 0, -1], [0] + [-1] * 3, [-1] * 4]


@pytest.mark.parametrize('weighted', [False, True])
def test_shares_of_the_edges(weighted):
    """Four edges from node 0, one of them twice, one without weight."""
    edges = torch.tensor([[0, 1, 0, 0, 0], [1, 0, 2, 2, 3]])
    weight = torch.tensor([3.0, 1.0, 1.0, 2.0, 0.0])
    weight = weight if weighted else torch.ones(5)
    start = torch.zeros(40_000, dtype=torch.long)
    given = weight if weighted else None
    nodes, taken = random_walk(edges, start, 1, 0.25, given, seed=3)
    want = 0.75 * weight * (edges[0] == 0) / weight[edges[0] == 0].sum()
    restarted = (taken == -1).float().mean()
    assert float(restarted) == pytest.approx(0.25, abs=0.01)
    shares = (taken[taken >= 0].bincount(minlength=5) / len(start)).tolist()
    assert shares == pytest.approx(want.tolist(), abs=0.01)
    assert shares[4] > 0 or weighted
    assert torch.equal(
        nodes[:, 1][taken[:, 0] < 0].unique(), torch.tensor([0])
    )


def test_steps_are_uniform_and_independent():
    """All pairs of edges that follow each other, by Pearson's test."""
    edges = torch.cartesian_prod(torch.arange(7), torch.arange(7)).t()
    _, taken = random_walk(edges, torch.zeros(10_000).long(), 20, seed=0)
    first, then = taken[:, 1:-1], taken[:, 2:] % 7
    assert chisquare((first * 7 + then).flatten().bincount()).pvalue > 0.01


@pytest.mark.parametrize('options', [{}, {'p': 0.5}])
def test_a_walk_does_not_depend_on_those_beside_it(options):
    edges = erdos_renyi_graph(30, 0.2)
    start = torch.arange(30).repeat(2)
    walks = random_walk(edges, start, 6, 0.1, seed=1, **options)
    for size in (0, 1, 15, 16, 17, 33):
        some = random_walk(edges, start[:size], 6, 0.1, seed=1, **options)
        assert torch.equal(some[0], walks[0][:size])
        assert torch.equal(some[1], walks[1][:size])


@pytest.mark.parametrize('much', [1e-300, 1e3, 1e16, 1e300])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_rows_do_not_see_each_other(much, dtype):
    """However much an edge of another node weighs."""
    edges = torch.tensor([[0, 1, 1, 1, 2, 2], [1, 0, 2, 3, 0, 1]])
    much = min(max(much, 1e-37), 1e37) if dtype == torch.float32 else much
    weight = torch.tensor([much, 1.0, 2.0, 1.0, much, 3 * much], dtype=dtype)
    start = torch.tensor([1, 2]).repeat_interleave(20_000)
    _, taken = random_walk(edges, start, 1, 0.0, weight, seed=1)
    shares = (taken.view(-1).bincount(minlength=6) / 20_000).tolist()
    assert shares == pytest.approx([0, 0.25, 0.5, 0.25, 0.25, 0.75], abs=0.01)


@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize(('p', 'q'), [(0.25, 4.0), (4.0, 0.5), (2.0, 1.0)])
def test_bias_of_node2vec(p, q, weighted):
    """At node 1, from node 0: back, to 2 beside 0, to 3 and 4 away from 0."""
    edges = torch.tensor([[0, 0, 1, 1, 1, 1, 2], [1, 2, 4, 2, 0, 3, 1]])
    weight = torch.tensor([1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 1.0])
    start = torch.zeros(60_000, dtype=torch.long)
    if not weighted:
        weight = torch.tensor([1.0, 1e-9, 1.0, 1.0, 1.0, 1.0, 1.0])
    plain, _ = random_walk(edges, start, 2, 0.0, weight, seed=2)
    assert (plain[:, 1] == 1).all()
    nodes, taken = random_walk(edges, start, 2, 0.0, weight, seed=2, p=p, q=q)
    assert torch.equal(edges[1, taken], nodes[:, 1:])
    beside = 1.0 if not weighted else 1.0 / q  # its edge has no weight
    bias = torch.tensor([1.0 / p, 0.0, beside, 1.0 / q, 1.0 / q])
    want = bias * torch.tensor([weight[4], 0, weight[3], weight[5], weight[2]])
    shares = nodes[:, 2].bincount(minlength=5) / len(nodes)
    assert torch.allclose(shares, want / want.sum(), atol=0.01)


def test_bias_where_there_is_no_node_before():
    """With certain restarts nothing is biased, and p=q=1 is no bias."""
    edges = erdos_renyi_graph(30, 0.2)
    start = torch.arange(30).repeat(500)
    nodes, _ = random_walk(edges, start, 1, seed=1, p=0.01, q=100.0)
    plain, _ = random_walk(edges, start, 1, seed=2)
    one, other = (n[:, 1].bincount(minlength=30) for n in (nodes, plain))
    assert ((one - other).abs() < 6 * (other + 1).sqrt()).all()
    same = random_walk(edges, start, 5, 0.1, seed=1, p=1.0, q=1.0)[0]
    assert torch.equal(same, random_walk(edges, start, 5, 0.1, seed=1)[0])
    dead_end = random_walk(CHAIN, torch.tensor([0]), 5, seed=1, p=2.0)[0]
    assert dead_end.tolist() == [[0, 1, 2, 3, 3, 3]]


@pytest.mark.parametrize('name', ['p', 'q'])
@pytest.mark.parametrize('value', [0.0, -1.0, 1e3, float('nan')])
def test_bias_out_of_range(name, value):
    with pytest.raises(ValueError, match=rf'{name} must be in \[0.01, 100\]'):
        random_walk(CHAIN, torch.tensor([0]), 2, **{name: value})


def test_seed_and_threads():
    edges = erdos_renyi_graph(30, 0.2)
    start = torch.arange(30).repeat(5)
    one = random_walk(edges, start, 6, 0.1, seed=1)
    torch.set_num_threads(3)
    two = random_walk(edges, start, 6, 0.1, seed=1)
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1], two[1])
    assert not torch.equal(
        one[0], random_walk(edges, start, 6, 0.1, seed=2)[0]
    )
    assert not torch.equal(one[0][:30], one[0][30:60])  # of the same starts
    torch.manual_seed(5)
    drawn = random_walk(edges, start, 6)[0]
    assert not torch.equal(drawn, random_walk(edges, start, 6)[0])
    torch.manual_seed(5)
    assert torch.equal(drawn, random_walk(edges, start, 6)[0])


@pytest.mark.parametrize('weighted', [False, True])
def test_visits(weighted):
    """Their expectation is the mean of the powers of the step with restart."""
    torch.manual_seed(0)
    edges = erdos_renyi_graph(12, 0.3, directed=True)
    weight = torch.rand(edges.size(1)) + 0.1 if weighted else None
    step = diffusion_matrix(edges, weight, 12, coeffs=[0.0, 1.0])
    step = 0.7 * step
    want = torch.zeros(12, 12).double()
    for seed in range(12):
        row = torch.eye(12).double()[seed]
        for _ in range(6):
            want[seed] += row / 6
            row = row @ step
            row[seed] += 0.3
    (seed, node), share = walk_topk(
        edges, 5, 20_000, None, weight, 12, restart=0.3, seed=0
    )
    found = torch.zeros(12, 12).double()
    found[seed, node] = share.double()
    assert torch.allclose(found.sum(1), torch.ones(12).double())
    assert torch.allclose(found, want, atol=0.006)
    some = walk_topk(
        edges,
        5,
        20_000,
        2,
        weight,
        12,
        torch.tensor([7, 1]),
        restart=0.3,
        seed=0,
    )
    assert some[0][0].tolist() == [7, 7, 1, 1]
    assert torch.equal(some[1][:2], share[seed == 7][:2])


def test_cosine():
    """Equals the cosine of the profiles that the visits give."""
    torch.manual_seed(0)
    edges = erdos_renyi_graph(20, 0.15)
    options = {'walk_length': 4, 'num_walks': 50, 'num_nodes': 20, 'seed': 4}
    (seed, node), share = walk_topk(edges, k=6, **options)
    profile = torch.zeros(20, 20).double()
    profile[seed, node] = share.double()
    profile /= profile.norm(dim=1, keepdim=True)
    want = profile @ profile.t()
    (seed, node), value = walk_topk(edges, k=6, measure='cosine', **options)
    assert torch.allclose(want[seed, node].float(), value)
    for s in range(20):
        kept = value[seed == s].double()
        best = want[s].sort(descending=True).values[: len(kept)]
        assert torch.allclose(kept, best)
        assert len(kept) == min(int((want[s] > 0).sum()), 6)


def test_profiles_in_half_types():
    """Shares below what they can hold are no zeros."""
    edges = erdos_renyi_graph(40, 0.2)
    weight = torch.ones(edges.size(1), dtype=torch.float16)
    options = {'num_walks': 10**5, 'measure': 'cosine', 'seed': 0}
    _, half = walk_topk(edges, 9, edge_weight=weight, k=5, **options)
    _, value = walk_topk(edges, 9, k=5, **options)
    assert half.dtype == torch.float16
    assert torch.allclose(half.float(), value, rtol=1e-3)


def test_walk_pairs():
    walks = torch.tensor([[1, 2, 3], [4, 4, 5]])
    assert walk_pairs(walks, 1).tolist() == [[1, 2, 4, 4], [2, 3, 4, 5]]
    far = [[1, 2, 4, 4, 1, 4], [2, 3, 4, 5, 3, 5]]
    assert walk_pairs(walks, 2).tolist() == far
    assert walk_pairs(walks, 9).tolist() == far
    assert walk_pairs(walks[:, :1], 2).size() == (2, 0)
    with pytest.raises(ValueError, match='window must be at least 1'):
        walk_pairs(walks, 0)


def test_dropout_path():
    edges, mask = dropout_path(CHAIN, p=0.0)
    assert edges is CHAIN
    assert mask.all()
    edges, mask = dropout_path(CHAIN, p=0.5, training=False)
    assert edges is CHAIN
    edges, mask = dropout_path(CHAIN, p=1.0)
    assert edges.size() == (2, 0)
    torch.manual_seed(0)
    graph = erdos_renyi_graph(200, 0.05)
    edges, mask = dropout_path(graph, p=0.1, seed=0)
    assert torch.equal(edges, graph[:, mask])
    # A tenth of the edges start a walk of up to three edges.
    assert 0.7 < float(mask.float().mean()) < 0.9
    assert torch.equal(dropout_path(graph, p=0.1, seed=0)[1], mask)
    with pytest.raises(
        ValueError, match=r'p must be a probability in \[0, 1\]'
    ):
        dropout_path(CHAIN, p=1.5)


def test_add_random_walk_edge():
    edges, new = add_random_walk_edge(CHAIN, p=1.0, seed=1)
    assert torch.equal(edges, torch.cat([CHAIN, new], 1))
    ends = {0: 2, 1: 3, 2: 3}  # a walk of two steps, which stays at 3
    assert new.size(1) > 0
    assert all(ends[start] == end for end, start in new.t().tolist())
    torch.manual_seed(0)
    graph = erdos_renyi_graph(100, 0.1)
    _, first = add_random_walk_edge(graph, p=0.2)
    _, second = add_random_walk_edge(graph, p=0.2)
    assert not torch.equal(first, second)  # at each call others
    assert 0 < first.size(1) <= round(0.2 * graph.size(1))
    assert (first[0] != first[1]).all()
    _, both = add_random_walk_edge(graph, 0.2, 2, True, seed=3)
    half = both.size(1) // 2
    assert torch.equal(both[:, :half], both[:, half:].flip(0))
    assert add_random_walk_edge(graph, training=False)[1].size() == (2, 0)
    nothing = torch.empty(2, 0, dtype=torch.long)
    assert add_random_walk_edge(nothing)[0].size() == (2, 0)


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        ({'walk_length': 0}, 'walk_length must be at least 1'),
        ({'walk_length': 10**9}, 'walk_length must be at most 1000000'),
        ({'walk_length': 2.5}, 'walk_length must be an integer'),
        ({'seed': 0.5}, 'an integer'),
        ({'restart': 1.0}, r'restart must be in \[0, 1\) \(got 1.0\)'),
        ({'seed': -1}, 'seed must be in'),
        ({'start': torch.tensor([4])}, 'start must name nodes from 0 to 3'),
        ({'edge_weight': torch.tensor([1.0])}, 'one for each edge'),
    ],
)
def test_errors(options, text):
    given = {'start': torch.tensor([0]), 'walk_length': 2} | options
    with pytest.raises(ValueError, match=text):
        random_walk(CHAIN, **given)


def test_more_errors():
    with pytest.raises(ValueError, match='num_walks must be at least 1'):
        walk_topk(CHAIN, num_walks=0)
    with pytest.raises(ValueError, match='num_walks must be at most 1000000'):
        walk_topk(CHAIN, num_walks=10**9)
    for walks in (torch.zeros(3), torch.zeros(3, dtype=torch.long)):
        with pytest.raises(ValueError, match='nodes must'):
            walk_pairs(walks, 1)
    with pytest.raises(ValueError, match='walks_per_node must be at least 1'):
        dropout_path(CHAIN, walks_per_node=0)
    for p in (-0.1, 1.5, float('nan')):
        for door in (dropout_path, add_random_walk_edge):
            with pytest.raises(
                ValueError, match=r'p must be a probability in \[0, 1\]'
            ):
                door(CHAIN, p=p)
    with pytest.raises(ValueError, match='measure must be one of'):
        walk_topk(CHAIN, measure='jaccard')
