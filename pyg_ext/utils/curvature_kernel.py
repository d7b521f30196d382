import numpy as np

from pyg_ext.utils.compiled import compiled


@compiled
def balanced_forman(ptr, neighbor, first, second, one, other, out):
    """The balanced Forman curvature of some edges of a simple, undirected
    graph, of each in a graph that has one more edge.

    Args:
        ptr: Where the neighbors of a node begin, ``[N + 1]``.
        neighbor: The neighbors, both ways, ``[E]``.
        first: An end of each edge whose curvature is wanted, ``[P]``.
        second: The other end, likewise.
        one: An end of an edge that is there besides, likewise, or -1.
        other: Its other end, likewise.
        out: Result: the curvatures, likewise.
    """
    size = len(ptr) - 1
    mark = np.zeros(size, dtype=np.int8)  # 1 by the first end, 2 by the second
    for e in range(len(first)):
        a, b = one[e], other[e]
        ends = (first[e], second[e])
        degree = np.zeros(2)
        for side in range(2):
            v = ends[side]
            more = (v == a) + (v == b)
            degree[side] = ptr[v + 1] - ptr[v] + more
            for at in range(ptr[v], ptr[v + 1] + more):
                w = neighbor[at] if at < ptr[v + 1] else a + b - v
                mark[w] |= side + 1
        low, high = min(degree[0], degree[1]), max(degree[0], degree[1])
        triangles, squares, most = 0, 0, 0
        for side in range(2):
            v, theirs = ends[side], 2 - side
            away = ends[1 - side]
            more = (v == a) + (v == b)
            for at in range(ptr[v], ptr[v + 1] + more):
                k = neighbor[at] if at < ptr[v + 1] else a + b - v
                if mark[k] == 3:
                    triangles += side  # which both ends see
                if k == away or mark[k] == 3:
                    continue
                through = 0  # squares by k without a diagonal inside
                plus = (k == a) + (k == b)
                for place in range(ptr[k], ptr[k + 1] + plus):
                    w = neighbor[place] if place < ptr[k + 1] else a + b - k
                    through += w != v and mark[w] == theirs
                squares += through > 0
                most = max(most, through)
        for side in range(2):
            v = ends[side]
            for at in range(ptr[v], ptr[v + 1]):
                mark[neighbor[at]] = 0
        if a >= 0:
            mark[a] = mark[b] = 0
        if low <= 1.0:
            out[e] = 0.0
            continue
        out[e] = 2.0 / low + 2.0 / high - 2.0
        out[e] += triangles * (2.0 / high + 1.0 / low)
        if squares > 0:
            out[e] += squares / (most * high)
