from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

EXTRA = 8  # candidates beyond k
BLOCK = 1024  # rows and columns of a block of inner products
BYTES = 2**26  # of what grows with the number of rows done at a time


@dataclass(frozen=True)
class Task:
    """The ``k`` nearest rows of ``x`` for each row of ``y``."""

    x: Tensor  # [N, F]
    y: Tensor  # [M, F]
    exclude_self: bool
    index: Tensor  # [M, k], the result
    dist: Tensor  # [M, k], squared distances
    chunk_size: int | None = None

    @property
    def same(self) -> bool:
        """Whether points choose among themselves."""
        return self.y is self.x

    @property
    def size(self) -> int:
        """How many candidates a row gets."""
        return self.index.size(1) + self.exclude_self + EXTRA

    def chunks(self, row_bytes: int) -> Iterator[slice]:
        """Ranges of rows to do at a time, whole blocks where they can be."""
        num = self.chunk_size or max(BYTES // row_bytes, 1)
        if num > BLOCK:
            num -= num % BLOCK
        return ranges(0, len(self.y), num)

    def slice(self, x: slice, y: slice) -> 'Task':
        """The task of one graph, whose results are views of these."""
        points = self.x[x]
        return Task(
            *(points, points if self.same else self.y[y], self.exclude_self),
            *(self.index[y], self.dist[y], self.chunk_size),
        )

    def arrays(self) -> tuple:
        """What compiled loops want to know."""
        return (
            *(self.x.numpy(), self.y.numpy()),
            *(self.exclude_self, self.index.numpy(), self.dist.numpy()),
        )


def ranges(start: int, stop: int, step: int) -> Iterator[slice]:
    """Slices of a range, of at most ``step`` each."""
    for first in range(start, stop, step):
        yield slice(first, min(first + step, stop))
