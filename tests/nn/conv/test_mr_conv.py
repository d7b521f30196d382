import copy

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
    with pytest.raises(ValueError, match=r'give it edge_index.flip\(0\)'):
        flow(x, edges)


def by_messages(conv, x, edges):
    """With someone who looks at the messages."""
    conv = copy.deepcopy(conv)
    seen = []
    conv.register_message_forward_hook(lambda *args: seen.append(args[-1]))
    out = conv(x, edges)
    assert len(seen) == 1
    return out


def test_nan_stays(ties):
    """In the output, and where it stands in the gradient of what it met."""
    x, edges = ties
    conv = MRConv(Identity())
    for bad in range(8):
        given = x.detach().clone()
        given[bad, 1] = torch.nan
        expected = torch.zeros(8).bool()
        expected[edges[1, edges[0] == bad]] = True
        expected[bad] = bool((edges[1] == bad).any())  # else zero
        outs = [conv(given, kind) for kind in kinds(edges)]
        outs.append(conv((given, given), edges))
        outs.append(by_messages(conv, given, edges))
        for out in outs:
            nan = out[:, 5:].isnan()
            assert torch.equal(nan[:, 1], expected)
            assert not nan[:, [0, 2, 3, 4]].any()


def test_gradient_of_nan():
    x = torch.tensor([[1.0], [torch.nan], [2.0]]).requires_grad_()
    edges = torch.tensor([[0, 1, 2], [2, 2, 0]])
    conv = MRConv(Identity())
    for out in (conv(x, edges), by_messages(conv, x, edges)):
        (grad,) = torch.autograd.grad(out[:, 1].square().sum(), x)
        # That of node 2 came from node 1; nodes 2 and 0 meet in 2 - 1 = 1
        assert grad.isnan().view(-1).tolist() == [False, True, True]
        assert grad[0] == -2.0


def test_infinite_neighbors_and_none():
    """Minus infinity from a neighbor is not that of no neighbor."""
    x = torch.tensor([[0.0], [-torch.inf], [torch.inf], [5.0]])
    edges = torch.tensor([[1, 2], [0, 3]])
    conv = MRConv(Identity())
    expected = [-torch.inf, 0.0, 0.0, torch.inf]
    for kind in (
        edges,
        torch.sparse_coo_tensor(
            edges.flip(0), torch.ones(2), (4, 4), check_invariants=True
        ),
    ):
        assert conv(x, kind)[:, 1].tolist() == expected
    assert by_messages(conv, x, edges)[:, 1].tolist() == expected


@pytest.mark.parametrize(
    ('edges', 'message'),
    [
        (torch.tensor([[0, 5], [1, 2]]), r'from 0 to 4 \(got 5\)'),
        (torch.tensor([[0, 1], [1, 4]]), r'from 0 to 3 \(got 4\)'),
        (torch.tensor([[-1, 1], [1, 3]]), r'from 0 to 4 \(got -1\)'),
        (torch.tensor([[0, 1], [1, -3]]), r'from 0 to 4 \(got -3\)'),
        (torch.zeros(3, 2).long(), r'\[2, E\] \(got \[3, 2\]\)'),
        (torch.zeros(2, 2), 'as integers'),
        (torch.zeros(2, 2).bool(), 'mask'),
        (torch.ones(5, 4).to_sparse(), '4 x 5.* 5 x 4'),
        (torch.ones(4, 6).to_sparse_csr(), '4 x 5.* 4 x 6'),
    ],
)
def test_edges_that_are_none(edges, message):
    """Five sources, four targets."""
    conv = MRConv(Identity())
    with pytest.raises(ValueError, match=message):
        conv((torch.randn(5, 3), torch.randn(4, 3)), edges)


def test_wrong_features():
    edges = torch.tensor([[0], [1]])
    with pytest.raises(ValueError, match='same number of features'):
        MRConv(Identity())((torch.randn(5, 1), torch.randn(4, 3)), edges)


def test_other_types_of_edges_and_an_empty_graph():
    x, conv = torch.randn(4, 3), MRConv(Identity())
    edges = torch.tensor([[0, 1, 2], [1, 1, 3]])
    assert torch.equal(conv(x, edges.int()), conv(x, edges))
    assert conv(x[:0], edges[:, :0]).size() == (0, 6)
    assert torch.equal(conv(x, edges[:, :0])[:, 3:], torch.zeros(4, 3))


@pytest.mark.parametrize(
    'option',
    [
        {'aggr': 'mean'},
        {'aggr': ['max', 'add']},
        {'aggr_kwargs': {'t': 1.0}},
        {'node_dim': 1},
        {'decomposed_layers': 2},
    ],
    ids=str,
)
def test_arguments_without_effect(option):
    with pytest.raises(ValueError, match=f'{next(iter(option))} must be'):
        MRConv(Identity(), **option)


def test_node_features_beside_the_maximum():
    torch.manual_seed(0)
    conv = MRConv(Linear(6, 2))
    assert str(conv).startswith('MRConv(nn=Linear(in_features=6')
    x = torch.randn(2, 3)
    out = conv(x, torch.tensor([[1], [0]]))
    assert torch.allclose(out[0], conv.nn(torch.cat([x[0], x[1] - x[0]])))
    assert torch.allclose(out[1], conv.nn(torch.cat([x[1], 0 * x[1]])))


def test_within_torch_func():
    conv = MRConv(Identity())
    x = torch.randn(4, 3)
    edges = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 1]])
    found = torch.func.grad(lambda x: conv(x, edges).square().sum())(x)
    x.requires_grad_()
    conv(x, edges).square().sum().backward()
    assert torch.allclose(found, x.grad)
