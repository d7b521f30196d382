"""The search by blocks of inner products, with compiled selection."""

import numpy as np
import torch
from torch import Tensor
from torch.linalg import vector_norm

from pyg_ext.utils.knn import score_kernels as kernels
from pyg_ext.utils.knn import task as tasks
from pyg_ext.utils.knn.scores import Scores, full_precision
from pyg_ext.utils.knn.task import Task, ranges
from pyg_ext.utils.threads import in_threads


def by_products(task: Task) -> None:
    """Candidates from blocks of inner products and a running selection.

    Where points choose among themselves, a block serves its rows and its
    columns.
    """
    products, block = Products(task), tasks.BLOCK
    half = products.scores.half.numpy()
    for part in task.chunks(8 * Reservoir.capacity(task.size)):
        chosen = Reservoir(part, task.size)
        mirror = task.same and part.start % block == 0
        for rows in ranges(part.start, part.stop, block):
            for columns in ranges(0, len(task.x), block):
                inside = part.start <= columns.start < part.stop
                if mirror and inside and columns.start < rows.start:
                    continue
                product = products.product(rows, columns)
                chosen.add(product, half, columns, rows)
                if mirror and inside and columns.start > rows.start:
                    transposed = products.transposed(product)
                    chosen.add(transposed, half, rows, columns)
        products.refine(part, *chosen.candidates())


class Products:
    """Inner products of the points of a task, block by block."""

    def __init__(self, task: Task):
        sizes = (np.array([len(points)]) for points in (task.x, task.y))
        self.task, self.scores = task, Scores(task.x, task.y, *sizes)
        self.scale = float(self.scores.scale)
        size = min(tasks.BLOCK, len(task.x)) * min(tasks.BLOCK, len(task.y))
        self._buffer = self.scores.x.new_empty(2, size)

    def product(self, rows: slice, columns: slice) -> np.ndarray:
        """Inner products, in the place of the last ones."""
        y, x = self.scores.y[rows], self.scores.x[columns]
        out = self._buffer[0, : len(y) * len(x)].view(len(y), len(x))
        with full_precision(x.device):
            torch.mm(y, x.T, out=out)
        return out.numpy()

    def transposed(self, product: np.ndarray) -> np.ndarray:
        """Its transpose, in the place of the last one."""
        rows, columns = product.shape
        out = self._buffer[1, : rows * columns].view(columns, rows)
        return out.copy_(torch.from_numpy(product).T).numpy()

    def refine(
        self, part: slice, candidates: np.ndarray, floor: np.ndarray
    ) -> None:
        """Keeps the nearest candidates in their order; where another point,
        of a score not below the floor, may be nearer, looks through all.
        """
        rows = np.arange(part.start, part.stop)
        norm = self.scores.norm[part].numpy()
        left = np.empty(len(rows), bool)
        in_threads(
            kernels.refine,
            (rows, candidates, floor, norm, left),
            (self.scale**2, self.scores.error, *self.task.arrays()),
        )
        for some in ranges(0, int(left.sum()), tasks.BLOCK):
            self._scan(rows[left][some])

    def _scan(self, rows: np.ndarray) -> None:
        """Searches some rows among all points, by scores in float64."""
        task = self.task
        y = self._centered(task.y[rows])
        norm = vector_norm(y, dim=1)
        error = self.scores.error * 2.0**-29  # float64 has as many bits more
        squared = task.dist[rows, -1] * self.scale**2
        limit = kernels.highest(squared, norm, error)
        task.index[rows], task.dist[rows] = -1, torch.inf
        for columns in ranges(0, len(task.x), tasks.BLOCK):
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
        return points.double() * self.scale - self.scores.center


class Reservoir:
    """The running candidates of some rows."""

    def __init__(self, part: slice, size: int):
        num, capacity = part.stop - part.start, self.capacity(size)
        self.first, self.size = part.start, size
        self.state = (
            np.empty((num, capacity), np.uint64),
            np.zeros(num, np.int64),
            np.full(num, np.inf, np.float32),
        )

    @staticmethod
    def capacity(size: int) -> int:
        """How many candidates a row can hold at a time."""
        return 2 * size + kernels.GROUP

    def add(
        self, product: np.ndarray, half: np.ndarray, of: slice, to: slice
    ) -> None:
        """Adds the points ``of`` to the candidates of the rows ``to``."""
        mine = slice(to.start - self.first, to.stop - self.first)
        rows = np.arange(to.stop - to.start)
        in_threads(
            kernels.select,
            (rows, *(array[mine] for array in self.state)),
            (product, half[of], of.start, self.size),
        )

    def candidates(self) -> tuple[np.ndarray, np.ndarray]:
        """The best of each row, and a score that no other lies under."""
        in_threads(kernels.cut, self.state, (self.size,))
        keys, _, limit = self.state
        keys = keys[:, : self.size]
        in_threads(_sort, (keys,), ())
        return keys, limit


def _sort(rows: np.ndarray) -> None:
    """NumPy sorts whole numbers many times faster than a compiled loop."""
    rows.sort(axis=1)
