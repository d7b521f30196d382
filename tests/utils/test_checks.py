import pytest
import torch

from pyg_ext.utils.checks import check_adj, check_options, check_ptr

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
    assert check_adj(good, None, 3) == (good, None)


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
