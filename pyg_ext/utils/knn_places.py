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
from pyg_ext.utils.knn_kernels import nth, sort
from pyg_ext.utils.threads import in_threads

BYTES = 2**24  # of points whose hashes are computed at a time


@dataclass(frozen=True)
class Places:
    """The points at each place; places are in the order of their first."""

    points: np.ndarray  # [N], place by place, ascending
    start: np.ndarray  # [places + 1], where those of a place start

    @property
    def size(self) -> np.ndarray:
        """How many points each place has."""
        return np.diff(self.start)

    def first(self, x: Tensor) -> Tensor:
        """One point of each place."""
        return x[torch.from_numpy(self.points[self.start[:-1]]).to(x.device)]


def crowded(x: Tensor, ends: np.ndarray, most: int) -> np.ndarray:
    """Which graphs may have more than some number of points at one place.

    Args:
        x: Points, graph by graph, ``[N, F]``.
        ends: Where graphs start, and the last one ends, ``[graphs + 1]``.
        most: The number of points.
    """
    graph = np.arange(len(ends) - 1).repeat(np.diff(ends))
    hashes = _hashes(x) + graph * 0x9E3779B97F4A7C1
    order = np.sort(hashes)
    found = np.zeros(len(ends) - 1, bool)
    later = order[most:]
    many = later[later == order[: len(later)]]
    if len(many):
        found[graph[np.isin(hashes, many)]] = True
    return found


def places(x: Tensor) -> Places | None:
    """Finds points at one place; none if two of the places look the same,
    which takes chance.
    """
    hashes = _hashes(x)
    order = hashes.argsort(kind='stable')
    new = np.diff(hashes[order], prepend=hashes[order[:1]] - 1) != 0
    start = new.nonzero()[0]
    size = np.diff(start, append=len(order))
    rank = order[start].argsort()  # of places, by their first point
    start, size = start[rank], size[rank]
    ends = np.concatenate([[0], size.cumsum()])
    move = (start - ends[:-1]).repeat(size)
    points = order[np.arange(len(order)) + move]
    first = points[ends[:-1]].repeat(size)
    for part in _parts(x):
        one, other = (
            x[torch.from_numpy(index[part]).to(x.device)]
            for index in (points, first)
        )
        if not torch.equal(one, other):
            return None
    return Places(points, ends)


def _hashes(x: Tensor) -> np.ndarray:
    """Whole numbers that are the same for points at one place."""
    draw = np.random.default_rng(0)
    odd = 2 * draw.integers(2**62, size=x.size(1)) + 1
    weight = torch.from_numpy(odd).to(x.device)
    wide = x.dtype == torch.double
    out = torch.empty(len(x), dtype=torch.long, device=x.device)
    for part in _parts(x):
        bits = x[part] + 0.0  # zero has one sign
        bits = bits.view(torch.long if wide else torch.int).long()
        # The last bits of round numbers are zero, and would stay so:
        bits = (bits ^ (bits >> (32 if wide else 16))) * weight
        out[part] = (bits ^ (bits >> 32)).sum(1)
    return out.cpu().numpy()


def _parts(x: Tensor) -> Iterator[slice]:
    step = max(BYTES // (8 * x.size(1)), 1)
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
            *(of_y.start[:-1], of_y.size),
        ),
        (
            *(of_y.points, of_x.start, of_x.points, exclude_self),
            *(result.numpy() for result in results),
        ),
    )
    index.copy_(results[0])  # a tensor's copy of itself is no work
    found.copy_(results[1])
