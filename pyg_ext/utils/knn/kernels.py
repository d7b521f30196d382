"""Compiled loops of the k-NN search.

See :mod:`~pyg_ext.utils.knn.scores` for what a score is.
The kernels leave the interpreter's lock, so that threads can share the rows.
"""

import numpy as np
from numba import njit

from pyg_ext.utils.compiled import compiled
from pyg_ext.utils.sorting import nth, smallest, sort

GROUP = 256  # scores that are compared at a time
LANES = 64  # numbers that a loop is good at
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
def pack(score, j):
    """A score in float32 and an index as one whole number, which sorts by
    score, then by index.
    """
    high = _order_of(np.float32(score).view(np.int32)) + 2**31
    return (np.uint64(high) << np.uint64(32)) | np.uint64(j)


@compiled
def score_of(key):
    """The score in a packed number."""
    return np.int32(_order_of(np.int64(key >> np.uint64(32)) - 2**31)).view(
        np.float32
    )


@compiled
def _order_of(bits):
    """The order of negative floats is the reverse of their bits'."""
    return np.int64(bits) ^ ((np.int64(bits) >> 63) & 0x7FFFFFFF)


@compiled
def select(rows, keys, count, limit, product, half, first, size):
    """Adds the points of a product's columns to the candidates of some rows.

    A row keeps what scores less than its ``limit``. When its buffer is full,
    the ``size`` best stay and the worst of those is the new limit. The first
    one comes from the least scores in groups of columns: as many points as
    groups score no more than the largest of those.

    Args:
        rows: Rows of the product, ascending without a gap.
        keys: Their candidates, packed, ``[rows, capacity]``.
        count: Their numbers of candidates.
        limit: What scores must stay under.
        product: Inner products.
        half: Half of the squared norm of each column's point.
        first: Index of the first column's point.
        size: How many candidates to keep at least.
    """
    capacity = keys.shape[1] - GROUP
    lanes = LANES * ((2 * size + LANES - 1) // LANES)
    least = np.empty(lanes, np.float32)
    mask = np.zeros(GROUP, np.uint8)
    words = mask.view(np.uint64)
    for r in range(len(rows)):
        p, mine = product[rows[r]], keys[r]
        top, n = limit[r], np.uint64(count[r])
        if n == 0 and lanes <= len(p):
            least[:] = np.inf
            for group in range(0, len(p), lanes):
                q, h = p[group : group + lanes], half[group : group + lanes]
                for j in range(len(q)):
                    least[j] = min(least[j], h[j] - q[j])
            top = np.nextafter(nth(least, size, lanes), np.float32(np.inf))
        for group in range(0, len(p), GROUP):
            q, h = p[group : group + GROUP], half[group : group + GROUP]
            if len(q) == GROUP:  # a fixed length, which the compiler wants
                hits = 0
                for j in range(GROUP):
                    hits += h[j] - q[j] < top
                if hits == 0:
                    continue
                for j in range(GROUP):
                    mask[j] = h[j] - q[j] < top
            else:
                mask[:] = 0
                for j in range(len(q)):
                    mask[j] = h[j] - q[j] < top
            for word in range(GROUP // 8):
                if words[word]:
                    for j in range(8 * word, min(8 * word + 8, len(q))):
                        mine[n] = pack(h[j] - q[j], first + group + j)
                        n += np.uint64(mask[j])
            if n > capacity:
                top = score_of(nth(mine, size, np.int64(n)))
                n = np.uint64(size)
        limit[r], count[r] = top, n


@compiled
def cut(keys, count, limit, size):
    """Moves each row's ``size`` best candidates to the front, and packs none
    where it has less; ``limit`` becomes the score that no other point lies
    under.
    """
    for row in range(len(count)):
        if count[row] > size:
            limit[row] = score_of(nth(keys[row], size, count[row]))
        keys[row, count[row] : size] = NONE


def highest(squared, norm, error):
    """The score that a point not farther than a squared distance from one of
    norm ``norm`` may seem to have, if terms have a relative error.
    """
    most = norm + squared**0.5  # of the length of such a point
    slack = error * (most**2 + 2.0 * most * norm) + 1e-34
    return 0.5 * (squared - norm**2 + slack)


_highest = compiled(highest)


@compiled
def refine(
    rows,
    candidates,
    floor,
    norm,
    left,
    scale,
    error,
    x,
    y,
    exclude_self,
    index,
    dist,
):
    """Keeps the candidates of the smallest distance in float64, sorted by
    it, then by index.

    Args:
        rows: Rows of ``y``.
        candidates: Rows of ``x`` for each of those, packed and sorted, or as
            they are. Packed ones that cannot be nearer than ``k`` others are
            not looked at.
        floor: What no other point scores less than.
        norm: The norm of each row in the arithmetic of the scores.
        left: Result: whether another point may be nearer than the last.
        scale: What squared distances are multiplied with there.
        error: The relative error of terms there.
        x: Points to choose from.
        y: Points that choose.
        exclude_self: Whether a point may not choose itself.
        index: Result, ``[rows of y, k]``.
        dist: Result, ``[rows of y, k]``.
    """
    k, size = index.shape[1], candidates.shape[1]
    keys = np.empty(size)
    places = np.empty(size, np.int64)
    terms = np.empty(x.shape[1])
    for r in range(len(rows)):
        i, n, limit = rows[r], 0, np.inf
        lowest = floor[r]  # of the scores of points not looked at
        for c in range(size):
            if n == k:
                limit = _highest(keys[:k].max() * scale, norm[r], error)
            if score_of(candidates[r, c]) > limit:
                lowest = np.inf
                break
            j = np.int64(candidates[r, c]) & 0xFFFFFFFF
            if j >= len(x) or (exclude_self and j == i):
                continue
            keys[n] = distance(x, j, y, i, terms)
            places[n] = j
            n += 1
        sort(keys, places, n)
        for c in range(min(n, k)):
            index[i, c], dist[i, c] = places[c], keys[c]
        left[r] = lowest <= _highest(dist[i, k - 1] * scale, norm[r], error)


@compiled
def scan(
    product,
    rows,
    limit,
    norm,
    half,
    first,
    scale,
    error,
    x,
    y,
    exclude_self,
    index,
    dist,
):
    """Puts every point whose score is not above ``limit`` in its place among
    the ``k`` nearest; columns must come in ascending order.

    Args:
        product: Inner products, ``[rows, columns]``.
        rows: Rows of ``y``.
        limit: What scores must not be above, which falls with the distance
            of the ``k``-th.
        norm: As in :func:`refine`.
        half: Half of the squared norm of each column's point.
        first: Index of the first column's point.
        scale: As in :func:`refine`.
        error: Likewise.
        x: Points to choose from.
        y: Points that choose.
        exclude_self: Whether a point may not choose itself.
        index: Result, ``[rows of y, k]``.
        dist: Result, ``[rows of y, k]``, infinite at first.
    """
    k = index.shape[1]
    terms = np.empty(x.shape[1])
    for r in range(len(rows)):
        i = rows[r]
        for c in range(product.shape[1]):
            j = first + c
            if half[c] - product[r, c] > limit[r]:
                continue
            if exclude_self and i == j:
                continue
            d, at = distance(x, j, y, i, terms), k
            while at > 0 and dist[i, at - 1] > d:
                at -= 1
            if at == k:
                continue
            for b in range(k - 1, at, -1):
                dist[i, b], index[i, b] = dist[i, b - 1], index[i, b - 1]
            dist[i, at], index[i, at] = d, j
            if dist[i, k - 1] < np.inf:
                highest = _highest(dist[i, k - 1] * scale, norm[r], error)
                limit[r] = min(limit[r], highest)


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
