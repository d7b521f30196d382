"""Compiled loops over scores; see :mod:`~pyg_ext.utils.knn.scores`."""

import numpy as np

from pyg_ext.utils.compiled import compiled
from pyg_ext.utils.knn.kernels import NONE, distance
from pyg_ext.utils.sorting import nth, sort

GROUP = 256  # scores that are compared at a time
LANES = 64  # numbers that a loop is good at


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
