"""Points at one place, which a k-NN search takes for one.

The :math:`k` nearest points are at the :math:`k` nearest places, if places of
equal distance follow by their first point. So these are found, and then the
points at them, in order.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pyg_ext.utils.compiled import compiled
from pyg_ext.utils.sorting import nth, sort
from pyg_ext.utils.threads import in_threads

BYTES = 2**21  # of points whose hashes are computed at a time
BYTES_ON_DEVICE = 2**26  # likewise beyond the CPU
GRAPH = 0x9E3779B97F4A7C1  # apart from the hashes of the next graph
SPREAD = 0x9E3779B97F4A7C15  # from last bits of a hash to the first
CROWD = 8  # points at one place that are no trouble


@dataclass(frozen=True)
class Places:
    """The points at each place; places are in the order of their first."""

    points: np.ndarray  # [N], place by place, ascending
    start: np.ndarray  # [places + 1], where those of a place start
    sizes: np.ndarray  # [graphs], how many places each has

    def first(self, x: Tensor) -> Tensor:
        """One point of each place."""
        return _rows(x, self.points[self.start[:-1]])


def crowded(x: Tensor, ends: np.ndarray, k: int) -> np.ndarray:
    """Which graphs have more than a few points at one place, and more than
    ``k``, or less than half of the points at a place of their own.

    Args:
        x: Points, graph by graph, ``[N, F]``.
        ends: Where graphs start, and the last one ends, ``[graphs + 1]``.
        k: The number of neighbors.
    """
    sizes = np.diff(ends)
    graph = np.arange(len(sizes)).repeat(sizes)
    hashes = _hashes(x, graph)
    if not _many_alike(hashes):
        return np.zeros(len(sizes), bool)
    hashes = hashes.cpu().numpy()
    order = hashes.argsort()
    start = _changes(hashes[order])
    graph, size = graph[order[start]], np.diff(start, append=len(order))
    most = np.zeros(len(sizes), np.int64)
    np.maximum.at(most, graph, size)
    num = np.bincount(graph, minlength=len(sizes))
    return (most > max(k, CROWD)) | ((most > CROWD) & (2 * num <= sizes))


def places(x: Tensor, ends: np.ndarray, graphs: np.ndarray) -> Places | None:
    """Finds points at one place of one graph; none if two of the places look
    the same, which takes chance.

    Args:
        x: Points, graph by graph, ``[N, F]``.
        ends: Where graphs start, and the last one ends.
        graphs: The graphs to look at, ascending.
    """
    sizes = np.diff(ends)[graphs]
    graph = np.arange(len(graphs)).repeat(sizes)
    move = (ends[graphs] - (sizes.cumsum() - sizes)).repeat(sizes)
    rows = np.arange(len(graph)) + move
    x = _rows(x, rows)
    hashes = _hashes(x, graph).cpu().numpy()
    order = hashes.argsort(kind='stable')
    start = _changes(hashes[order])
    size = np.diff(start, append=len(order))
    rank = order[start].argsort()  # of places, by their first point
    start, size = start[rank], size[rank]
    ends = np.concatenate([[0], size.cumsum()])
    points = order[np.arange(len(order)) + (start - ends[:-1]).repeat(size)]
    first = points[ends[:-1]]
    for part in _parts(x):
        one, other = points[part], first.repeat(size)[part]
        if not (
            np.array_equal(graph[one], graph[other])
            and torch.equal(_rows(x, one), _rows(x, other))
        ):
            return None
    sizes = np.bincount(graph[first], minlength=len(graphs))
    return Places(rows[points], ends, sizes)


def _changes(values: np.ndarray) -> np.ndarray:
    """Where sorted values differ from the one before."""
    new = np.ones(len(values), bool)
    new[1:] = values[1:] != values[:-1]
    return new.nonzero()[0]


def _rows(x: Tensor, index: np.ndarray) -> Tensor:
    return x[torch.from_numpy(index).to(x.device)]


def _many_alike(hashes: Tensor) -> bool:
    """Whether more than a few hashes are the same, as far as can be told
    without sorting them where that takes long: chance may say so too.
    """
    if hashes.device.type == 'cpu':
        return _fill(hashes.numpy(), CROWD)
    order = hashes.sort().values
    later = order[CROWD:]
    return bool((later == order[: len(later)]).any())


@compiled
def _fill(hashes, most):
    """Whether one of many cells, two or more for each hash, gets more than
    so many.
    """
    bits = 1
    while len(hashes) > 1 << (bits - 1):
        bits += 1
    cells, shift = np.zeros(1 << bits, np.uint8), np.uint64(64 - bits)
    for h in hashes:
        cell = (np.uint64(h) * np.uint64(SPREAD)) >> shift
        cells[cell] += 1
        if cells[cell] > most:
            return True
    return False


def _hashes(x: Tensor, graph: np.ndarray) -> Tensor:
    """Whole numbers that are the same for points at one place of a graph."""
    draw = np.random.default_rng(0)
    odd = 2 * draw.integers(2**62, size=x.size(1)) + 1
    wide = x.dtype == torch.double
    bits = x.view(torch.long if wide else torch.int)
    out = torch.from_numpy(graph * GRAPH).to(x.device)
    if x.device.type == 'cpu':
        _hash(bits.numpy(), odd, 32 if wide else 16, out.numpy())
        return out
    weight = torch.from_numpy(odd).to(x.device)
    for part in _parts(x):
        some = (x[part] + 0.0).view(bits.dtype).long()  # zero has one sign
        # The last bits of round numbers are zero, and would stay so:
        some = (some ^ (some >> (32 if wide else 16))) * weight
        out[part] += (some ^ (some >> 32)).sum(1)
    return out


@compiled
def _hash(bits, weight, shift, out):
    """Adds what :func:`_hashes` says for each row."""
    negative = np.iinfo(bits.dtype).min  # zero
    for r in range(len(bits)):
        for f in range(bits.shape[1]):
            value = np.int64(bits[r, f])
            if value == negative:
                value = np.int64(0)
            value = (value ^ (value >> shift)) * weight[f]
            out[r] += value ^ (value >> 32)


def _parts(x: Tensor) -> Iterator[slice]:
    most = BYTES if x.device.type == 'cpu' else BYTES_ON_DEVICE
    step = max(most // (8 * x.size(1)), 1)
    for first in range(0, len(x), step):
        yield slice(first, first + step)


@compiled
def _expand(
    near,
    dist,
    begin,
    size,
    points_y,
    start,
    points,
    exclude_self,
    index,
    found,
):
    """Fills in the nearest points for some places; see :func:`expand`.

    Args:
        near: The nearest places of each.
        dist: Their squared distances.
        begin: Where in ``points_y`` each begins.
        size: How many points each has.
        points_y: Points that choose, place by place.
        start: Where in ``points`` each place starts, and the last one ends.
        points: Points to choose from, place by place.
        exclude_self: Whether a point may not choose itself.
        index: Result, ``[M, k]``.
        found: Result, ``[M, k]``.
    """
    k = index.shape[1]
    most = k + exclude_self
    pool, keys = np.empty(3 * most, np.int64), np.empty(3 * most)
    for r in range(len(near)):
        n = c = 0
        while n < most and c < near.shape[1] and near[r, c] >= 0:
            first, place, d = n, c, dist[r, c]
            while c < near.shape[1] and near[r, c] >= 0 and dist[r, c] == d:
                at = start[near[r, c]]
                for p in range(at, min(at + most, start[near[r, c] + 1])):
                    pool[n] = points[p]
                    n += 1
                if n - first > most:
                    nth(pool[first:n], most, n - first)
                    n = first + most
                c += 1
            keys[first:n] = d
            if c > place + 1:
                sort(keys[first:n], pool[first:n], n - first)
        for p in range(begin[r], begin[r] + size[r]):
            i, m = points_y[p], 0
            for c in range(n):
                if m < k and not (exclude_self and pool[c] == i):
                    index[i, m], found[i, m] = pool[c], keys[c]
                    m += 1


def expand(
    near: Tensor,
    dist: Tensor,
    of_x: Places,
    of_y: Places,
    exclude_self: bool,
    index: Tensor,
    found: Tensor,
) -> None:
    """Fills ``index`` and ``found`` with the nearest points.

    Args:
        near: The nearest places of each place of points that choose, one
            more than points are wanted with ``exclude_self``, -1 for none.
        dist: Their squared distances.
        of_x: Places of points to choose from.
        of_y: Places of points that choose.
        exclude_self: Whether a point may not choose itself.
        index: Result, ``[M, k]``.
        found: Result, their squared distances, ``[M, k]``.
    """
    results = index.cpu(), found.cpu()
    in_threads(
        _expand,
        (
            *(near.cpu().numpy(), dist.cpu().numpy()),
            *(of_y.start[:-1], np.diff(of_y.start)),
        ),
        (
            *(of_y.points, of_x.start, of_x.points, exclude_self),
            *(result.numpy() for result in results),
        ),
    )
    index.copy_(results[0])  # a tensor's copy of itself is no work
    found.copy_(results[1])
