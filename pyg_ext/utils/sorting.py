"""Compiled sorting and selection of keys with an index."""

import numpy as np

from pyg_ext.utils.compiled import compiled


@compiled
def sort(keys, index, size):
    """Sorts by key, then by index: what is nearly sorted by insertion, the
    rest by Shell's method.
    """
    if _insert(keys, index, size, 1, 4 * size):
        return
    gap = 1
    while gap < size:
        gap = 3 * gap + 1
    while gap > 1:
        gap //= 3
        _insert(keys, index, size, gap, size * size)


@compiled
def _insert(keys, index, size, gap, most):
    """Sorts what lies ``gap`` apart; gives up after so many moves."""
    for i in range(gap, size):
        key, j, at = keys[i], index[i], i
        while at >= gap and (
            keys[at - gap] > key
            or (keys[at - gap] == key and index[at - gap] > j)
        ):
            keys[at], index[at] = keys[at - gap], index[at - gap]
            at -= gap
            most -= 1
        keys[at], index[at] = key, j
        if most < 0:
            return False
    return True


@compiled
def _median(keys, low, high):
    """Where the median of three keys stands: not of the ends, which a scan
    line by line likes to have in common.
    """
    at, step = (low + high) // 2, (high - low) // 4
    first, last = at - step, at + step
    a, b, c = keys[first], keys[at], keys[last]
    if (b < a) != (c < a):
        return first
    return last if (a < c) != (b < c) else at


@compiled
def smallest(keys, index, k, size):
    """Moves the ``k`` smallest of ``size`` keys to the front, by index where
    keys are equal, and returns the largest of them (quickselect).
    """
    low, high = 0, size - 1
    while low < high:
        at = _median(keys, low, high)
        pivot, j = keys[at], index[at]
        keys[at], index[at] = keys[high], index[high]
        split = low
        for i in range(low, high):
            key, other = keys[i], index[i]
            keys[i], index[i] = keys[split], index[split]
            keys[split], index[split] = key, other
            split += (key < pivot) | ((key == pivot) & (other < j))
        keys[high], index[high] = keys[split], index[split]
        keys[split], index[split] = pivot, j
        if split == k - 1:
            break
        if split < k - 1:
            low = split + 1
        else:
            high = split - 1
    return keys[k - 1]


@compiled
def nth(keys, k, size):
    """Moves the ``k`` smallest of ``size`` keys to the front, and returns the
    largest of them (quickselect).
    """
    low, high = 0, size - 1
    while low < high:
        at = _median(keys, low, high)
        pivot, keys[at] = keys[at], keys[high]
        split = low
        for i in range(low, high):
            key = keys[i]
            keys[i] = keys[split]
            keys[split] = key
            split += key < pivot
        keys[high], keys[split] = keys[split], pivot
        if split == low:  # none is smaller: pass by all that are equal
            for i in range(low + 1, high + 1):
                key = keys[i]
                keys[i] = keys[split + 1]
                keys[split + 1] = key
                split += key == pivot
            if split >= k - 1:
                break
        if split == k - 1:
            break
        if split < k - 1:
            low = split + 1
        else:
            high = split - 1
    return keys[k - 1]


@compiled
def counting_sort(order, keys, size):
    """Sorts places by their keys, which are in ``[0, size)``; what is equal
    stays in order. Also where each key starts, ``[size + 1]``.
    """
    ptr = np.zeros(size + 2, np.int64)
    for i in order:
        ptr[keys[i] + 2] += 1
    for key in range(2, size + 2):
        ptr[key] += ptr[key - 1]
    out = np.empty_like(order)
    for i in order:
        at = keys[i] + 1
        out[ptr[at]] = i
        ptr[at] += 1
    return out, ptr[:-1]


@compiled
def sorted_rows(row, col, size):
    """The entries of a sparse matrix by rows, the columns of each in order:
    where each row starts ``[size + 1]``, the columns ``[E]``, and whether one
    is there twice.
    """
    ptr = np.zeros(size + 2, np.int64)
    for v in row:
        ptr[np.uint64(v) + np.uint64(2)] += 1
    for v in range(2, size + 2):
        ptr[v] += ptr[v - 1]
    out = np.empty(len(col), np.int32)
    for e in range(len(row)):
        at = np.uint64(row[e]) + np.uint64(1)
        out[np.uint64(ptr[at])] = col[e]
        ptr[at] += 1
    spare, repeated = np.zeros_like(out), False
    for v in range(size):
        first, last = ptr[v], ptr[v + 1]
        sort(out[first:last], spare, last - first)
        for e in range(first + 1, last):
            repeated |= out[e - 1] == out[e]
    return ptr[:-1], out, repeated
