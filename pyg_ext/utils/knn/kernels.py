"""Compiled loops over distances in float64.

The kernels leave the interpreter's lock, so that threads can share the rows.
"""

import numpy as np
from numba import njit

from pyg_ext.utils.compiled import compiled
from pyg_ext.utils.sorting import nth, smallest, sort

NONE = np.uint64(2**64 - 1)  # a packed number that is no candidate

inlined = njit(inline='always')  # where calls would take a tenth of the time


@compiled
def distance(x, j, y, i, terms):
    """Squared distance of two rows, in float64.

    The terms are added in one order everywhere, here and in
    :func:`~pyg_ext.utils.knn.padded.distances`: eight partial sums, these in
    pairs, then what is left.

    Args:
        x: Points.
        j: Row of ``x``.
        y: Points.
        i: Row of ``y``.
        terms: Buffer of a number for each dimension.
    """
    num = len(terms)
    for f in range(num):  # by itself, as it can be done for many at once
        difference = np.float64(x[j, f]) - np.float64(y[i, f])
        terms[f] = difference * difference
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    whole = num - num % 8
    for f in range(0, whole, 8):
        s0 += terms[f]
        s1 += terms[f + 1]
        s2 += terms[f + 2]
        s3 += terms[f + 3]
        s4 += terms[f + 4]
        s5 += terms[f + 5]
        s6 += terms[f + 6]
        s7 += terms[f + 7]
    total = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
    for f in range(whole, num):
        total += terms[f]
    return total


@compiled
def brute(some, begin, end, x, y, exclude_self, rows, marked, keys, places):
    """Finds the ``k`` nearest of some rows by all distances.

    Args:
        some: The rows.
        begin: Where the points to choose from begin, for each row of ``y``.
        end: Where they end.
        x: Points to choose from.
        y: Points that choose.
        exclude_self: Whether a point may not choose itself.
        rows: Result: the rows, in any order, ``[at least rows]``.
        marked: Result for each of those: see :func:`keep`.
        keys: Likewise, ``[at least rows, k]``.
        places: Likewise.

    Returns:
        The number of rows.
    """
    most = 0
    for i in some:
        most = max(most, end[i] - begin[i])
    dims = x.shape[1]
    whole = dims - dims % 8
    lines = np.empty((dims, most))
    sums = np.empty((8, most))
    pool = np.empty(most)
    at = np.empty(most, np.int64)
    bits = np.empty(most, np.uint64)
    last = -1
    for r in range(len(some)):
        i = some[r]
        first, size = begin[i], end[i] - begin[i]
        if first != last:
            for f in range(dims):
                for c in range(size):
                    lines[f, c] = x[first + c, f]
            last = first
        for f in range(whole):
            value, line, total = y[i, f], lines[f, :size], sums[f % 8]
            for c in range(size):
                side = line[c] - value
                total[c] = side * side + (total[c] if f >= 8 else 0.0)
        if whole:
            for c in range(size):
                s = sums[:, c]
                pool[c] = ((s[0] + s[1]) + (s[2] + s[3])) + (
                    (s[4] + s[5]) + (s[6] + s[7])
                )
        measure(y.T, i, lines, 0, size, whole, pool)
        for c in range(size):
            at[c] = first + c
        if exclude_self:
            size -= 1
            for c in range(i - first, size):
                pool[c], at[c] = pool[c + 1], at[c + 1]
        keep(pool, at, size, bits, marked[r], keys[r], places[r])
        rows[r] = i
    return len(some)


@compiled
def measure(y, p, x, first, size, begin, out):
    """Adds the terms of squared distances in float64 of a point from those
    that lie in a row, in the order of :func:`distance`.

    Args:
        y: Points, ``[F, M]``.
        p: One of them.
        x: Points, ``[F, N]``.
        first: Where the row begins.
        size: How long it is.
        begin: From which dimension on, a multiple of eight; less than eight
            may be left.
        out: Result.
    """
    for f in range(begin, len(x)):
        value, line = y[f, p], x[f, first : first + size]
        for c in range(size):
            side = line[c] - value
            out[c] = side * side + (out[c] if f else 0.0)


@compiled
def shrink(keys, places, k, n, marked):
    """Keeps the ``k`` smallest of ``n`` keys, and those that differ from the
    ``k``-th in the last bits alone, which hold its place for the selection.

    Returns:
        How many are left, and what none of those is greater than.
    """
    mark(keys, n, marked)
    top = nth(marked, k, n) | last_bits(len(keys))
    bits = keys.view(np.uint64)
    kept = 0
    for c in range(n):
        near = bits[c] <= top
        keys[kept], places[kept] = keys[c], places[c]
        kept += near
    marked[0] = top
    return kept, marked.view(np.float64)[0]


@inlined
def keep(pool, at, n, bits, marked, keys, places):
    """Keeps the nearest of a row's candidates.

    Args:
        pool: Their squared distances.
        at: Their indices.
        n: Their number.
        bits: Buffer of as many numbers.
        marked: Result: the distances as :func:`mark` has them.
        keys: Result: the distances, in any order.
        places: Result: the indices, likewise.
    """
    k = len(keys)
    if n > k:
        n, _ = shrink(pool, at, k, n, bits)
    if n > k:
        smallest(pool, at, k, n)
        n = k
    for c in range(n):
        keys[c], places[c] = pool[c], at[c]
    mark(keys, n, marked)


@compiled
def last_bits(size):
    """The bits of a whole number that what is below ``size`` may have."""
    mask = np.uint64(1)
    while mask < np.uint64(size):
        mask = (mask << np.uint64(1)) | np.uint64(1)
    return mask


@inlined
def mark(keys, n, marked):
    """Puts the place of each of ``n`` keys in its :func:`last_bits`. As whole
    numbers they sort like the keys, but for those that differ there alone.

    Args:
        keys: Floating point numbers, none negative.
        n: Their number.
        marked: Result, and :obj:`NONE` in what is left of it.
    """
    mask, bits = last_bits(len(keys)), keys.view(np.uint64)
    for c in range(n):
        marked[c] = (bits[c] & ~mask) | np.uint64(c)
    marked[n:] = NONE


@compiled
def arrange(rows, marked, keys, places, index, dist):
    """Puts neighbors in their order, by distance, then by index.

    Args:
        rows: Rows of the result.
        marked: Their neighbors as :func:`mark` has it, sorted, ``[rows, k]``.
        keys: Squared distances.
        places: Indices.
        index: Result, ``[rows of y, k]``.
        dist: Result, ``[rows of y, k]``.
    """
    k = keys.shape[1]
    mask = last_bits(k)
    for r in range(len(rows)):
        near, d, n = index[rows[r]], dist[rows[r]], 0
        while n < k and marked[r, n] != NONE:
            at = np.int64(marked[r, n] & mask)
            near[n], d[n] = places[r, at], keys[r, at]
            n += 1
        sort(d, near, n)
