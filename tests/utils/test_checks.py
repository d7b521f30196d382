import re

import pytest
import torch
from torch_geometric import EdgeIndex

from pyg_ext.utils.checks import (
    check_adj,
    check_batch,
    check_edges,
    check_features,
    check_index,
    check_options,
    check_ptr,
    check_real,
)

T = torch.tensor
ONES = torch.ones(3)


def csr(crow, col):
    return torch.sparse_csr_tensor(
        T(crow), T(col), ONES, (3, 3), check_invariants=False
    )


def csc(ccol, row):
    return torch.sparse_csc_tensor(
        T(ccol), T(row), ONES, (3, 3), check_invariants=False
    )


def coo(row, col):
    return torch.sparse_coo_tensor(
        T([row, col]), ONES, (3, 3), check_invariants=False
    )


@pytest.mark.filterwarnings('ignore:Sparse CS')
@pytest.mark.parametrize(
    ('make', 'parts', 'got'),
    [
        (csr, ([0, 1, 2, 3], [0, 1, 3]), 3),
        (csr, ([0, 1, 2, 3], [0, 1, -1]), -1),
        (csr, ([0, 1, 2, 9], [0, 1, 2]), 9),
        (csr, ([0, 2, 1, 3], [0, 1, 2]), None),
        (csr, ([1, 1, 2, 3], [0, 1, 2]), None),
        (csc, ([0, 1, 2, 3], [0, 1, 3]), 3),
        (csc, ([0, 1, 2, 9], [0, 1, 2]), 9),
        (coo, ([0, 1, 2], [0, 1, 10**9]), 10**9),
        (coo, ([0, 1, -2], [0, 1, 2]), -2),
    ],
)
def test_entries_beyond_a_matrix(make, parts, got):
    """PyTorch makes such a matrix and reads foreign memory in a product."""
    message = 'go up' if got is None else rf'.*\(got {got}\)'
    with pytest.raises(ValueError, match=f'edge_index must {message}'):
        check_adj(make(*parts), None, 3)
    good = make([0, 1, 2, 3][: len(parts[0])], [2, 1, 0])
    found, weight = check_adj(good, None, 3)
    assert weight is None
    assert torch.equal(found.to_dense(), good.to_dense())


@pytest.mark.sparse
def test_entries_beyond_a_sparse_tensor(torch_sparse):
    def make(row, col):
        return torch_sparse.SparseTensor(
            row=T(row), col=T(col), sparse_sizes=(3, 3)
        )

    for row, col in (([0, -1], [0, 1]), ([0, 1], [-1, 0])):
        with pytest.raises(ValueError, match=r'from 0 to 2 \(got -1\)'):
            check_adj(make(row, col), None, 3)
    check_adj(make([0, 1], [2, 0]), None, 3)


@pytest.mark.parametrize(
    'ptr', [[0, 3], [1, 2], [0, 2, 1, 2], [], [[0, 2]], [-1, 2]]
)
def test_pointers(ptr):
    with pytest.raises(ValueError, match='ptr must'):
        check_ptr('ptr', T(ptr).long(), 2, 'elements')
    assert check_ptr('ptr', T([0, 2, 2]).int(), 2, 'x').dtype == torch.long


def test_options():
    check_options({'flow': 'x'}, aggr=['max'])
    with pytest.raises(ValueError, match=r"aggr must be one of max \(got 'm"):
        check_options({'aggr': 'mean'}, aggr=['max'])


@pytest.mark.parametrize('num', [3.0, '3', True, (3, 3), float('inf'), -1])
def test_number_of_nodes(num):
    with pytest.raises(ValueError, match='num_nodes must be'):
        check_edges(torch.tensor([[0, 1], [1, 2]]), None, num)


def test_number_of_nodes_of_an_edge_index():
    edge_index = EdgeIndex([[0, 1], [1, 2]], sparse_size=(5, 5))
    assert check_edges(edge_index)[2] == 5


def test_weights_that_are_sparse():
    edges = torch.tensor([[0, 1], [1, 2]])
    with pytest.raises(ValueError, match=r'dense tensor \(got torch.sparse'):
        check_edges(edges, torch.ones(2).to_sparse())


def test_several_weights_for_an_edge_of_an_adjacency():
    adj = torch.sparse_coo_tensor(
        torch.tensor([[0, 1], [1, 2]]),
        torch.ones(2, 4),
        (3, 3, 4),
        check_invariants=True,
    )
    with pytest.raises(ValueError, match=r'one weight .* \[2, 4\]'):
        check_adj(adj, None, 3, signed=True)


def test_weights_of_an_adjacency_are_finite_though_signed():
    for value, right in ((-1.0, True), (torch.nan, False)):
        adj = torch.sparse_coo_tensor(
            [[0, 1], [1, 2]], [1.0, value], (3, 3), check_invariants=True
        )
        if right:
            assert check_adj(adj, None, 3, signed=True)[0].is_coalesced()
            continue
        with pytest.raises(ValueError, match='edge_weight must be finite'):
            check_adj(adj, None, 3, signed=True)


def test_values_of_a_batch_of_weights():
    """Of all, though a mapped function sees one at a time."""
    edges = torch.tensor([[0, 1], [1, 2]])

    def total(weight):
        return check_edges(edges, weight)[1].sum()

    weights = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert torch.func.vmap(total)(weights).tolist() == [3.0, 7.0]
    with pytest.raises(ValueError, match='not negative'):
        torch.func.vmap(total)(weights - 2.0)


def test_shapes_without_values():
    edges = torch.zeros(2, 4, dtype=torch.long, device='meta')
    assert check_edges(edges, torch.ones(4, device='meta'), 3)[0].is_meta


def test_batch():
    assert check_batch(None, 3) is None
    batch = torch.tensor([0, 2, 2])
    assert torch.equal(check_batch(batch, 3), batch)
    found = check_batch(torch.tensor([7, 10**12, 7]), 3)
    assert found.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ('x', 'options', 'text'),
    [
        ([[1.0]], {}, 'a tensor (got list)'),
        (torch.ones(3), {}, 'of shape [N, F] (got torch.float32 of shape [3]'),
        (torch.ones(3, 2), {'channels': 4}, 'of shape [N, 4]'),
        (torch.ones(3, 2).long(), {}, 'floating point'),
        (torch.ones(2, 3, 2), {}, 'of shape [N, F]'),
        (torch.ones(2), {'stacked': True}, 'of shape [*, N, F]'),
        (torch.eye(3).to_sparse(), {}, 'dense (got torch.sparse_coo)'),
    ],
)
def test_features(x, options, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        check_features(x, **options)
    x = torch.ones(3, 2)
    assert check_features(x, -1) is x
    assert check_features(x[None], 2, stacked=True).dim() == 3
    assert check_features(x.to_sparse(), 2, dense=False).is_sparse


@pytest.mark.parametrize('value', ['a', None, 10**400, torch.ones(2)])
def test_real(value):
    with pytest.raises(ValueError, match='alpha must be a number'):
        check_real('alpha', value)
    assert check_real('alpha', torch.tensor(0.5)) == 0.5


def test_index_that_is_sparse():
    with pytest.raises(ValueError, match=r'start must be dense \(got'):
        check_index('start', torch.tensor([0, 1]).to_sparse(), 3)
