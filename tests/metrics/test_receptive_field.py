import pytest
import torch

from benchmarks.data import datasets
from pyg_ext.metrics import receptive_field
from pyg_ext.utils import CSRTensor

CHAIN = torch.tensor([[0, 1, 2], [1, 2, 3]])


def test_chain():
    """Along the edges: node 3 sees all nodes after three convolutions."""
    shares = receptive_field(CHAIN, 4)
    assert (shares * 16).tolist() == [4, 7, 9, 10, 10]
    both = torch.cat([CHAIN, CHAIN.flip(0)], dim=1)
    assert (receptive_field(both, 2) * 16).tolist() == [4, 10, 14]
    # An isolated node sees itself.
    assert (receptive_field(CHAIN, 1, 5) * 25).tolist() == [5, 8]


def test_sparse_adjacency():
    adj_t = torch.sparse_coo_tensor(
        CHAIN.flip(0), torch.ones(3), (4, 4), check_invariants=True
    )
    assert torch.equal(receptive_field(adj_t, 3), receptive_field(CHAIN, 3))


def test_all_by_breadth_first_search():
    """Repeated and looping edges, more nodes than are done at a time."""
    generator = torch.Generator().manual_seed(0)
    edges = torch.randint(300, (2, 500), generator=generator)
    sources = [[] for _ in range(300)]
    for source, target in edges.t().tolist():
        sources[target].append(source)
    want = torch.zeros(6).double()
    for node in range(300):
        seen = {node}
        for k in range(6):
            want[k] += len(seen)
            seen |= {s for target in seen for s in sources[target]}
    assert torch.allclose(receptive_field(edges, 5, 300), want / 300**2)


def test_samples():
    generator = torch.Generator().manual_seed(0)
    edges = torch.randint(300, (2, 900), generator=generator)
    whole = receptive_field(edges, 3, 300)
    some = receptive_field(edges, 3, 300, 100, generator)
    assert not torch.equal(some, whole)
    assert torch.allclose(some, whole, rtol=0.3)
    assert torch.allclose(receptive_field(edges, 3, 300, 300), whole)


def test_cora(root):
    """A small world."""
    data = datasets.load('cora', root)
    shares = receptive_field(data.edge_index, 8, data.num_nodes)
    percent = (100 * shares).round().tolist()
    assert [percent[k] for k in (4, 6, 8)] == [14, 49, 74]


def test_errors():
    for hops in (-1, 2.0, 10**12, None):
        with pytest.raises(ValueError, match='hops must be'):
            receptive_field(CHAIN, hops)
    for samples in (0, 5, 2.0):
        with pytest.raises(ValueError, match='num_samples must be a'):
            receptive_field(CHAIN, 1, num_samples=samples)
    with pytest.raises(ValueError, match=r'nodes from 0 to 2 \(got 3\)'):
        receptive_field(CHAIN, 1, 3)
    with pytest.raises(ValueError, match='num_nodes must be at least 0'):
        receptive_field(CHAIN, 1, -1)


def test_no_nodes():
    none = torch.empty(2, 0, dtype=torch.long)
    assert receptive_field(none, 2).isnan().tolist() == [True] * 3
    assert receptive_field(none, 2, 2).tolist() == [0.5] * 3


def test_stops_where_all_is_reached(graph, monkeypatch):
    """A thousand hops cost no more than the few that reach everything."""
    calls = []
    stock = CSRTensor.__matmul__
    monkeypatch.setattr(
        CSRTensor, '__matmul__', lambda a, b: calls.append(1) or stock(a, b)
    )
    far = receptive_field(graph.edge_index, 1000)
    assert len(calls) < 10
    near = receptive_field(graph.edge_index, 8)
    assert torch.equal(far[:9], near)
    assert (far[8:] == near[8]).all()
