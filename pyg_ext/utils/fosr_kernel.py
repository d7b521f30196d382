import numpy as np

from pyg_ext.utils.compiled import compiled


@compiled
def least_product(ptr, neighbor, order, y):
    """The two nodes without an edge whose values have the least product, of
    equal ones those that come first in the order; -1 if all have one.

    Args:
        ptr: Where the neighbors of a node begin, ``[N + 1]``.
        neighbor: The neighbors, both ways, ``[E]``.
        order: The nodes by their value, ``[N]``.
        y: The value of each node, ``[N]``.
    """
    size = len(order)
    mark = np.full(size, -1)
    least, one, other = np.inf, -1, -1
    for i in order:
        mark[i] = i
        for at in range(ptr[i], ptr[i + 1]):
            mark[neighbor[at]] = i
        for step in range(size):  # its best partner is at an end
            j = order[size - 1 - step if y[i] < 0.0 else step]
            if mark[j] != i:
                if y[i] * y[j] < least:
                    least, one, other = y[i] * y[j], i, j
                break
    return one, other
