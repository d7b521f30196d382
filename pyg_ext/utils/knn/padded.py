"""The search by PyTorch alone, for many graphs at once, on any device."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from pyg_ext.utils.knn.scores import Scores, full_precision
from pyg_ext.utils.knn.task import Task, ranges

BYTES = 2**24  # of what is computed at a time, near to what caches hold
BYTES_ON_DEVICE = 2**30  # likewise beyond the CPU, which waits for each call


def by_torch(
    task: Task, ends_x: np.ndarray, ends_y: np.ndarray, graphs: np.ndarray
) -> None:
    """Candidates from inner products of graphs of like size, padded to the
    largest of these; where another point may be nearer, all distances.

    Args:
        task: The points of all graphs, graph by graph.
        ends_x: Where graphs start in ``x``, and the last one ends.
        ends_y: Likewise in ``y``.
        graphs: The graphs to do, none of them empty.
    """
    most = BYTES if task.x.device.type == 'cpu' else BYTES_ON_DEVICE
    padded = _Padded(task, ends_x, ends_y, most)
    sizes_x, sizes_y, dims = np.diff(ends_x), np.diff(ends_y), task.x.size(1)
    for alike in _alike(sizes_x, sizes_y, graphs):
        most_x, most_y = sizes_x[alike].max(), sizes_y[alike].max()
        row = 8 * most_x + min(task.size, most_x) * padded.pair  # bytes
        rows = task.chunk_size or max(most // row, 1)
        num = max(most // (4 * dims * most_x + most_y * row), 1)
        if task.chunk_size:
            num = min(num, max(rows // most_y, 1))
        for part in ranges(0, len(alike), int(num)):
            padded.run(alike[part], int(most_x), int(most_y), int(rows))


def _alike(
    sizes_x: np.ndarray, sizes_y: np.ndarray, graphs: np.ndarray
) -> Iterator[np.ndarray]:
    """Graphs whose sizes differ by less than a factor of two, by size."""
    x, y = sizes_x[graphs], sizes_y[graphs]
    powers = np.frexp(x)[1], np.frexp(y)[1]
    order = np.lexsort((y, x, *powers))
    new = np.any([np.diff(power[order]) != 0 for power in powers], axis=0)
    yield from np.split(graphs[order], new.nonzero()[0] + 1)


class _Padded:
    """The points of all graphs, on their device."""

    def __init__(
        self, task: Task, ends_x: np.ndarray, ends_y: np.ndarray, most: int
    ):
        self.task, self.most = task, most
        self.scores = Scores(task.x, task.y, np.diff(ends_x), np.diff(ends_y))
        self.ends_x, self.ends_y = (
            torch.from_numpy(ends).to(task.x.device)
            for ends in (ends_x, ends_y)
        )
        self.pair = 20 * task.x.size(1) + 256  # bytes while one is refined

    def run(
        self, graphs: np.ndarray, most_x: int, most_y: int, num: int
    ) -> None:
        """Fills in some graphs of at most so many points, so many rows of
        each at a time.
        """
        graphs = torch.from_numpy(graphs).to(self.ends_x.device)
        columns = _padded(self.ends_x, graphs, most_x)  # [B, N]
        rows = _padded(self.ends_y, graphs, most_y)  # [B, M]
        size = self.task.size
        if columns.size(1) <= size:
            for some in rows.split(num, 1):
                real = graph, _ = (some >= 0).nonzero(as_tuple=True)
                self.keep(some[real], columns[graph])
            return
        x = self.scores.x[columns].mT  # [B, F, N]
        half = self.scores.half[columns].masked_fill_(columns < 0, torch.inf)
        for some in rows.split(num, 1):
            with full_precision(x.device):
                product = self.scores.y[some] @ x  # [B, M, N]
            score = torch.sub(half.unsqueeze(1), product, out=product)
            score, near = score.topk(size, 2, False, sorted=False)
            real = graph, _ = (some >= 0).nonzero(as_tuple=True)
            some, score, near = some[real], score[real], near[real]
            near = columns[graph.unsqueeze(1), near]  # [rows, size]
            self.keep(some, near.sort().values)
            # An infinite score is that of padding: no point was left out.
            last = score.amax(1)
            limit = self.scores.limits(some, self.task.dist[some, -1])
            left = (limit >= last) & last.isfinite()
            left = left.nonzero().squeeze(1)
            some, graph = some[left], graph[left]
            at_once = max(self.most // (columns.size(1) * self.pair), 1)
            for part in ranges(0, len(some), at_once):
                self.keep(some[part], columns[graph[part]])

    def keep(self, rows: Tensor, near: Tensor) -> None:
        """Keeps the ``k`` nearest of candidates that ascend by index, -1 for
        none.
        """
        task = self.task
        dist = distances(task.x[near], task.y[rows, None])
        none = near < 0
        if task.exclude_self:
            none |= near == rows[:, None]
        dist, order = dist.masked_fill_(none, torch.inf).sort(stable=True)
        k = min(task.index.size(1), dist.size(1))
        dist, near = dist[:, :k], near.gather(1, order[:, :k])
        task.dist[rows, :k] = dist
        task.index[rows, :k] = near.masked_fill(dist.isinf(), -1)


def _padded(ends: Tensor, graphs: Tensor, most: int) -> Tensor:
    """The points of some graphs, ``[graphs, most points]``, -1 behind the
    last of each.
    """
    start, size = ends[graphs], ends[graphs + 1] - ends[graphs]
    place = torch.arange(most, device=ends.device)
    points = start.unsqueeze(1) + place
    return points.masked_fill_(place >= size.unsqueeze(1), -1)


def distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances along the last dimension, in float64 and in the order
    of :func:`~pyg_ext.utils.knn.kernels.distance`.
    """
    terms = torch.sub(x.double(), y).square_()
    whole = x.size(-1) - x.size(-1) % 8
    total = torch.zeros((), dtype=torch.double, device=x.device)
    if whole:
        sums = terms[..., :8]
        for first in range(8, whole, 8):
            sums = sums + terms[..., first : first + 8]
        for _ in range(3):
            sums = sums[..., ::2] + sums[..., 1::2]
        total = sums.squeeze(-1)
    for last in range(whole, x.size(-1)):
        total = total + terms[..., last]
    return total
