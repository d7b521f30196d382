"""What all functions of walks and diffusions have in common."""

import math
import signal
import threading

import numpy as np
import pytest
import torch
from torch_geometric.utils import erdos_renyi_graph

from pyg_ext.utils import (
    add_random_walk_edge,
    diffusion_matrix,
    diffusion_topk,
    dropout_path,
    heat_kernel_topk,
    ppr_topk,
    random_walk,
    similarity_graph,
    walk_steps,
    walk_topk,
)
from pyg_ext.utils.walk_steps import TransitionMatrix, _weighted_rows

SEEDED = {
    'ppr_topk': ppr_topk,
    'heat_kernel_topk': heat_kernel_topk,
    'diffusion_topk': lambda edges, **how: diffusion_topk(
        edges, [0.5, 0.3, 0.2], **how
    ),
    'walk_topk': lambda edges, **how: walk_topk(edges, seed=0, **how),
    'cosine': lambda edges, **how: walk_topk(
        edges, seed=0, measure='cosine', **how
    ),
}
WEIGHTED = SEEDED | {
    'diffusion_matrix': lambda edges, **how: (
        diffusion_matrix(edges, alpha=0.2, **how),
    ),
    'similarity_graph': similarity_graph,
    'exact': lambda edges, **how: similarity_graph(edges, exact=True, **how),
    'walks': lambda edges, **how: similarity_graph(
        edges, method='walk', seed=0, **how
    ),
    'random_walk': lambda edges, **how: random_walk(
        edges, torch.tensor([0, 1]), 3, seed=0, **how
    ),
}
DOORS = WEIGHTED | {
    'dropout_path': lambda edges, **how: dropout_path(edges, seed=0, **how),
    'no dropout': lambda edges, **how: dropout_path(
        edges, training=False, **how
    ),
    'add_random_walk_edge': lambda edges, **how: add_random_walk_edge(
        edges, seed=0, **how
    ),
    'nothing added': lambda edges, **how: add_random_walk_edge(
        edges, training=False, **how
    ),
}
RING = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]])


def equal(one, other):
    return all(map(torch.equal, one, other))


@pytest.mark.parametrize('name', DOORS)
def test_edges(name):
    """In any integers, or an error in words."""
    door = DOORS[name]
    want = door(RING, num_nodes=5)
    for dtype in (torch.int32, torch.int16, torch.uint8):
        assert equal(door(RING.to(dtype), num_nodes=5), want)
    for edges, text in (
        (RING.t(), r'\[2, E\] \(got \[4, 2\]\)'),
        (RING.float(), 'edge_index must hold the numbers of nodes as int'),
        (RING > 0, 'not a mask'),
        (RING[0], r'\[2, E\]'),
        (RING - 1, r'from 0 to 4 \(got -1\)'),
        (RING + 2, r'from 0 to 4 \(got 5\)'),
        (RING.tolist(), 'edge_index must be a tensor'),
    ):
        with pytest.raises(ValueError, match=text):
            door(edges, num_nodes=5)
    with pytest.raises(ValueError, match='num_nodes must be at least 0'):
        door(RING, num_nodes=-1)


@pytest.mark.parametrize('name', WEIGHTED)
def test_weights(name):
    door = WEIGHTED[name]
    plain = torch.tensor([1.0, 2.0, 1.0, 1.0])
    want = door(RING, edge_weight=plain)
    for dtype in (torch.int32, torch.uint8, torch.float16):
        found = door(RING, edge_weight=plain.to(dtype))
        assert equal(found, [x.to(y) for x, y in zip(want, found)])  # noqa: B905
    assert equal(
        door(RING, edge_weight=torch.tensor([True] * 4)),
        door(RING, edge_weight=torch.ones(4)),
    )
    for weight, text in (
        (plain.unsqueeze(1), r'of shape \[4\], .* \(got \[4, 1\]\)'),
        (plain[:3], r'\(got \[3\]\)'),
        (-plain, 'not negative'),
        (plain * math.nan, 'finite'),
        (plain * math.inf, 'finite'),
        (plain.to(torch.complex64), 'real'),
    ):
        with pytest.raises(ValueError, match=f'edge_weight must be .*{text}'):
            door(RING, edge_weight=weight)


@pytest.mark.parametrize('name', SEEDED)
@pytest.mark.parametrize(
    ('targets', 'text'),
    [
        (torch.tensor([False, False, True, True]), 'not a mask'),
        (torch.tensor([1.7]), 'as integers'),
        (torch.tensor([4]), r'from 0 to 3 \(got 4\)'),
        (torch.tensor([-1]), r'from 0 to 3 \(got -1\)'),
        (torch.tensor([[1]]), 'a vector'),
        (torch.tensor(1), 'a vector'),
        ([1], 'a tensor'),
    ],
)
def test_targets(name, targets, text):
    with pytest.raises(ValueError, match=f'targets must .*{text}'):
        SEEDED[name](RING, targets=targets)
    with pytest.raises(ValueError, match=f'start must .*{text}'):
        random_walk(RING, targets, 2)


@pytest.mark.parametrize('name', SEEDED)
@pytest.mark.parametrize(
    ('options', 'text'),
    [
        ({'k': 0}, 'k must be at least 1'),
        ({'k': 2.0}, r'k must be an integer \(got 2.0\)'),
        ({'avg_degree': True}, 'avg_degree must be an integer'),
        ({'threshold': math.nan}, 'threshold must be a number'),
        ({'num_nodes': 2**31}, 'num_nodes must be at most 2147483647'),
    ],
)
def test_what_to_keep(name, options, text):
    with pytest.raises(ValueError, match=text):
        SEEDED[name](RING, **options)


@pytest.mark.parametrize('name', SEEDED)
def test_more_than_there_are(name):
    door = SEEDED[name]
    for much in (10**12, 10**30):
        assert equal(door(RING, k=much), door(RING, k=None))
        assert equal(door(RING, avg_degree=much), door(RING))


@pytest.mark.parametrize('name', WEIGHTED)
def test_each_row_by_itself(name):
    """Rows of any size give what they give in one size; whose sum is beyond
    all numbers, too.
    """
    how = {}
    if name in ('ppr_topk', 'heat_kernel_topk', 'diffusion_topk'):
        how = {'eps': 1e-12}  # in units of the mean of all
    if name in ('exact', 'walks'):
        how = {'self_loop_weight': None}
    if name == 'similarity_graph':
        how = {'self_loop_weight': None, 'eps': 1e-12}
    torch.manual_seed(0)
    one = erdos_renyi_graph(8, 0.4)
    weight = torch.randint(1, 9, (one.size(1),)).double()
    table = torch.zeros(8, 8).double().index_put((one[0], one[1]), weight)
    table = table + table.t()
    weight = table[one[0], one[1]]
    edges = torch.cat([one, one + 8, one + 16], dim=1)  # three islands
    sizes = [2.0**-1060, 1.0, 2.0**1019]
    found, want = (
        WEIGHTED[name](
            edges,
            edge_weight=torch.cat([weight * size for size in sizes]),
            num_nodes=24,
            **how,
        )
        for sizes in (sizes, [1.0] * 3)
    )
    assert all(map(torch.allclose, found[-1:], want[-1:]))
    if name != 'diffusion_matrix':
        assert torch.equal(found[0], want[0])


def test_rows_without_weight():
    """As rows without an edge."""
    edges = torch.tensor([[0, 0, 1, 2], [1, 2, 0, 1]])
    weight = torch.tensor([1.0, 3.0, 0.0, 0.0])
    transition = TransitionMatrix.from_edges(edges, weight)
    assert transition.rowptr.tolist() == [0, 2, 2, 2]
    assert transition.prob.tolist() == [0.25, 0.75]
    assert transition.degree.tolist() == [2.0, 1.0, 1.0]
    nodes, taken = random_walk(edges, torch.tensor([1, 2]), 2, 0.0, weight)
    assert nodes.tolist() == [[1] * 3, [2] * 3]
    assert (taken == -1).all()


@pytest.mark.parametrize('size', [0, 1, 6, 200])
@pytest.mark.parametrize('repeated', [False, True])
@pytest.mark.parametrize(
    'weight', [None, 1.0, 0.3, 2.0**-1060, torch.tensor(3.7).half(), 0.0]
)
def test_one_weight(size, repeated, weight):
    """The same bits as where weights differ, on directed edges with loops
    and rows of nothing.
    """
    torch.manual_seed(0)
    edges = torch.randint(max(size, 1), (2, 4 * size))
    edges = edges if repeated else edges.unique(dim=1)
    edges = edges[:, torch.randperm(edges.size(1))]
    if weight is not None:
        dtype = getattr(weight, 'dtype', torch.double)
        weight = torch.full((edges.size(1),), float(weight), dtype=dtype)
    found = TransitionMatrix.from_edges(edges, weight, size)
    arrays = found.rowptr, found.col, found.prob, found.degree
    arrays = (*arrays, found.sqrt_degree)
    for one, two in zip(
        arrays, _weighted_rows(edges, weight, size), strict=True
    ):
        assert one.dtype == two.dtype
        assert np.array_equal(one, two)


def test_sums_of_rows():
    from pyg_ext.utils.diffusion_kernels import row_cumsum

    rowptr = np.array([0, 2, 2, 5])
    sums = row_cumsum(rowptr, np.array([1e308, 1e308, 2.0, 0.0, 4.0]))
    assert sums.tolist() == [1.0, 2.0, 0.5, 0.5, 1.5]


def interrupt(call):
    """Presses Ctrl-C after a moment."""
    main = threading.main_thread().ident
    timer = threading.Timer(
        0.3, lambda: signal.pthread_kill(main, signal.SIGINT)
    )
    before = threading.active_count()
    # Whoever started the tests, in the background say, may ignore it:
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            call()
    finally:
        signal.signal(signal.SIGINT, handler)
    timer.join()
    assert threading.active_count() == before  # nobody works on


@pytest.mark.skipif(
    not hasattr(signal, 'pthread_kill'), reason='needs signals to threads'
)
@pytest.mark.parametrize('threads', [1, 2])
def test_interruption(threads):
    """Of what would take hours."""
    edges = erdos_renyi_graph(500, 0.02)
    some = torch.arange(2)
    calls = [
        lambda t, n: ppr_topk(edges, t, 1e-16),
        lambda t, n: diffusion_topk(edges, [1.0] * n, 1e-16),
        lambda t, n: walk_topk(edges, n, n, targets=some),
        lambda t, n: walk_topk(edges, n, n, measure='cosine'),
    ]
    torch.set_num_threads(threads)
    for call in calls:
        call(0.5, 2)  # compiles
        interrupt(lambda call=call: call(1e-6, 10**6))


def test_little_capacity_for_many(monkeypatch):
    """However large k is, a block has no more capacity than it needs."""
    monkeypatch.setattr(walk_steps, 'CAPACITY', 1)
    edges = erdos_renyi_graph(60, 0.2)
    assert equal(ppr_topk(edges, k=50), every(edges, 50))


def every(edges, k):
    found = ppr_topk(edges, k=None)
    place = torch.arange(found[0].size(1))
    first = torch.searchsorted(found[0][0].contiguous(), found[0][0])
    return found[0][:, place - first < k], found[1][place - first < k]
