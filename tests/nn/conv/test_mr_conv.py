import pytest
import torch
from torch.nn import Identity, Linear

from pyg_ext.nn import MRConv


def dense(x_source, x_target, edge_index):
    """By all pairs, with the gradient to the lowest index."""
    rows = []
    for i, x in enumerate(x_target):
        near = edge_index[0][edge_index[1] == i].unique()  # ascending
        if len(near) == 0:
            rows.append(torch.cat([x, torch.zeros_like(x)]))
            continue
        values = x_source[near]
        first = values.detach().numpy().argmax(0)  # the first of equal ones
        top = values.gather(0, torch.from_numpy(first)[None])[0]
        rows.append(torch.cat([x, top - x]))
    return torch.stack(rows)


@pytest.fixture
def ties(graph):
    """Features that are often equal, and a node without neighbors."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(3, (8, 5), generator=generator).double()
    edges = graph.edge_index[:, graph.edge_index[1] != 3]
    order = torch.randperm(edges.size(1), generator=generator)
    return x.requires_grad_(), edges[:, order]


def kinds(edges, torch_sparse=None):
    yield edges
    ones = torch.ones(edges.size(1)).double()
    yield torch.sparse_coo_tensor(
        edges.flip(0), ones, (8, 8), check_invariants=True
    ).coalesce()
    yield torch.sparse_coo_tensor(
        edges.flip(0), ones, (8, 8), check_invariants=True
    ).to_sparse_csr()
    if torch_sparse is not None:
        yield torch_sparse.SparseTensor(
            row=edges[1], col=edges[0], sparse_sizes=(8, 8)
        )


def check(conv, x, edges, expected, weight):
    x.grad = None
    out = conv(x, edges)
    (out * weight).sum().backward()
    assert torch.equal(out, expected)
    grad = x.grad.clone()
    x.grad = None
    (dense(x, x, conv.plain_edges) * weight).sum().backward()
    assert torch.allclose(grad, x.grad)


def test_every_path_is_the_dense_one(ties):
    x, edges = ties
    conv = MRConv(Identity())
    conv.plain_edges = edges
    weight = torch.randn(8, 10, dtype=torch.double)
    expected = dense(x, x, edges)
    assert bool((expected[3, 5:] == 0).all())
    for kind in kinds(edges):
        check(conv, x, kind, expected, weight)


def test_message_path(ties, monkeypatch):
    """As in an explanation, where messages are needed."""
    monkeypatch.setattr(MRConv, '_takes_csr', lambda *_: False)
    x, edges = ties
    conv = MRConv(Identity())
    conv.plain_edges = edges
    weight = torch.randn(8, 10, dtype=torch.double)
    check(conv, x, edges, dense(x, x, edges), weight)


@pytest.mark.sparse
def test_sparse_tensor(ties, torch_sparse):
    x, edges = ties
    conv = MRConv(Identity())
    conv.plain_edges = edges
    weight = torch.randn(8, 10, dtype=torch.double)
    *_, adj_t = kinds(edges, torch_sparse)
    check(conv, x, adj_t, dense(x, x, edges), weight)


def test_bipartite():
    x = (torch.randn(5, 3).double(), torch.randn(4, 3).double())
    edges = torch.tensor([[0, 4, 2, 3], [1, 1, 0, 3]])
    out = MRConv(Identity())(x, edges)
    assert torch.equal(out, dense(*x, edges))
    flow = MRConv(Identity(), flow='target_to_source')
    edges = edges[:, :3]
    out = flow(x[0], edges.flip(0))
    assert torch.equal(out, dense(x[0], x[0], edges))


def test_node_features_beside_the_maximum():
    torch.manual_seed(0)
    conv = MRConv(Linear(6, 2))
    assert str(conv).startswith('MRConv(nn=Linear(in_features=6')
    x = torch.randn(2, 3)
    out = conv(x, torch.tensor([[1], [0]]))
    assert torch.allclose(out[0], conv.nn(torch.cat([x[0], x[1] - x[0]])))
    assert torch.allclose(out[1], conv.nn(torch.cat([x[1], 0 * x[1]])))
