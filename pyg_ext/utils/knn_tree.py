"""A compiled k-d tree for points of few dimensions.

Distances and the distances of boxes are rounded alike, so that a box is left
out only where no point in it can be a neighbor: the result is exact. That
holds up to seven dimensions, where terms are added one after the other.
"""

import numpy as np

from pyg_ext.utils.knn_kernels import compiled, nth, pack, smallest

LEAF = 64  # most points of a leaf


@compiled
def grow(x):
    """Halves the points along the widest side of their box again and again.

    Node ``n`` has the children ``2 n + 1`` and ``2 n + 2``; the leaves come
    last.

    Args:
        x: Points in float64, ``[N, F]``.

    Returns:
        The points' indices, leaf by leaf; the place among those where each
        node starts and stops; the corners of each node's box, ``[nodes, F]``.
    """
    num, dims = x.shape
    depth = 0
    while num > LEAF << depth:
        depth += 1
    nodes = 2 ** (depth + 1) - 1
    order = np.arange(num)
    start, stop = np.zeros(nodes, np.int64), np.zeros(nodes, np.int64)
    low = np.full((nodes, dims), np.inf)
    high = np.full((nodes, dims), -np.inf)
    keys = np.empty(num)
    stop[0] = num
    for node in range(nodes):
        first, last = start[node], stop[node]
        for p in range(first, last):
            for f in range(dims):
                value = x[order[p], f]
                low[node, f] = min(low[node, f], value)
                high[node, f] = max(high[node, f], value)
        if 2 * node + 2 < nodes:
            side = np.argmax(high[node] - low[node])
            for p in range(first, last):
                keys[p] = x[order[p], side]
            middle = (first + last) // 2
            part = slice(first, last)
            smallest(keys[part], order[part], middle - first, last - first)
            start[2 * node + 1], stop[2 * node + 1] = first, middle
            start[2 * node + 2], stop[2 * node + 2] = middle, last
    return order, start, stop, low, high


@compiled
def _gap(low, high, node, y, i):
    """Squared distance of a point from a box."""
    total = 0.0
    for f in range(y.shape[1]):
        value = y[i, f]
        side = max(low[node, f] - value, value - high[node, f], 0.0)
        total += side * side
    return total


@compiled
def _shrink(keys, places, k, n, marked):
    """Keeps the ``k`` smallest of ``n`` keys, and those that differ from the
    ``k``-th in the last bits alone, which hold its place for the selection.

    Returns:
        How many are left, and what none of those is greater than.
    """
    mask = np.uint64(1)
    while mask < np.uint64(len(keys)):
        mask = (mask << np.uint64(1)) | np.uint64(1)
    bits = keys.view(np.uint64)  # in the order of the keys
    for c in range(n):
        marked[c] = (bits[c] & ~mask) | np.uint64(c)
    top = nth(marked, k, n) | mask
    kept = 0
    for c in range(n):
        near = bits[c] <= top
        keys[kept], places[kept] = keys[c], places[c]
        kept += near
    marked[0] = top
    return kept, marked.view(np.float64)[0]


@compiled
def query(
    rows,
    points,
    order,
    start,
    stop,
    low,
    high,
    y,
    exclude_self,
    packed,
):
    """Finds the ``k`` nearest of some rows of ``y``. Rows near each other
    should follow each other.

    Args:
        rows: The rows to do.
        points: Points in the order of the tree, ``[F, N]``.
        order: What :func:`grow` returned, as the next four.
        start: Likewise.
        stop: Likewise.
        low: Likewise.
        high: Likewise.
        y: Points that choose, in float64.
        exclude_self: Whether a point may not choose itself.
        packed: Result in any order, packed, ``[rows of y, k]``.
    """
    k, leaves = packed.shape[1], len(start) // 2
    dims = points.shape[0]
    room = 2 * k + LEAF // 2
    keys = np.empty(room + LEAF)
    places = np.empty(room + LEAF, np.int64)
    marked = np.empty(room + LEAF, np.uint64)
    near = np.empty(LEAF)
    stack = np.empty(64, np.int64)
    far = np.empty(64)
    before, last = -1, np.inf
    for r in range(len(rows)):
        i, top = rows[r], np.inf
        if before >= 0:  # no farther than the neighbors of the last one
            step = 0.0
            for f in range(dims):
                step += (y[i, f] - y[before, f]) ** 2
            reach = np.sqrt(last) + np.sqrt(step)
            top = reach * reach * (1.0 + 1e-9)
        before = i
        n, depth = 0, 1
        stack[0], far[0] = 0, 0.0
        while depth > 0:
            depth -= 1
            node, gap = stack[depth], far[depth]
            while gap <= top and node < leaves:
                node, other = 2 * node + 1, 2 * node + 2
                gap = _gap(low, high, node, y, i)
                beyond = _gap(low, high, other, y, i)
                if beyond < gap:
                    node, other, gap, beyond = other, node, beyond, gap
                stack[depth], far[depth] = other, beyond
                depth += beyond <= top
            if gap > top:
                continue
            first = start[node]
            size = stop[node] - first
            for j in range(size):
                near[j] = 0.0
            for f in range(dims):
                value = y[i, f]
                line = points[f, first : first + size]
                for j in range(size):
                    side = line[j] - value
                    near[j] += side * side
            if exclude_self and gap == 0.0:  # its own leaf is among these
                for j in range(size):
                    if order[first + j] == i:
                        near[j] = np.nan
            for j in range(size):
                keys[n], places[n] = near[j], order[first + j]
                n += near[j] <= top
            if n > room:
                n, top = _shrink(keys, places, k, n, marked)
            if n > room:
                top = smallest(keys, places, k, n)
                n = k
        last = np.inf
        if n >= k:
            n, last = _shrink(keys, places, k, n, marked)
        if n > k:
            smallest(keys, places, k, n)
            n = k
        for c in range(n):
            packed[i, c] = pack(keys[c], places[c])
