"""Compiled loops of the k-NN search.

A *score* is half of a squared distance without the part that all points have
in common, ``|x|^2 / 2 - x y``.
The kernels leave the interpreter's lock, so that threads can share the rows.
"""

import numpy as np
from numba import njit

GROUP = 64  # scores that are compared at a time

compiled = njit(nogil=True, cache=True)


@compiled
def distance(x, j, y, i):
    """Squared distance of two rows, in float64.

    The terms are added in one order everywhere, here and in
    :func:`~pyg_ext.utils.knn_search.distances`: eight partial sums, these in
    pairs, then what is left.
    """
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    whole = x.shape[1] - x.shape[1] % 8
    for f in range(0, whole, 8):
        s0 += _square(x[j, f], y[i, f])
        s1 += _square(x[j, f + 1], y[i, f + 1])
        s2 += _square(x[j, f + 2], y[i, f + 2])
        s3 += _square(x[j, f + 3], y[i, f + 3])
        s4 += _square(x[j, f + 4], y[i, f + 4])
        s5 += _square(x[j, f + 5], y[i, f + 5])
        s6 += _square(x[j, f + 6], y[i, f + 6])
        s7 += _square(x[j, f + 7], y[i, f + 7])
    total = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
    for f in range(whole, x.shape[1]):
        total += _square(x[j, f], y[i, f])
    return total


@compiled
def _square(u, v):
    difference = np.float64(u) - np.float64(v)
    return difference * difference


@compiled
def sort(keys, index, size):
    """Sorts by key, then by index (Shell's method)."""
    gap, i = 1, 1
    while i < size and (
        keys[i - 1] < keys[i]
        or (keys[i - 1] == keys[i] and index[i - 1] < index[i])
    ):
        i += 1
    while i < size and gap < size:
        gap = 3 * gap + 1
    while gap > 1:
        gap //= 3
        for i in range(gap, size):
            key, j, at = keys[i], index[i], i
            while at >= gap and (
                keys[at - gap] > key
                or (keys[at - gap] == key and index[at - gap] > j)
            ):
                keys[at], index[at] = keys[at - gap], index[at - gap]
                at -= gap
            keys[at], index[at] = key, j


@compiled
def smallest(keys, index, k, size):
    """Moves the ``k`` smallest of ``size`` keys to the front, by index where
    keys are equal, and returns the largest of them (quickselect).
    """
    low, high = 0, size - 1
    while low < high:
        at = (low + high) // 2
        a, b, c = keys[low], keys[at], keys[high]
        if (b < a) != (c < a):
            at = low
        elif (a < c) != (b < c):
            at = high
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
def select_rows(
    receivers, scores, index, count, limit, product, half, first, size
):
    """Offers the points of a product's columns to some of its rows.

    A row keeps what scores less than its ``limit``. When its room is full,
    the ``size`` best stay and the worst of those is the new limit.

    Args:
        receivers: Rows of the product, ascending without a gap.
        scores: Their candidates' scores, ``[receivers, room]``.
        index: Their candidates, ``[receivers, room]``.
        count: Their numbers of candidates.
        limit: What scores must stay under.
        product: Inner products.
        half: Half of the squared norm of each column's point.
        first: Index of the first column's point.
        size: How many candidates to keep at least.
    """
    room = scores.shape[1] - GROUP
    mask = np.zeros(GROUP, np.uint8)
    words = mask.view(np.uint64)
    for r in range(len(receivers)):
        top, n = limit[r], np.uint64(count[r])
        keys, places = scores[r], index[r]
        for group in range(0, product.shape[1], GROUP):
            p = product[receivers[r], group : group + GROUP]
            h = half[group : group + GROUP]
            if len(p) == GROUP:  # a fixed length, which the compiler wants
                hits = 0
                for j in range(GROUP):
                    hits += h[j] - p[j] < top
                if hits == 0:
                    continue
                for j in range(GROUP):
                    mask[j] = h[j] - p[j] < top
            else:
                mask[:] = 0
                for j in range(len(p)):
                    mask[j] = h[j] - p[j] < top
            for word in range(GROUP // 8):
                if words[word]:
                    for j in range(8 * word, min(8 * word + 8, len(p))):
                        keys[n] = h[j] - p[j]
                        places[n] = first + group + j
                        n += np.uint64(mask[j])
            if n > room:
                top = smallest(keys, places, size, np.int64(n))
                n = np.uint64(size)
        limit[r], count[r] = top, n


@compiled
def select_columns(
    receivers, scores, index, count, limit, product, half, first, size
):
    """As :func:`select_rows`, with rows and columns exchanged."""
    room = scores.shape[1] - GROUP
    mask = np.zeros(GROUP, np.uint8)
    words = mask.view(np.uint64)
    for group in range(0, len(receivers), GROUP):
        top = limit[group : group + GROUP]
        start = receivers[group]
        for row in range(product.shape[0]):
            h, p = half[row], product[row, start : start + len(top)]
            if len(p) == GROUP:
                hits = 0
                for j in range(GROUP):
                    hits += h - p[j] < top[j]
                if hits == 0:
                    continue
                for j in range(GROUP):
                    mask[j] = h - p[j] < top[j]
            else:
                mask[:] = 0
                for j in range(len(p)):
                    mask[j] = h - p[j] < top[j]
            for word in range(GROUP // 8):
                if not words[word]:
                    continue
                for j in range(8 * word, min(8 * word + 8, len(p))):
                    if not mask[j]:
                        continue
                    of, n = group + j, count[group + j]
                    scores[of, n], index[of, n] = h - p[j], first + row
                    n += 1
                    if n > room:
                        top[j] = smallest(scores[of], index[of], size, n)
                        n = size
                    count[of] = n


@compiled
def cut(scores, index, count, limit, size):
    """Moves each row's ``size`` best candidates to the front; ``limit``
    becomes the score that no other point lies under.
    """
    for row in range(len(count)):
        limit[row] = smallest(scores[row], index[row], size, count[row])


@compiled
def refine(rows, candidates, x, y, exclude_self, index, dist):
    """Keeps the candidates of the smallest distance in float64, sorted by
    it, then by index.

    Args:
        rows: Rows of ``y``.
        candidates: Rows of ``x`` for each of those; there may be some below
            zero or beyond the last, which are none.
        x: Points to choose from.
        y: Points that choose.
        exclude_self: Whether a point may not choose itself.
        index: Result, ``[rows of y, k]``.
        dist: Result, ``[rows of y, k]``.
    """
    k, size = index.shape[1], candidates.shape[1]
    keys = np.empty(size)
    places = np.empty(size, np.int64)
    for r in range(len(rows)):
        i, n = rows[r], 0
        for c in range(size):
            j = candidates[r, c]
            if j < 0 or j >= len(x) or (exclude_self and j == i):
                continue
            keys[n] = distance(x, j, y, i)
            places[n] = j
            n += 1
        sort(keys, places, n)
        for c in range(min(n, k)):
            index[i, c], dist[i, c] = places[c], keys[c]


@compiled
def scan(
    product,
    rows,
    limit,
    half,
    first,
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
        limit: What scores must not be above.
        half: Half of the squared norm of each column's point.
        first: Index of the first column's point.
        x: Points to choose from.
        y: Points that choose.
        exclude_self: Whether a point may not choose itself.
        index: Result, ``[rows of y, k]``.
        dist: Result, ``[rows of y, k]``, infinite at first.
    """
    k = index.shape[1]
    for r in range(len(rows)):
        i = rows[r]
        for c in range(product.shape[1]):
            j = first + c
            if half[c] - product[r, c] > limit[r]:
                continue
            if exclude_self and i == j:
                continue
            d, at = distance(x, j, y, i), k
            while at > 0 and dist[i, at - 1] > d:
                at -= 1
            if at < k:
                for b in range(k - 1, at, -1):
                    dist[i, b], index[i, b] = dist[i, b - 1], index[i, b - 1]
                dist[i, at], index[i, at] = d, j


@compiled
def brute(graphs, ends_x, ends_y, x, y, exclude_self, index, dist):
    """The ``k`` nearest of each row in small graphs, by all distances.

    Args:
        graphs: The graphs to do.
        ends_x: First row of ``x`` of each graph, and the end of the last.
        ends_y: Likewise of ``y``.
        x: Points to choose from.
        y: Points that choose.
        exclude_self: Whether a point may not choose itself.
        index: Result, ``[rows of y, k]``.
        dist: Result, ``[rows of y, k]``.
    """
    k = index.shape[1]
    most = 0
    for g in graphs:
        most = max(most, ends_x[g + 1] - ends_x[g])
    keys = np.empty(most)
    places = np.empty(most, np.int64)
    for g in graphs:
        for i in range(ends_y[g], ends_y[g + 1]):
            n = 0
            for j in range(ends_x[g], ends_x[g + 1]):
                if exclude_self and i == j:
                    continue
                keys[n] = distance(x, j, y, i)
                places[n] = j
                n += 1
            sort(keys, places, n)
            for c in range(min(n, k)):
                index[i, c], dist[i, c] = places[c], keys[c]
