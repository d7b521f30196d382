import copy
import pickle

import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import shortest_path
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

from pyg_ext.nn import GCN
from pyg_ext.utils import CSRTensor, HopAdjacency, gcn_adj, mean_adj


def pairs(adj):
    """The pairs of a source and a target, without self-loops."""
    target, source = adj.to_dense().fill_diagonal_(0.0).nonzero().t().tolist()
    return {*zip(source, target, strict=True)}


def random_edges(size, number, seed=0, undirected=False):
    generator = torch.Generator().manual_seed(seed)
    edges = torch.randint(size, (2, number), generator=generator)
    return to_undirected(edges) if undirected else edges


def oracle(edges, size, k):
    """By all shortest paths, in dense matrices."""
    given = np.zeros((size, size))
    given[edges[0], edges[1]] = 1.0
    hops = torch.from_numpy(shortest_path(given, unweighted=True)).t()
    joined = (hops == k).double() + torch.eye(size).double()
    scale = joined.sum(dim=1).rsqrt()
    return scale[:, None] * joined * scale


def test_by_hand():
    """Along the edges: a ring of four nodes one way, and what leaves it."""
    edges = torch.tensor([[0, 1, 2, 3, 1], [1, 2, 3, 0, 4]])
    one, two, three, four = HopAdjacency(edges).up_to(9)
    assert pairs(one) == {(0, 1), (1, 2), (2, 3), (3, 0), (1, 4)}
    assert pairs(two) == {(0, 2), (1, 3), (2, 0), (3, 1), (0, 4)}
    assert pairs(three) == {(0, 3), (1, 0), (2, 1), (3, 2), (3, 4)}
    assert pairs(four) == {(2, 4)}
    farther = HopAdjacency(edges[:, :3]).up_to(3)[2]
    half = 0.5**0.5
    assert torch.allclose(
        farther.to_dense(),
        torch.tensor(
            [
                [1.0, 0.0, 0.0, 0.0],
                [0.0, 1.0, 0.0, 0.0],
                [0.0, 0.0, 1.0, 0.0],
                [half, 0.0, 0.0, 0.5],
            ]
        ),
    )


@pytest.mark.parametrize('undirected', [False, True])
@pytest.mark.parametrize('number', [8, 30, 90, 400])
def test_all_shortest_paths(undirected, number):
    """With self-loops and repeated edges, nodes without edges, and several
    components.
    """
    for seed in range(5):
        edges = random_edges(30, number, seed, undirected)
        edges = torch.cat([edges, edges[:, :4]], dim=1)
        found = HopAdjacency(edges, 32, torch.double).up_to(40)
        for k, adj in enumerate(found, start=1):
            assert isinstance(adj, CSRTensor)
            assert adj.size() == (32, 32)
            assert torch.allclose(adj.to_dense(), oracle(edges, 32, k))
        assert not pairs(oracle(edges, 32, len(found) + 1))
        if undirected:
            assert all(adj.is_symmetric for adj in found)


def test_first_one_is_that_of_gcn():
    edges = random_edges(30, 60)
    edges = edges[:, edges[0] != edges[1]].unique(dim=1)
    expected = gcn_adj(edges, num_nodes=30)
    [adj] = HopAdjacency(edges, 30).up_to(1)
    assert torch.equal(adj.to_dense(), expected.to_dense())
    assert adj.normalization == 'gcn'


def test_models_take_them():
    model, x = GCN(3, 4, 2, 2), torch.rand(30, 3)
    _, two = HopAdjacency(random_edges(30, 60), 30).up_to(2)
    edges = torch.tensor([*pairs(two)]).t()
    assert torch.allclose(model(x, two), model(x, edges), atol=1e-6)


def test_farther_ones_are_found_when_asked_for():
    edges = random_edges(40, 50, undirected=True)
    hops, whole = HopAdjacency(edges, 40), HopAdjacency(edges, 40).up_to(50)
    assert len(whole) > 5
    first = hops.up_to(2)
    assert len(first) == 2
    assert len(hops.up_to(1)) == 1
    for k in (4, 3, len(whole), 50):
        found = hops.up_to(k)
        assert len(found) == min(k, len(whole))
        assert found[0] is first[0]
        for adj, expected in zip(found, whole, strict=False):
            assert torch.equal(adj.to_dense(), expected.to_dense())


def test_graphs_of_a_batch_are_not_joined():
    one, two = random_edges(9, 14), random_edges(12, 20, seed=1)
    both = HopAdjacency(torch.cat([one, two + 9], dim=1), 21).up_to(30)
    alone = HopAdjacency(one, 9).up_to(30), HopAdjacency(two, 12).up_to(30)
    assert len(both) == max(map(len, alone))
    for k, adj in enumerate(both):
        blocks = [
            found[k].to_dense() if k < len(found) else torch.eye(size)
            for found, size in zip(alone, (9, 12), strict=True)
        ]
        assert torch.allclose(adj.to_dense(), torch.block_diag(*blocks))


def test_kinds_of_edges():
    """Weights say nothing of distances."""
    edges = random_edges(20, 40).unique(dim=1)
    expected = HopAdjacency(edges, 20).up_to(3)
    weight = torch.rand(edges.size(1))
    adj_t = torch.sparse_coo_tensor(
        edges.flip(0), weight, (20, 20), check_invariants=True
    )
    csr = adj_t.coalesce().to_sparse_csr()
    for given in (edges.int(), adj_t, csr, CSRTensor.from_csr(csr)):
        found = HopAdjacency(given, 20).up_to(3)
        for adj, other in zip(found, expected, strict=True):
            assert torch.equal(adj.to_dense(), other.to_dense())


def test_numbers_of_nodes_from_the_edges():
    assert HopAdjacency(torch.tensor([[0], [4]])).num_nodes == 5


@pytest.mark.parametrize(
    'dtype', [torch.double, torch.float, torch.half, torch.bfloat16]
)
def test_types(dtype):
    edges = random_edges(20, 40)
    for adj in HopAdjacency(edges, 20, dtype).up_to(4):
        assert adj.dtype == dtype
    assert HopAdjacency(edges, 20).up_to(1)[0].dtype == torch.float


@pytest.mark.parametrize('size', [0, 1, 5])
def test_no_pairs(size):
    nothing = torch.empty(2, 0, dtype=torch.long)
    assert HopAdjacency(nothing, size).up_to(3) == []
    loops = torch.arange(size).expand(2, -1)
    assert HopAdjacency(loops, size).up_to(3) == []


def test_copies():
    """Each goes on by itself."""
    hops = HopAdjacency(random_edges(40, 50, undirected=True), 40)
    hops.up_to(2)
    moved = hops.to('cpu')
    stored = pickle.loads(pickle.dumps(hops))
    for other in (moved, stored, copy.deepcopy(hops)):
        assert str(other) == 'HopAdjacency(40, found=2)'
        assert len(other.up_to(4)) == 4
        assert str(hops) == 'HopAdjacency(40, found=2)'
    for adj, other in zip(hops.up_to(4), moved.up_to(4), strict=True):
        assert torch.equal(adj.to_dense(), other.to_dense())


def test_goes_with_data():
    hops = HopAdjacency(random_edges(40, 50), 40)
    hops.up_to(1)
    data = Data(hops=hops)
    for moved in (
        copy.copy(data).to('cpu', non_blocking=True),
        copy.copy(data).cpu(),
    ):
        assert moved.hops is not hops  # PyG leaves alone what it cannot move
        assert str(moved.hops) == str(hops)
        assert moved.hops.device == torch.device('cpu')


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
def test_cuda():
    edges = random_edges(40, 80)
    expected = HopAdjacency(edges, 40).up_to(4)
    begun = HopAdjacency(edges, 40)
    begun.up_to(2)
    with_data = Data(hops=begun)
    for hops in (
        HopAdjacency(edges.cuda(), 40),
        begun.to('cuda'),
        begun.cuda(),
        with_data.to('cuda').hops,
    ):
        for adj, other in zip(hops.up_to(4), expected, strict=True):
            assert adj.is_cuda
            assert torch.allclose(adj.cpu().to_dense(), other.to_dense())


def test_errors():
    edges = random_edges(9, 20)
    for distance in (0, -1, 1.5, None, True):
        with pytest.raises(ValueError, match='distance must be'):
            HopAdjacency(edges, 9).up_to(distance)
    with pytest.raises(ValueError, match=r'0 to 4 \(got 8\)'):
        HopAdjacency(torch.tensor([[0], [8]]), 5)
    with pytest.raises(ValueError, match=r'\[2, E\]'):
        HopAdjacency(torch.zeros(3, 2).long())
    with pytest.raises(ValueError, match='integers'):
        HopAdjacency(edges.float(), 9)
    with pytest.raises(ValueError, match='9 x 9'):
        HopAdjacency(torch.eye(7).to_sparse(), 9)
    for adj in (gcn_adj, mean_adj):
        with pytest.raises(ValueError, match=f'matrix of {adj.__name__}'):
            HopAdjacency(adj(edges, num_nodes=9), 9)
