"""The search by blocks of inner products, with compiled selection."""

import math
import threading
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.linalg import vector_norm

from pyg_ext.utils.knn import score_kernels as kernels
from pyg_ext.utils.knn import task as tasks
from pyg_ext.utils.knn.scores import Scores
from pyg_ext.utils.knn.task import Task, ranges
from pyg_ext.utils.threads import in_threads, workers

LEAST = 256  # rows of a block, in which selection is worth its start


def by_products(task: Task) -> None:
    """Candidates from blocks of inner products and a running selection."""
    products = Products(task)
    threads = min(torch.get_num_threads(), len(task.y))
    with workers(threads) as do:
        for part in task.chunks(8 * Reservoir.capacity(task.size)):
            chosen = Reservoir(part, task.size)
            for blocks in rounds(task, part, threads):
                do(partial(products.select, chosen), blocks)
            products.refine(part, *chosen.candidates())


Block = tuple[slice, slice, bool]  # rows, columns, and whether it serves both


def rounds(task: Task, part: slice, threads: int) -> Iterator[list[Block]]:
    """The blocks of some rows, in rounds in which each row is in one block.

    Where points choose among themselves, a block serves its rows and its
    columns: each pair of blocks meets once, as players of a tournament do.
    """
    num = part.stop - part.start
    share = -(-num // threads)
    if task.same:
        share = max(-(-num // (2 * threads)), LEAST)
    rows = [*ranges(part.start, part.stop, min(tasks.BLOCK, share))]
    if not task.same:
        for columns in ranges(0, len(task.x), tasks.BLOCK):
            yield [(some, columns, False) for some in rows]
        return
    for ends in ((0, part.start), (part.stop, len(task.x))):
        for columns in ranges(*ends, tasks.BLOCK):
            yield [(some, columns, False) for some in rows]
    yield [(some, some, False) for some in rows]
    circle = len(rows) + len(rows) % 2 - 1  # and one that stays outside
    for turn in range(circle):
        pairs = [(turn, circle)] + [
            ((turn + i) % circle, (turn - i) % circle)
            for i in range(1, circle // 2 + 1)
        ]
        yield [
            (rows[i], rows[j], True) for i, j in pairs if max(i, j) < len(rows)
        ]


class Products:
    """Inner products of the points of a task, block by block."""

    def __init__(self, task: Task):
        sizes = (np.array([len(points)]) for points in (task.x, task.y))
        self.task, self.scores = task, Scores(task.x, task.y, *sizes)
        self.scale = float(self.scores.scale)
        self.half = self.scores.half.numpy()
        self._buffers = threading.local()

    def select(self, chosen: 'Reservoir', block: Block) -> None:
        """Adds the points of a block to the candidates of its rows, and the
        other way round if it serves both.
        """
        rows, columns, both = block
        y, x = self.scores.y[rows], self.scores.x[columns]
        product, transposed = self._buffer()[:, : len(y) * len(x)]
        product = torch.mm(y, x.T, out=product.view(len(y), len(x)))
        chosen.add(product.numpy(), self.half, columns, rows)
        if both:
            transposed = transposed.view(len(x), len(y)).copy_(product.T)
            chosen.add(transposed.numpy(), self.half, rows, columns)

    def _buffer(self) -> Tensor:
        """Room for a block and its transpose, of each thread."""
        if not hasattr(self._buffers, 'numbers'):
            task = self.task
            most = (min(tasks.BLOCK, len(some)) for some in (task.x, task.y))
            self._buffers.numbers = self.scores.x.new_empty(2, math.prod(most))
        return self._buffers.numbers

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
        state = (array[mine] for array in self.state)
        kernels.select(rows, *state, product, half[of], of.start, self.size)

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
