import pytest
import torch

from pyg_ext.utils import (
    dilate,
    dilated_knn_graph,
    knn_graph,
    neighbor_edges,
    walk_graph,
)

INDEX = torch.tensor([[5, 6, 7, 8, 9, 10], [3, 4, 5, -1, -1, -1]])

TABLE = [  # k, dilation -> neighbors
    (2, 1, [[5, 6], [3, 4]]),
    (2, 2, [[5, 7], [3, 4]]),  # 3 // 2 = 1 is the second's dilation
    (2, 3, [[5, 8], [3, 4]]),
    (1, 3, [[5], [3]]),
    (1, 6, [[5], [3]]),
    (6, 1, INDEX.tolist()),
    (4, 1, [[5, 6, 7, 8], [3, 4, 5, -1]]),
    (8, 1, [[5, 6, 7, 8, 9, 10, -1, -1], [3, 4, 5] + 5 * [-1]]),
    (3, 2, [[5, 7, 9], [3, 4, 5]]),
]


@pytest.mark.parametrize(('k', 'dilation', 'expected'), TABLE)
def test_by_hand(k, dilation, expected):
    assert dilate(INDEX, k, dilation).tolist() == expected


def test_every_second_of_a_line():
    """Three clouds; the small one must not shift the others."""
    x = torch.cat([torch.arange(6.0) ** 2, torch.arange(2.0)])
    x = torch.cat([x, torch.arange(6.0) ** 2])
    batch = torch.tensor([0] * 6 + [1] * 2 + [2] * 6)
    edges = dilated_knn_graph(x, 2, 2, batch)
    of_first = edges[:, edges[1] == 0][0]
    of_last = edges[:, edges[1] == 8][0]
    assert of_first.tolist() == [1, 3]
    assert of_last.tolist() == [9, 11]
    assert edges[:, (edges[1] == 6) | (edges[1] == 7)].tolist() == [
        [7, 6],
        [6, 7],
    ]


def test_dilation_of_one_is_a_knn_graph():
    x = torch.rand(50, 3)
    assert torch.equal(dilated_knn_graph(x, 4, 1), knn_graph(x, 4))
    for key in (
        {'loop': True},
        {'cosine': True},
        {'flow': 'target_to_source'},
    ):
        ours = dilated_knn_graph(x, 4, 1, **key)
        assert torch.equal(ours, knn_graph(x, 4, **key))


def test_k_counts():
    """deep_gcns_torch gives more than k where k d points were not asked."""
    edges = dilated_knn_graph(torch.rand(100, 3), 5, 4)
    assert edges[1].bincount().tolist() == [5] * 100


def test_stochastic_is_drawn_for_each_point():
    index = torch.arange(20).expand(2000, 20)
    generator = torch.Generator().manual_seed(0)
    found = dilate(index, 5, 4, True, 0.3, generator)
    regular = (found == torch.arange(0, 20, 4)).all(1)
    assert 0.65 < regular.double().mean() < 0.75
    assert bool((found.diff(dim=1) > 0).all())  # each once, nearest first
    rest = found[~regular]
    share = rest.flatten().bincount(minlength=20) / len(rest)
    assert bool(((share > 0.18) & (share < 0.32)).all())  # 5 of 20
    again = dilate(index, 5, 4, True, 0.3, generator.manual_seed(0))
    assert torch.equal(found, again)


def test_stochastic_with_few_neighbors():
    index = torch.tensor([[4, 2, 7, -1, -1, -1]]).expand(50, 6)
    found = dilate(index, 2, 3, True, 1.0)
    assert {2, 4, 7} == set(found.flatten().tolist())
    found = dilate(index, 4, 2, True, 1.0)
    assert found.unique(dim=0).tolist() == [[4, 2, 7, -1]]


def test_neighbor_edges():
    index = torch.tensor([[1, 2], [0, -1]])
    assert neighbor_edges(index).tolist() == [[1, 2, 0], [0, 0, 1]]
    flow = 'target_to_source'
    assert neighbor_edges(index, flow).tolist() == [[0, 0, 1], [1, 2, 0]]


def test_walks_of_a_circle():
    circle = torch.tensor([[0, 1, 2, 3, 4], [1, 2, 3, 4, 0]])
    assert walk_graph(circle, 1).tolist() == [[0, 1, 2, 3, 4], [1, 2, 3, 4, 0]]
    assert walk_graph(circle, 2).tolist() == [[0, 1, 2, 3, 4], [2, 3, 4, 0, 1]]
    assert walk_graph(circle, 5).size() == (2, 0)
    loops = walk_graph(circle, 5, loop=True)
    assert loops.tolist() == [[0, 1, 2, 3, 4]] * 2


def test_walks_are_powers_of_the_adjacency():
    generator = torch.Generator().manual_seed(0)
    edges = torch.randint(30, (2, 90), generator=generator)
    dense = torch.zeros(31, 31)
    dense[edges[0], edges[1]] = 1.0
    for length in (1, 2, 3, 60):  # of counts beyond float32
        expected = torch.linalg.matrix_power(dense.double(), length)
        expected = expected.fill_diagonal_(0.0).nonzero().T
        assert torch.equal(walk_graph(edges, length, 31), expected)


@pytest.mark.parametrize(
    ('message', 'args'),
    [
        (r'at least 1 \(got 0\)', (INDEX, 0)),
        (r'at least 1 \(got 0\)', (INDEX, 1, 0)),
        (r'k must be an integer \(got 1.5\)', (INDEX, 1.5)),
        (
            r'epsilon must be .*in \[0, 1\] \(got 2.0\)',
            (INDEX, 1, 1, True, 2.0),
        ),
        (r'epsilon must be .*\(got nan\)', (INDEX, 1, 1, True, torch.nan)),
        (r'shape \[N, k\] \(got \[6\]\)', (INDEX[0], 1)),
        (r'points as integers \(got torch.float32\)', (INDEX.float(), 1)),
        (r'numbers of points, not a mask', (INDEX > 0, 1)),
        (r'index must be a tensor \(got list\)', (INDEX.tolist(), 1)),
        (r'or -1 for none \(got -2\)', (INDEX - 1, 1)),
        (r'index must hold -1 behind', (INDEX.flip(1), 1)),
    ],
)
def test_errors(message, args):
    with pytest.raises(ValueError, match=message):
        dilate(*args)


def test_more_errors():
    with pytest.raises(ValueError, match=r'length must be .*got 0'):
        walk_graph(torch.tensor([[0], [1]]), 0)
    for edges, text in (
        ([[0, 1], [1, 7]], r'0 to 2 \(got 7\)'),
        ([[0, 1], [1, -7]], r'0 to 2 \(got -7\)'),
        ([[0, 1, 2]], r'\[2, E\]'),
        ([[0.0], [1.0]], 'integers'),
    ):
        with pytest.raises(ValueError, match=text):
            walk_graph(torch.tensor(edges), 2, num_nodes=3)
    with pytest.raises(ValueError, match='flow must be one of'):
        dilated_knn_graph(torch.rand(3, 2), 1, flow='up')
    with pytest.raises(ValueError, match='flow must be one of'):
        neighbor_edges(INDEX, 'up')
    with pytest.raises(ValueError, match=r'-1 for none \(got -3\)'):
        neighbor_edges(INDEX - 2)
    with pytest.raises(ValueError, match='as integers'):
        neighbor_edges(INDEX.float())


def test_k_larger_than_the_cloud():
    x = torch.arange(3.0)
    for stochastic in (False, True):
        edges = dilated_knn_graph(
            x, 2**30, 5, stochastic=stochastic, epsilon=1.0
        )
        assert edges.tolist() == [[1, 2, 0, 2, 1, 0], [0, 0, 1, 1, 2, 2]]
    assert dilated_knn_graph(x[:0], 3, 2).size() == (2, 0)
    assert dilated_knn_graph(x[:1], 3, 2).size() == (2, 0)
    assert dilate(INDEX[:0], 2).size() == (0, 2)
    assert dilate(INDEX[:, :0], 2).tolist() == [[-1, -1]] * 2
    assert dilate(INDEX.int(), 2).dtype == torch.long
