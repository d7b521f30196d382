"""A compiled k-d tree for points of few dimensions.

Distances and the distances of boxes are rounded alike, so that a box is left
out only where no point in it can be a neighbor: the result is exact. That
holds up to seven dimensions, where terms are added one after the other.
"""

import numpy as np

from pyg_ext.utils.compiled import compiled
from pyg_ext.utils.knn.kernels import (
    inlined,
    keep,
    last_bits,
    measure,
    shrink,
)
from pyg_ext.utils.sorting import nth, smallest

LEAF = 64  # most points of a leaf
SMALL_LEAF = 32  # likewise, for a few neighbors
SAMPLE = 64  # points, or twice as many, that show the widest side of a node
FEW = 16  # most neighbors that are kept in order
LANES = 16  # numbers that are compared at a time; divides a small leaf
LAST = np.int64(2**63 - 1)  # greater than what stands for a distance
FRONT = 32  # most nodes of a front


@compiled
def build(x, leaf):
    """Halves the points along the widest side of their box again and again.

    Node ``n`` has the children ``2 n + 1`` and ``2 n + 2``; the leaves come
    last.

    Args:
        x: Points, ``[N, F]``.
        leaf: The most points of a leaf.

    Returns:
        The points leaf by leaf in float64, ``[F, N]``, and the tree: their
        indices; the place among those where each node starts and stops; the
        corners of each node's box, ``[nodes, F]``.
    """
    num, dims = x.shape
    depth = 0
    while num > leaf << depth:
        depth += 1
    nodes = 2 ** (depth + 1) - 1
    order = np.arange(num)
    start, stop = np.zeros(nodes, np.int64), np.zeros(nodes, np.int64)
    low, high = np.empty((nodes, dims)), np.empty((nodes, dims))
    stop[0], mask = num, np.int64(last_bits(num))
    for node in range(nodes // 2):
        first, last = start[node], stop[node]
        part, size = order[first:last], last - first
        rows = part[:: max(size // SAMPLE, 1)]
        _corners(x, rows, mask, low[node], high[node])
        side = np.argmax(high[node] - low[node])
        _pack(x, side, low[node, side], mask, part)
        middle = (first + last) // 2
        nth(part, middle - first, size)
        start[2 * node + 1], stop[2 * node + 1] = first, middle
        start[2 * node + 2], stop[2 * node + 2] = middle, last
    order &= mask
    points = np.empty((dims, num))
    for p in range(num):
        for f in range(dims):
            points[f, p] = x[order[p], f]
    for node in range(nodes // 2, nodes):
        rows = order[start[node] : stop[node]]
        _corners(x, rows, mask, low[node], high[node])
    for node in range(nodes // 2 - 1, -1, -1):
        for f in range(dims):
            one, other = 2 * node + 1, 2 * node + 2
            low[node, f] = min(low[one, f], low[other, f])
            high[node, f] = max(high[one, f], high[other, f])
    return points, (order, start, stop, low, high)


@compiled
def _corners(x, rows, mask, low, high):
    """The corners of the box of some points, whose indices are in the last
    bits of whole numbers.
    """
    for f in range(x.shape[1]):
        least, most = np.inf, -np.inf
        for row in rows:
            value = np.float64(x[row & mask, f])
            least, most = min(least, value), max(most, value)
        low[f], high[f] = least, most


@compiled
def _pack(x, side, base, mask, order):
    """Puts ahead of each index how far its point is from ``base`` along a
    side, as whole numbers that sort likewise, but for their last bits: these
    are enough to halve a box.
    """
    for p in range(len(order)):
        row = order[p] & mask
        key = np.float64(x[row, side] - base).view(np.int64)
        key ^= (key >> 63) & np.int64(2**63 - 1)  # negative ones ascend too
        order[p] = (key & ~mask) | row


@inlined
def _gap(low, high, node, y, p):
    """Squared distance of a point from a box."""
    total = 0.0
    for f in range(len(y)):
        value = y[f, p]
        side = max(low[node, f] - value, value - high[node, f], 0.0)
        total += side * side
    return total


@compiled
def _front(start, stop, low, high, lower, upper, k, front):
    """Finds nodes of one level that hold the ``k`` nearest of every point in
    a box.

    Args:
        start: What :func:`build` returned, as the next three.
        stop: Likewise.
        low: Likewise.
        high: Likewise.
        lower: The lower corner of the box.
        upper: The upper one.
        k: The number of neighbors.
        front: Result: the nodes.

    Returns:
        Their number, and what no squared distance of a ``k``-th neighbor is
        greater than.
    """
    gaps = np.zeros(len(front))
    front[0], n, top = 0, 1, np.inf
    while front[0] < len(start) // 2 and 2 * n <= len(front):
        for c in range(2 * n - 1, -1, -1):  # before their parents are gone
            node = 2 * front[c // 2] + 1 + c % 2
            gap = reach = 0.0
            for f in range(len(lower)):
                a, b = lower[f], upper[f]
                side = max(low[node, f] - b, a - high[node, f], 0.0)
                gap += side * side
                side = max(high[node, f] - a, b - low[node, f])
                reach += side * side
            if stop[node] - start[node] >= k:
                top = min(top, reach)
            front[c], gaps[c] = node, gap
        size, n = 2 * n, 0
        for c in range(size):
            front[n] = front[c]
            n += gaps[c] <= top
    return n, top


@compiled
def query(
    groups,
    points_y,
    tree_y,
    points_x,
    tree_x,
    exclude_self,
    rows,
    marked,
    keys,
    places,
):
    """Finds the ``k`` nearest of the points in some leaves.

    The nodes near a leaf are found once. No neighbor of a point is farther
    than those of another point of its leaf, and the way there.

    Args:
        groups: The leaves to do of a tree of the points that choose.
        points_y: These, in the order of their tree, ``[F, M]``.
        tree_y: What :func:`build` returned.
        points_x: Points to choose from, likewise, ``[F, N]``.
        tree_x: Likewise.
        exclude_self: Whether a point may not choose itself.
        rows: Result, as the next three: see :func:`brute`.
        marked: Likewise.
        keys: Likewise.
        places: Likewise.

    Returns:
        The number of rows.
    """
    order_y, start_y, stop_y, low_y, high_y = tree_y
    order, start, stop, low, high = tree_x
    k, dims, leaves = keys.shape[1], len(points_x), len(start) // 2
    capacity = 2 * k + LEAF // 2
    pool = np.empty(capacity + LEAF)
    at = np.empty(capacity + LEAF, np.int64)
    bits = np.empty(capacity + LEAF, np.uint64)
    near, reached = np.empty(LEAF), np.empty(LEAF)
    front, gaps = np.empty(FRONT, np.int64), np.empty(FRONT)
    lower, upper = np.empty((dims, FRONT)), np.empty((dims, FRONT))
    stack = np.empty(FRONT + 64, np.int64)
    far = np.empty(FRONT + 64)
    r = 0
    for group in groups:
        num, most = _front(
            *(start, stop, low, high, low_y[group], high_y[group]),
            *(k + exclude_self, front),
        )
        for c in range(num):
            lower[:, c], upper[:, c] = low[front[c]], high[front[c]]
        begin = start_y[group]
        for p in range(begin, stop_y[group]):
            measure(points_y, p, points_y, begin, p - begin, 0, near)
            reach = np.inf
            for c in range(p - begin):
                reach = min(reach, reached[c] + np.sqrt(near[c]))
            top = min(most, reach * reach * (1.0 + 1e-9) + 1e-300)
            gaps[:num] = 0.0
            for f in range(dims):
                value = points_y[f, p]
                for c in range(num):
                    below, above = lower[f, c] - value, value - upper[f, c]
                    side = max(below, above, 0.0)
                    gaps[c] += side * side
            depth, n = _push(front[:num], gaps, top, stack, far), 0
            while depth > 0:
                depth -= 1
                node, gap = stack[depth], far[depth]
                while gap <= top and node < leaves:
                    node, other = 2 * node + 1, 2 * node + 2
                    gap = _gap(low, high, node, points_y, p)
                    beyond = _gap(low, high, other, points_y, p)
                    if beyond < gap:
                        node, other, gap, beyond = other, node, beyond, gap
                    stack[depth], far[depth] = other, beyond
                    depth += beyond <= top
                if gap > top:
                    continue
                first = start[node]
                size = stop[node] - first
                names = order[first : first + size]
                measure(points_y, p, points_x, first, size, 0, near)
                if exclude_self and gap == 0.0:  # its own leaf is among these
                    for c in range(size):
                        if names[c] == order_y[p]:
                            near[c] = np.nan
                for c in range(size):
                    key = near[c]
                    pool[n], at[n] = key, names[c]
                    n += key <= top
                if n > capacity:
                    n, top = shrink(pool, at, k, n, bits)
                if n > capacity:
                    top = smallest(pool, at, k, n)
                    n = k
            worst = np.inf
            if n >= k:
                n, worst = shrink(pool, at, k, n, bits)
            reached[p - begin] = np.sqrt(worst)
            keep(pool, at, n, bits, marked[r], keys[r], places[r])
            rows[r] = order_y[p]
            r += 1
    return r


@compiled
def query_few(
    groups,
    points_y,
    tree_y,
    points_x,
    tree_x,
    exclude_self,
    index,
    dist,
):
    """Finds a few nearest of the points in some leaves, in order.

    The points of a leaf go down the tree as one. They take their first
    neighbors together, see :func:`_take`, and what is nearer in each other
    leaf that they meet by insertion.

    Args:
        groups: See :func:`query`, as the next five.
        points_y: Likewise.
        tree_y: Likewise.
        points_x: Likewise.
        tree_x: Likewise.
        exclude_self: Likewise.
        index: Result: the neighbors, -1 where there are none, ``[M, k]``.
        dist: Result: their squared distances, ``[M, k]``.
    """
    order_y, start_y, stop_y, low_y, high_y = tree_y
    order, start, stop, low, high = tree_x
    k, dims, leaves = index.shape[1], len(points_x), len(start) // 2
    keys, names = (
        np.empty((SMALL_LEAF, k)),
        np.empty((SMALL_LEAF, k), np.int64),
    )
    top, gaps, near = (
        np.empty(SMALL_LEAF),
        np.empty(SMALL_LEAF),
        np.empty(SMALL_LEAF),
    )
    bits = near.view(np.int64)
    marked, ranked = (
        np.empty(SMALL_LEAF, np.int64),
        np.empty(SMALL_LEAF, np.int64),
    )
    middle = np.empty((dims, 1))
    stack, far = np.empty(64, np.int64), np.empty(64)
    for group in groups:
        begin, num = start_y[group], stop_y[group] - start_y[group]
        lower, upper = low_y[group], high_y[group]
        for f in range(dims):
            middle[f, 0] = 0.5 * (lower[f] + upper[f])
        keys[:num], names[:num], top[:num] = np.inf, -1, np.inf
        stack[0], far[0], depth, most = 0, 0.0, 1, np.inf
        while depth > 0:
            depth -= 1
            node, gap = stack[depth], far[depth]
            while gap <= most and node < leaves:
                node, other = 2 * node + 1, 2 * node + 2
                if _gap(low, high, other, middle, 0) < _gap(
                    low, high, node, middle, 0
                ):
                    node, other = other, node
                gap = _apart(low[node], high[node], lower, upper)
                beyond = _apart(low[other], high[other], lower, upper)
                stack[depth], far[depth] = other, beyond
                depth += beyond <= most
            if gap > most:
                continue
            first = start[node]
            size = stop[node] - first
            for f in range(dims):
                below, above = low[node, f], high[node, f]
                line = points_y[f, begin : begin + num]
                for p in range(num):
                    side = max(below - line[p], line[p] - above, 0.0)
                    gaps[p] = side * side + (gaps[p] if f else 0.0)
            for p in range(num):
                if gaps[p] > top[p]:
                    continue
                measure(points_y, begin + p, points_x, first, size, 0, near)
                if exclude_self and first == begin:  # of one tree
                    near[p] = np.nan
                if names[p, 0] < 0:
                    guess = 2.0 * top[p - 1] if p else np.inf
                    _take(
                        near,
                        bits,
                        order[first : first + size],
                        guess,
                        marked,
                        ranked,
                        keys[p],
                        names[p],
                    )
                    top[p] = keys[p, k - 1]
                    continue
                for c in range(size):
                    if near[c] <= top[p]:
                        name = order[first + c]
                        if near[c] < top[p] or name < names[p, k - 1]:
                            _insert(near[c], name, keys[p], names[p], k - 1)
                            top[p] = keys[p, k - 1]
            most = top[:num].max()
        for p in range(num):
            row = order_y[begin + p]
            for c in range(k):
                index[row, c], dist[row, c] = names[p, c], keys[p, c]


@inlined
def _apart(low, high, lower, upper):
    """Squared distance of two boxes."""
    total = 0.0
    for f in range(len(low)):
        side = max(low[f] - upper[f], lower[f] - high[f], 0.0)
        total += side * side
    return total


@inlined
def _take(near, bits, leaf, guess, marked, ranked, keys, names):
    """Takes the first neighbors: each goes to the place that follows from
    how many are nearer, which is counted without a branch.

    Args:
        near: Squared distances from the points of a leaf, or no number.
        bits: The same as whole numbers.
        leaf: Their indices.
        guess: A distance within which there may be enough.
        marked: Buffer for a leaf.
        ranked: Likewise.
        keys: Result: their distances, ``[k]``.
        names: Result: their indices, ``[k]``.
    """
    k, size, mask = len(keys), len(leaf), np.int64(last_bits(SMALL_LEAF))
    n = _within(near, bits, size, guess, mask, marked)
    if n < k:
        n = _within(near, bits, size, np.inf, mask, marked)
    wide = (n + LANES - 1) // LANES * LANES
    for c in range(n, wide):
        marked[c] = LAST
    if n == 1:
        ranked[0] = marked[0]
    else:
        for c in range(n):
            mark, rank = marked[c], 0
            for other in range(wide):
                rank += marked[other] < mark
            ranked[rank] = mark
    for rank in range(n):
        c = ranked[rank] & mask
        key, name, last = near[c], leaf[c], keys[k - 1]
        if rank < k or key < last or (key == last and name < names[k - 1]):
            _insert(key, name, keys, names, min(rank, k - 1))


@inlined
def _within(near, bits, size, top, mask, marked):
    """Finds the distances that are not greater than ``top``, as whole numbers
    with their place in the last bits, and returns how many there are.
    """
    n = 0
    for c in range(size):
        marked[n] = (bits[c] & ~mask) | c
        n += near[c] <= top
    return n


@inlined
def _insert(key, name, keys, names, at):
    """Puts a neighbor, by distance, then by index, in its place among those
    ahead of a place that is free.
    """
    while at > 0 and (
        keys[at - 1] > key or (keys[at - 1] == key and names[at - 1] > name)
    ):
        keys[at], names[at] = keys[at - 1], names[at - 1]
        at -= 1
    keys[at], names[at] = key, name


@compiled
def _push(front, gaps, top, stack, far):
    """Puts nodes that are not too far on an empty stack, the nearest last."""
    depth = 0
    for c in range(len(front)):
        if gaps[c] > top:
            continue
        at = depth
        while at > 0 and far[at - 1] < gaps[c]:
            stack[at], far[at] = stack[at - 1], far[at - 1]
            at -= 1
        stack[at], far[at] = front[c], gaps[c]
        depth += 1
    return depth
