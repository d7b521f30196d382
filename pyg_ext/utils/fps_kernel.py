import numpy as np

from pyg_ext.utils.compiled import compiled


@compiled
def sample(first, sizes, num, begin, start, x, index):
    """Samples the farthest points of some graphs.

    Args:
        first: The point to start with, counted in its graph, ``[graphs]``.
        sizes: How many points a graph has, likewise.
        num: How many of those to take, likewise.
        begin: Where its points begin, likewise.
        start: Where its part of the result begins, likewise.
        x: Points in float64, graph by graph, ``[F, N]``.
        index: Result: points in the order in which they are taken.
    """
    for g in range(len(sizes)):
        size = sizes[g]
        points = x[:, begin[g] : begin[g] + size]
        least, dist = np.full(size, np.inf), np.empty(size)
        at = first[g]
        for s in range(num[g]):
            index[start[g] + s] = begin[g] + at
            dist[:] = 0.0
            for f in range(len(points)):
                line = points[f]
                value = line[at]
                for c in range(size):
                    side = line[c] - value
                    dist[c] += side * side
            for c in range(size):
                least[c] = min(least[c], dist[c])
            least[at] = -1.0  # taken
            at = np.argmax(least)
