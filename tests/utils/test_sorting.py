import numpy as np
import pytest

from pyg_ext.utils.sorting import counting_sort


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
