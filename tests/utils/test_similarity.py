import math

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.transforms import GDC
from torch_geometric.utils import erdos_renyi_graph

from benchmarks.data import datasets
from pyg_ext.utils import similarity_graph

DIFFUSIONS = {'ppr': {'alpha': 0.15}, 'heat': {'t': 5.0}}
SPARSE = {
    'topk': (
        {'method': 'topk', 'k': 8, 'dim': 0},
        {'k': 8},
    ),
    'threshold': (
        {'method': 'threshold', 'eps': 0.01},
        {'k': None, 'threshold': 0.01},
    ),
    'avg_degree': (
        {'method': 'threshold', 'avg_degree': 6},
        {'k': None, 'avg_degree': 6},
    ),
}


def by_column(edges, weight):
    """Columns in order, and their weights from small to large."""
    order = weight.argsort(stable=True)
    order = order[edges[1, order].argsort(stable=True)]
    return edges[1, order], weight[order]


def dense(edges, weight, size):
    out = torch.zeros(size, size).double()
    return out.index_put((edges[0], edges[1]), weight)


def gdc(edges, weight, size, *options):
    """PyG's transform, in float64 and without its edges of weight zero."""
    if weight is None:
        weight = torch.ones(edges.size(1)).double()
    data = Data(edge_index=edges, edge_attr=weight, num_nodes=size)
    data = GDC(*options)(data)
    some = data.edge_attr > 1e-15  # its inverse leaves some dust
    return data.edge_index[:, some], data.edge_attr[some]


@pytest.mark.parametrize('method', DIFFUSIONS)
@pytest.mark.parametrize('norm_in', ['sym', 'col', 'row'])
@pytest.mark.parametrize('norm_out', ['sym', 'col', 'row', None])
@pytest.mark.parametrize('kind', SPARSE)
@pytest.mark.parametrize('loop', [1.0, 0.5])
def test_equals_gdc(method, norm_in, norm_out, kind, loop):
    """On weighted edges that are not the same both ways."""
    torch.manual_seed(0)
    edges = erdos_renyi_graph(40, 0.1, directed=True)
    weight = torch.rand(edges.size(1)).double() + 0.1
    sparse, ours = SPARSE[kind]
    how = {'method': method, **DIFFUSIONS[method]}
    theirs = gdc(edges, weight, 40, loop, norm_in, norm_out, how, dict(sparse))
    found = similarity_graph(
        edges,
        weight,
        40,
        method,
        **ours,
        exact=True,
        symmetric=False,
        normalization_in=norm_in,
        normalization_out=norm_out,
        self_loop_weight=loop,
    )
    some = found[1] > 1e-15
    edges, weight = found[0][:, some], found[1][some]
    assert torch.equal(edges, theirs[0])
    assert torch.allclose(weight, theirs[1], rtol=1e-9)


@pytest.mark.parametrize('method', DIFFUSIONS)
def test_equals_gdc_on_cora(method, root):
    """Where columns tie at the border, only the weights can agree."""
    edges = datasets.load('cora', root).edge_index
    sparse = {'method': 'topk', 'k': 64, 'dim': 0}
    how = {'method': method, **DIFFUSIONS[method]}
    theirs = gdc(edges, None, 2708, 1.0, 'sym', 'col', how, sparse)
    found = similarity_graph(
        edges,
        torch.ones(edges.size(1)).double(),
        2708,
        method,
        exact=True,
        symmetric=False,
    )
    some = found[1] > 1e-15
    ours = by_column(found[0][:, some], found[1][some])
    theirs_sorted = by_column(*theirs)
    assert torch.equal(ours[0], theirs_sorted[0])
    assert torch.allclose(ours[1], theirs_sorted[1], rtol=1e-5, atol=0.0)
    # Outside ties the edges are the same: what differs in a column has the
    # weight of its smallest entry.
    both = [
        {
            (int(r), int(c)): float(w)
            for (r, c), w in zip(e.t(), w, strict=True)
        }
        for e, w in (theirs, (found[0][:, some], found[1][some]))
    ]
    least = torch.ones(2708).double()
    least.scatter_reduce_(0, theirs[0][1], theirs[1], 'amin')
    for edge in both[0].keys() ^ both[1].keys():
        value = both[0].get(edge, both[1].get(edge))
        assert value == pytest.approx(float(least[edge[1]]), rel=1e-5)


@pytest.mark.parametrize('method', DIFFUSIONS)
@pytest.mark.parametrize('norm_in', ['sym', 'col', 'row'])
@pytest.mark.parametrize('symmetric', [False, True])
def test_approximation(method, norm_in, symmetric):
    torch.manual_seed(0)
    edges = erdos_renyi_graph(40, 0.1)
    options = {
        'k': None,
        'normalization_in': norm_in,
        'normalization_out': None,
        'symmetric': symmetric,
    }
    exact, close = (
        torch.sparse_coo_tensor(
            *similarity_graph(edges, None, 40, method, **options, **how),
            size=(40, 40),
            check_invariants=True,
        ).to_dense()
        for how in ({'exact': True}, {'eps': 1e-8})
    )
    assert torch.allclose(exact, close, atol=1e-6)
    assert symmetric == torch.equal(close, close.t()) or norm_in == 'sym'


SINKS = {
    'repeated': ([[0, 0], [1, 1]], [1.0, 1.0]),
    'heavy': ([[0], [1]], [5.0]),
    'two sizes': ([[0, 2], [1, 1]], [1.0, 5.0]),
    'between': ([[0, 1, 3], [1, 2, 3]], [2.0, 3.0, 7.0]),
    'without weight': ([[0, 1, 1], [1, 0, 2]], [0.0, 2.0, 0.5]),
    'loops only': ([[0, 1], [0, 1]], [1.0, 1e-3]),
    'nothing': ([[], []], []),
}


@pytest.mark.parametrize('name', SINKS)
@pytest.mark.parametrize('method', DIFFUSIONS)
@pytest.mark.parametrize('norm_in', ['sym', 'col'])
@pytest.mark.parametrize('norm_out', ['sym', 'col', 'row', None])
@pytest.mark.parametrize('size', [1.0, 1e3])
def test_nodes_that_no_edge_leads_to(name, method, norm_in, norm_out, size):
    """Exact and not are the same, whatever the unit of the weights; beside
    the diagonal, and the columns of such nodes in ``col``, as in GDC.
    """
    edges, weight = SINKS[name]
    edges = torch.tensor(edges, dtype=torch.long)
    weight = size * torch.tensor(weight, dtype=torch.float64)
    exact, close = (
        dense(
            *similarity_graph(
                edges,
                weight,
                5,
                method,
                None,
                **how,
                symmetric=False,
                normalization_in=norm_in,
                normalization_out=norm_out,
                self_loop_weight=None,
            ),
            5,
        )
        for how in ({'exact': True}, {'eps': 1e-13})
    )
    assert torch.allclose(exact, close, rtol=1e-9, atol=1e-12)
    assert (exact.diagonal() > 0).all()
    if norm_in == 'sym' and norm_out is None:
        how = {'method': method, **DIFFUSIONS[method]}
        sparse = {'method': 'threshold', 'eps': 1e-12}
        theirs = gdc(edges, weight, 5, 0, 'sym', None, how, sparse)
        theirs = dense(*theirs, 5)
        exact.fill_diagonal_(0.0)
        assert torch.allclose(exact, theirs.fill_diagonal_(0.0), atol=1e-9)


def test_direction():
    """A node gets edges from where walks against the edges lead."""
    chain = torch.tensor([[0, 1], [1, 2]])
    for method in ('ppr', 'heat', 'walk'):
        edges, weight = similarity_graph(
            chain, None, 3, method, symmetric=False, loop=False, seed=0
        )
        assert edges.tolist() == [[0, 0, 1], [1, 2, 2]]
        sums = torch.zeros(3).scatter_add(0, edges[1], weight)
        assert sums.tolist() == pytest.approx([0.0, 1.0, 1.0])


def test_fewer_nodes_than_k_and_isolated_nodes(graph):
    edges, _ = similarity_graph(graph.edge_index, None, 8)
    assert edges.size(1) == 7 * 7 + 1
    assert [7, 7] in edges.t().tolist()
    edges, weight = similarity_graph(
        graph.edge_index, None, 8, self_loop_weight=None
    )
    assert [7, 7] in edges.t().tolist()
    assert weight[-1] == 1.0


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        ({'method': 'simrank'}, 'method must be one of ppr, heat, walk'),
        ({'normalization_in': 'rw'}, 'normalization_in must be one of'),
        ({'normalization_out': 'rw'}, 'normalization_out must be one of'),
        ({'self_loop_weight': -1.0}, 'self_loop_weight must be finite and'),
        ({'self_loop_weight': math.inf}, 'self_loop_weight must be finite'),
        ({'method': 'walk', 'exact': True}, "needs method 'ppr' or 'heat'"),
        ({'normalization_in': 'row'}, 'needs an undirected graph'),
        ({'method': 'heat', 'alpha': 0.1}, "no effect with method='heat'"),
        ({'t': 3.0}, r"t has no effect with method='ppr' \(got t=3.0\)"),
        ({'method': 'walk', 'eps': 1e-6}, 'eps has no effect'),
        ({'method': 'walk', 'alpha': 0.1}, 'alpha has no effect'),
        ({'walk_length': 5}, 'walk_length has no effect'),
        ({'num_walks': 5}, 'num_walks has no effect'),
        ({'restart': 0.5}, 'restart has no effect'),
        ({'method': 'heat', 'measure': 'cosine'}, 'measure has no effect'),
    ],
)
def test_errors(options, text):
    with pytest.raises(ValueError, match=text):
        similarity_graph(torch.tensor([[0, 1], [1, 2]]), **options)
