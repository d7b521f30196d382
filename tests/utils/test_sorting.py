import numpy as np
import pytest
from scipy.sparse import coo_matrix

from pyg_ext.utils.sorting import counting_sort, sorted_rows


@pytest.mark.parametrize('size', [0, 1, 50])
def test_counting_sort(size):
    """As numpy's stable sort, of some places only."""
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 9, size)
    order = rng.permutation(size)[: size // 2]
    out, ptr = counting_sort(order, keys, 10)
    want = order[keys[order].argsort(kind='stable')]
    assert np.array_equal(out, want)
    assert np.array_equal(ptr, np.searchsorted(keys[want], np.arange(11)))


def test_sorted_rows():
    """By hand: rows 0 and 3 are empty, and row 2 holds column 1 twice."""
    row, col = np.array([2, 1, 2, 2]), np.array([3, 0, 1, 1])
    ptr, out, repeated = sorted_rows(row, col, 4)
    assert ptr.tolist() == [0, 0, 1, 4, 4]
    assert out.tolist() == [0, 1, 1, 3]
    assert repeated
    assert not sorted_rows(row[:3], col[:3], 4)[2]
    assert not sorted_rows(row[:0], col[:0], 4)[2]
    assert sorted_rows(row[:0], col[:0], 0)[0].tolist() == [0]


@pytest.mark.parametrize('order', ['drawn', 'sorted', 'turned'])
def test_sorted_rows_beside_scipy(order):
    """Of few entries and many, two rows full."""
    rng = np.random.default_rng(0)
    table = rng.random((300, 300)) < 0.1
    table[7] = table[11] = True
    row, col = table.nonzero()
    place = np.arange(len(row))
    if order != 'sorted':
        place = rng.permutation(place) if order == 'drawn' else place[::-1]
    row, col = row[place], col[place]
    want = coo_matrix((np.ones(len(row)), (row, col)), (300, 300)).tocsr()
    ptr, out, repeated = sorted_rows(row, col, 300)
    assert np.array_equal(ptr, want.indptr)
    assert np.array_equal(out, want.indices)
    assert not repeated
    again = np.append(row, row[5]), np.append(col, col[5])
    assert sorted_rows(*again, 300)[2]
