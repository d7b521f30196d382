import numpy as np
import pytest
from numba import TypingError, njit

from pyg_ext.utils.prefetch import prefetch


@njit
def sum_of(array, ahead):
    total = 0.0
    for i in range(len(array)):
        prefetch(array, i + ahead)
        total += array[i]
    return total


@pytest.mark.parametrize('dtype', [np.float64, np.int32])
@pytest.mark.parametrize('ahead', [0, 4, 10**6])
def test_changes_nothing(dtype, ahead):
    """Nor does a place beyond the end do harm."""
    array = np.arange(50).astype(dtype)
    assert sum_of(array, ahead) == 49 * 50 / 2
    assert array.tolist() == list(range(50))
    assert sum_of(array[:0], ahead) == 0.0


def test_instruction():
    """It is in the machine code, not left out."""
    sum_of(np.arange(5.0), 4)
    assert any('llvm.prefetch' in c for c in sum_of.inspect_llvm().values())


@pytest.mark.parametrize('array', [np.ones((3, 3)), np.ones(6)[::2]])
def test_other_arrays(array):
    with pytest.raises(TypingError, match='prefetch'):
        sum_of(array, 1)
