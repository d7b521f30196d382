"""How the candidates of a k-NN search are found, and how they are proven.

The k-d tree, and all distances in a small graph, are exact by themselves. The
other backends find a few more candidates than :math:`k` by a fast arithmetic
of known error. Their distances are then computed in float64, by difference; a
row whose k-th does not beat what was left out by more than that error is
searched again among all points that could be nearer.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.linalg import vector_norm

from pyg_ext.utils import knn_kernels as kernels
from pyg_ext.utils import knn_places, knn_tree
from pyg_ext.utils.threads import in_threads

MORE = 8  # candidates beyond k
BLOCK = 1024  # rows and columns of a block of inner products
SMALL = 256  # points of a graph of which all distances are computed
NUMBERS = 2**14  # likewise: most of these points' numbers
CROWD = 8  # points at one place that are no trouble
BYTES = 2**26  # of what grows with the number of rows done at a time
CACHED = 2**20  # of the same where it is small enough for a cache


@dataclass(frozen=True)
class Task:
    """The ``k`` nearest rows of ``x`` for each row of ``y``, in one graph; of
    more than ``size`` points, but for :func:`by_torch`.
    """

    x: Tensor  # [N, F]
    y: Tensor  # [M, F]
    exclude_self: bool
    index: Tensor  # [M, k], the result
    dist: Tensor  # [M, k], squared distances
    chunk_size: int | None = None

    @property
    def size(self) -> int:
        """How many candidates a row gets."""
        return self.index.size(1) + self.exclude_self + MORE

    def chunks(self, row_bytes: int) -> Iterator[slice]:
        """Ranges of rows to do at a time, whole blocks where they can be."""
        num = self.chunk_size or max(BYTES // row_bytes, 1)
        if num > BLOCK:
            num -= num % BLOCK
        return _ranges(0, len(self.y), num)

    def refine(
        self,
        rows: np.ndarray,
        candidates: np.ndarray,
        floor: np.ndarray,
        norm: np.ndarray,
        scale: float = 1.0,
        error: float = 0.0,
    ) -> np.ndarray:
        """Keeps the ``k`` nearest candidates, sorted, and returns the rows
        for which another point may be nearer.
        """
        left = np.empty(len(rows), bool)
        in_threads(
            kernels.refine,
            (rows, candidates, floor, norm, left),
            (scale, error, *self.arrays()),
        )
        return rows[left]

    def arrays(self) -> tuple:
        """What compiled loops want to know."""
        return (
            *(self.x.numpy(), self.y.numpy()),
            *(self.exclude_self, self.index.numpy(), self.dist.numpy()),
        )


class Points:
    """Centred float32 copies of the points, whose inner products give
    scores; see :mod:`~pyg_ext.utils.knn_kernels`.
    """

    def __init__(self, task: Task):
        x, y = task.x, task.y
        both = (x,) if y is x else (x, y)
        largest = max(float(t.abs().max()) for t in both)
        power = -int(np.frexp(largest)[1])
        most = 120 if x.dtype == torch.float else 500  # its square is a number
        self.task, self.scale = task, 2.0 ** min(max(power, -most), most)
        center = (x * self.scale).mean(0)
        self.center = center.double()
        self.x = (x * self.scale - center).float()
        self.y = self.x if y is x else (y * self.scale - center).float()
        # Relative, of sums in any order and of rounding the points:
        self.error = 1.01 * (x.size(1) + 8) * 2.0**-24
        self.norm = vector_norm(self.y, dim=1, dtype=torch.double)  # [M]
        self.half = 0.5 * self.x.square().sum(1)  # [N]
        size = min(BLOCK, len(x)) * min(BLOCK, len(y))
        self._room = self.x.new_empty(2, size)

    def product(self, rows: slice | np.ndarray, columns: slice) -> np.ndarray:
        """Inner products, in the place of the last ones."""
        y, x = self.y[rows], self.x[columns]
        out = self._room[0, : len(y) * len(x)].view(len(y), len(x))
        with full_precision(x.device):
            torch.mm(y, x.T, out=out)
        return out.numpy()

    def turned(self, product: np.ndarray) -> np.ndarray:
        """Its transpose, in the place of the last one."""
        rows, columns = product.shape
        out = self._room[1, : rows * columns].view(columns, rows)
        return out.copy_(torch.from_numpy(product).T).numpy()

    def limits(self, rows: slice | np.ndarray) -> Tensor:
        """The score that a point not farther than the k-th may seem to have,
        for rows whose candidates are refined.
        """
        squared = self.task.dist[rows, -1] * self.scale**2
        return kernels.highest(squared, self.norm[rows], self.error)

    def settle(
        self,
        part: slice,
        candidates: np.ndarray,
        floor: np.ndarray,
        factor: float = 1.0,
    ) -> None:
        """Puts candidates in their order; where another point, of a score not
        below the floor, may be nearer, looks through all that may be.
        """
        left = self.task.refine(
            np.arange(part.start, part.stop),
            *(candidates, floor, self.norm[part].numpy()),
            *(self.scale**2, factor * self.error),
        )
        for rows in _ranges(0, len(left), BLOCK):
            self._again(left[rows])

    def _again(self, rows: np.ndarray) -> None:
        """Searches some rows among all points, by scores in float64."""
        task = self.task
        y = self._centered(task.y[rows])
        norm = vector_norm(y, dim=1)
        error = self.error * 2.0**-29  # float64 has as many bits more
        squared = task.dist[rows, -1] * self.scale**2
        limit = kernels.highest(squared, norm, error)
        task.index[rows], task.dist[rows] = -1, torch.inf
        for columns in _ranges(0, len(task.x), BLOCK):
            x = self._centered(task.x[columns])
            half = 0.5 * x.square().sum(1)
            in_threads(
                kernels.scan,
                ((y @ x.T).numpy(), rows, limit.numpy(), norm.numpy()),
                (
                    *(half.numpy(), columns.start, self.scale**2, error),
                    *task.arrays(),
                ),
            )

    def _centered(self, points: Tensor) -> Tensor:
        return points.double() * self.scale - self.center


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Inner products of float32 in float32, whatever the user has set."""
    before = torch.get_float32_matmul_precision()
    if before != 'highest':
        torch.set_float32_matmul_precision('highest')
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        if before != 'highest':
            torch.set_float32_matmul_precision(before)


def exact(
    kernel: Callable[..., int],
    items: np.ndarray,
    given: tuple,
    task: Task,
    rows_per_item: int = 1,
) -> None:
    """Fills in what a kernel finds by distances in float64.

    Args:
        kernel: Finds the neighbors for some items, of so many rows at most;
            see :func:`~pyg_ext.utils.knn_kernels.brute`.
        items: All items.
        given: What else the kernel wants to know.
        task: Where the result goes.
        rows_per_item: See above.
    """
    index, dist = task.index.numpy(), task.dist.numpy()
    k = index.shape[1]
    step = max(CACHED // (24 * k * rows_per_item), 1)

    def do(items: np.ndarray) -> None:
        size = min(step, len(items)) * rows_per_item
        room = (
            np.empty(size, np.int64),
            np.empty((size, k), np.uint64),
            np.empty((size, k)),
            np.empty((size, k), np.int64),
        )
        for part in _ranges(0, len(items), step):
            num = kernel(items[part], *given, task.exclude_self, *room)
            rows, marked, *found = (array[:num] for array in room)
            marked.sort(axis=1)
            kernels.arrange(rows, marked, *found, index, dist)

    in_threads(do, (items,), ())


def by_tree(task: Task) -> None:
    """All from a k-d tree of exact arithmetic."""

    def grow(points: Tensor) -> tuple[np.ndarray, tuple]:
        points = points.double().numpy()
        tree = knn_tree.grow(points)
        return np.ascontiguousarray(points[tree[0]].T), tree

    tree_x = grow(task.x)
    tree_y = tree_x if task.y is task.x else grow(task.y)
    starts = tree_y[1][1]
    leaves = np.arange(len(starts) // 2, len(starts))
    given = *tree_y, *tree_x
    exact(knn_tree.query, leaves, given, task, knn_tree.LEAF)


def _sort(rows: np.ndarray) -> None:
    """NumPy sorts whole numbers many times faster than a compiled loop."""
    rows.sort(axis=1)


class Reservoir:
    """The running candidates of some rows."""

    def __init__(self, part: slice, size: int):
        num, room = part.stop - part.start, self.room(size)
        self.first, self.size = part.start, size
        self.state = (
            np.empty((num, room), np.uint64),
            np.zeros(num, np.int64),
            np.full(num, np.inf, np.float32),
        )

    @staticmethod
    def room(size: int) -> int:
        """Places for the candidates of a row."""
        return 2 * size + kernels.GROUP

    def offer(
        self, product: np.ndarray, half: np.ndarray, of: slice, to: slice
    ) -> None:
        """Offers the points ``of`` to the rows ``to``."""
        mine = slice(to.start - self.first, to.stop - self.first)
        receivers = np.arange(to.stop - to.start)
        in_threads(
            kernels.select,
            (receivers, *(array[mine] for array in self.state)),
            (product, half[of], of.start, self.size),
        )

    def candidates(self) -> tuple[np.ndarray, np.ndarray]:
        """The best of each row, and a score that no other lies under."""
        in_threads(kernels.cut, self.state, (self.size,))
        keys, _, limit = self.state
        keys = keys[:, : self.size]
        in_threads(_sort, (keys,), ())
        return keys, limit


def by_products(task: Task) -> None:
    """Candidates from blocks of inner products and a running selection.

    Where points choose among themselves, a block serves its rows and its
    columns.
    """
    points = Points(task)
    half = points.half.numpy()
    for part in task.chunks(8 * Reservoir.room(task.size)):
        chosen = Reservoir(part, task.size)
        mirror = points.y is points.x and part.start % BLOCK == 0
        for rows in _ranges(part.start, part.stop, BLOCK):
            for columns in _ranges(0, len(points.x), BLOCK):
                inside = part.start <= columns.start < part.stop
                if mirror and inside and columns.start < rows.start:
                    continue
                product = points.product(rows, columns)
                chosen.offer(product, half, columns, rows)
                if mirror and inside and columns.start > rows.start:
                    chosen.offer(points.turned(product), half, rows, columns)
        points.settle(part, *chosen.candidates())


def by_faiss(task: Task) -> None:
    """Candidates from the flat index of faiss."""
    import faiss

    points = Points(task)
    index = faiss.IndexFlatL2(points.x.size(1))
    index.add(points.x.numpy())
    for part in task.chunks(12 * task.size):
        found, near = index.search(points.y[part].numpy(), task.size)
        norm = points.norm[part].numpy()
        floor = (0.5 * (found[:, -1] - norm**2)).astype(np.float32)
        # It adds the norms of both points, which rounds once more:
        points.settle(part, near.view(np.uint64), floor, factor=2.0)


def by_torch(task: Task) -> None:
    """All on the device of the points, by PyTorch alone."""
    points, num = Points(task), len(task.x)
    wide = 8 * task.x.size(1) + 256  # bytes of a pair while it is refined
    everything = torch.arange(num, device=task.x.device)
    for part in task.chunks(8 * num + task.size * wide):
        left = torch.arange(part.start, part.stop, device=task.x.device)
        if num > task.size:
            with full_precision(task.x.device):
                score = points.half - points.y[part] @ points.x.T
            score, near = score.topk(task.size, largest=False)
            _keep(task, left, near.sort().values)
            left = left[points.limits(part) >= score[:, -1]]
        for rows in left.split(max(BYTES // (num * wide), 1)):
            _keep(task, rows, everything.expand(len(rows), -1))


def _keep(task: Task, rows: Tensor, near: Tensor) -> None:
    """Keeps the ``k`` nearest of candidates that ascend by index."""
    dist = distances(task.x[near], task.y[rows, None])
    if task.exclude_self:
        dist[near == rows[:, None]] = torch.inf
    dist, order = dist.sort(stable=True)
    k = min(task.index.size(1), dist.size(1))
    dist, near = dist[:, :k], near.gather(1, order[:, :k])
    task.dist[rows, :k] = dist
    task.index[rows, :k] = near.masked_fill(dist.isinf(), -1)


def distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances along the last dimension, in float64 and in the order
    of :func:`~pyg_ext.utils.knn_kernels.distance`.
    """

    def terms(first: int, last: int) -> Tensor:
        a, b = x[..., first:last], y[..., first:last]
        return (a.double() - b.double()).square()

    whole = x.size(-1) - x.size(-1) % 8
    total = torch.zeros((), dtype=torch.double, device=x.device)
    if whole:
        sums = terms(0, 8)
        for first in range(8, whole, 8):
            sums = sums + terms(first, first + 8)
        for _ in range(3):
            sums = sums[..., ::2] + sums[..., 1::2]
        total = sums.squeeze(-1)
    for first in range(whole, x.size(-1)):
        total = total + terms(first, first + 1).squeeze(-1)
    return total


def _ranges(start: int, stop: int, step: int) -> Iterator[slice]:
    for first in range(start, stop, step):
        yield slice(first, min(first + step, stop))


BACKENDS = {
    'tree': by_tree,
    'products': by_products,
    'faiss': by_faiss,
    'torch': by_torch,
}


def search(
    x: Tensor,
    y: Tensor,
    sizes_x: Tensor,
    sizes_y: Tensor,
    cosine: bool,
    exclude_self: bool,
    index: Tensor,
    dist: Tensor,
    backend: str,
    chunk_size: int | None,
) -> None:
    """Fills ``index`` and ``dist``, the squared distances, for points that
    lie graph by graph. Where there is no neighbor, both stay as they are.

    With ``cosine``, the distances are those of points on a sphere: twice one
    minus the cosine.
    """
    same = y is x
    if cosine:
        x = _on_sphere(x)
        y = x if same else _on_sphere(y)
    num = min(len(sizes_x), len(sizes_y))
    ends_x, ends_y = (
        np.concatenate([[0], sizes.cumsum(0).numpy()])
        for sizes in (sizes_x, sizes_y)
    )
    full = (sizes_x[:num] > 0) & (sizes_y[:num] > 0)
    small = torch.zeros_like(full)
    if backend != 'torch':
        most = min(SMALL, NUMBERS // x.size(1))
        small = sizes_x[:num] <= max(most, index.size(1) + 1 + MORE)
    if small.any():
        of_y = np.arange(num).repeat(sizes_y[:num].numpy())
        rows = (full & small).numpy()[of_y].nonzero()[0]
        given = ends_x[of_y], ends_x[1:][of_y], x.numpy(), y.numpy()
        task = Task(x, y, exclude_self, index, dist)
        exact(kernels.brute, rows, given, task)
    large = (full & ~small).nonzero().view(-1).tolist()
    crowded, most = np.zeros(num, bool), min(index.size(1), CROWD)
    if large:
        for points, ends in [(x, ends_x), (y, ends_y)][: 1 if same else 2]:
            crowded |= knn_places.crowded(points, ends, most)[:num]
    for g in large:
        of_x, of_y = (slice(*ends[g : g + 2]) for ends in (ends_x, ends_y))
        points = x[of_x]
        found = index[of_y]
        task = Task(
            points,
            points if same else y[of_y],
            exclude_self,
            found,
            dist[of_y],
            chunk_size,
        )
        if not (crowded[g] and by_place(task, backend)):
            BACKENDS[backend](task)
        if of_x.start:
            found += of_x.start * (found >= 0)


def by_place(task: Task, backend: str) -> bool:
    """Takes points at one place for one where that is faster; returns whether
    it is.
    """
    x, y = task.x, task.y
    of_x = knn_places.places(x)
    of_y = of_x if y is x else knn_places.places(y)
    if of_x is None or of_y is None:
        return False
    if not any(
        places.size.max() > task.index.size(1)
        or 2 * len(places.size) <= len(places.points)
        for places in (of_x, of_y)
    ):
        return False
    first_x = of_x.first(x)
    first_y = first_x if y is x else of_y.first(y)
    k = min(task.index.size(1) + task.exclude_self, len(first_x))
    near = task.index.new_full((len(first_y), k), -1)
    dist = torch.full_like(near, torch.inf, dtype=torch.double)
    search(
        *(
            first_x,
            first_y,
            *(torch.tensor([len(t)]) for t in (first_x, first_y)),
        ),
        *(False, False, near, dist, backend, task.chunk_size),
    )
    knn_places.expand(
        near, dist, of_x, of_y, task.exclude_self, task.index, task.dist
    )
    return True


def _on_sphere(x: Tensor) -> Tensor:
    """Points scaled to length one; those in the origin go together to a
    dimension of their own.
    """
    x = x.double()
    largest = x.abs().amax(1, keepdim=True)
    x = x / largest.masked_fill(largest == 0, 1.0)
    square = distances(x, torch.zeros_like(x[:1])).unsqueeze(1)
    norm = square.cpu().sqrt().to(x.device)  # on CUDA a root may round anew
    return torch.cat([x / norm.clamp(min=1.0), norm == 0], dim=1)
