import math
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import closing
from contextvars import ContextVar
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.typing import OptTensor
from tqdm import tqdm

from pyg_ext.utils.checks import (
    check_count,
    check_edges,
    check_real,
    check_targets,
    check_untraced,
)
from pyg_ext.utils.csr import CSRTensor
from pyg_ext.utils.threads import in_order

BLOCK = 256  # seeds that a thread takes at a time
TINY = 1e-100  # probabilities below are left out, as are less degrees
ROOM = 1 << 16  # entries that a block has room for, or all of one seed

MOST_NODES = 2**31 - 1  # kept as int32

NONE = np.zeros(0)

Graph = tuple[Tensor, OptTensor, int | None]  # edges, weights, nodes


@dataclass(frozen=True)
class Steps:
    """The steps that a walk may take, in rows.

    Args:
        rowptr: Where the row of each node starts, ``[N + 1]``.
        col: The nodes that it may go to, ``[E]``.
        prob: Their probabilities ``[E]``, empty where all of a row are equal.
        degree: Sum of the weights of a row, in units of the mean weight, 1
            for an empty row, ``[N]``.
        root: Square root of the sum of the weights of a row, ``[N]``.
        device: Where the graph is.
        dtype: The type of similarities.
    """

    rowptr: np.ndarray
    col: np.ndarray
    prob: np.ndarray
    degree: np.ndarray
    root: np.ndarray
    device: torch.device
    dtype: torch.dtype

    @classmethod
    def of(
        cls,
        edge_index: Tensor,
        edge_weight: OptTensor = None,
        num_nodes: int | None = None,
    ) -> 'Steps':
        """The steps along the edges, of which repeated ones are summed.

        Raises:
            ValueError: If the graph makes no sense, or has too many nodes.
        """
        from scipy.sparse import coo_matrix

        check_untraced('similarity by random walks')

        edge_index, edge_weight, size = check_edges(
            edge_index, edge_weight, num_nodes
        )
        if size > MOST_NODES:
            raise ValueError(
                f'num_nodes must be at most {MOST_NODES} (got {size})'
            )
        ends = edge_index.cpu()
        largest, share = row_shares(ends[0], edge_weight, size)
        entries = (share.numpy(), ends.numpy())
        rows = coo_matrix(entries, (size, size)).tocsr()
        total = np.asarray(rows.sum(1)).ravel()  # [N]
        rows.data[
            rows.data <= TINY * np.repeat(total, np.diff(rows.indptr))
        ] = 0
        rows.eliminate_zeros()
        number = np.diff(rows.indptr)
        prob = NONE
        if not (rows.data == rows.data[:1]).all():
            prob = rows.data / np.repeat(total, number)
        unit = largest.numpy()
        root = np.where(number > 0, np.sqrt(unit) * np.sqrt(total), 0.0)
        unit = unit / (unit.max(initial=0.0) or 1.0)
        degree = unit * total
        if rows.nnz:
            degree /= (rows.data * np.repeat(unit, number)).mean()
        return cls(
            rows.indptr.astype(np.int64),
            rows.indices.astype(np.int32),
            prob,
            np.where(number > 0, degree.clip(TINY), 1.0),
            root,
            edge_index.device,
            value_type(edge_weight),
        )

    def stuck(self) -> np.ndarray:
        """Which nodes a walk does not leave, ``[N]``."""
        return self.rowptr[1:] == self.rowptr[:-1]

    def least_degree(self) -> float:
        """The least degree, or one if all are larger."""
        return float(self.degree.min(initial=1.0))

    def transposed(self) -> CSRTensor:
        """The transition matrix, transposed, ``[N, N]``."""
        size = len(self.degree)
        number = np.diff(self.rowptr)
        row = np.repeat(np.arange(size), number)
        prob = self.prob if len(self.prob) else 1.0 / number[row]
        stuck = np.flatnonzero(self.stuck())
        index = [np.append(self.col, stuck), np.append(row, stuck)]
        value = np.append(prob, np.ones(len(stuck)))
        return CSRTensor.from_coo(
            torch.from_numpy(np.stack(index)),
            torch.from_numpy(value),
            (size, size),
        )

    def graph(self) -> tuple[np.ndarray, ...]:
        """What the kernels take."""
        from pyg_ext.utils.diffusion_kernels import row_sums

        sums = row_sums(self.rowptr, self.prob) if len(self.prob) else NONE
        return self.rowptr, self.col, self.prob, sums, self.degree


@dataclass(frozen=True)
class Keep:
    """What to keep of the similarities of a seed.

    Args:
        k: The most nodes for each seed, or all.
        threshold: The least similarity.
        avg_degree: The mean number of nodes for each seed: the smallest
            similarities of all seeds are left out.
        loop: Whether the seed counts among its nodes.
        normalization: ``col`` for the probabilities of the walk from the
            seed; ``sym`` and ``row`` for those powers of the degree that make
            them the columns of what GDC names so.
    """

    k: int | None = None
    threshold: float | None = None
    avg_degree: int | None = None
    loop: bool = True
    normalization: str = 'col'

    def __post_init__(self) -> None:
        for name in ('k', 'avg_degree'):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, check_count(name, value))
        if self.threshold is not None:
            threshold = check_real('threshold', self.threshold)
            if math.isnan(threshold):
                raise ValueError('threshold must be a number (got nan)')
            object.__setattr__(self, 'threshold', threshold)
        object.__setattr__(self, 'loop', bool(self.loop))

    def scale(self, steps: Steps) -> np.ndarray:
        """A factor for each node: a similarity is multiplied by that of the
        node and divided by that of the seed, but for that of the seed to
        itself. It is zero where a walk stays, as with the inverse degree of
        GDC.
        """
        if self.normalization == 'col':
            return NONE
        some = steps.root > 0.0
        root = steps.root[some]
        scale = np.zeros(len(some))
        if len(root):  # in the middle of what float64 has room for
            scale[some] = np.sqrt(root.min()) * np.sqrt(root.max()) / root
        return (
            scale if self.normalization == 'sym' else scale.clip(0, 1e150) ** 2
        )


def row_shares(
    row: Tensor, weight: OptTensor, num_nodes: int
) -> tuple[Tensor, Tensor]:
    """The largest weight of each row ``[N]``, and the weights in units of it
    ``[E]``, in float64: rows may differ by any factor.
    """
    if weight is None:
        weight = torch.ones(len(row))
    weight = weight.detach().to(row.device, torch.float64)
    largest = weight.new_zeros(num_nodes)
    largest.scatter_reduce_(0, row, weight, 'amax')
    unit = torch.where(largest > 0.0, largest, 1.0)
    return largest, weight / unit[row]


def value_type(edge_weight: OptTensor) -> torch.dtype:
    """The type of similarities: that of the weights, if it has fractions."""
    if edge_weight is None or not edge_weight.is_floating_point():
        return torch.get_default_dtype()
    return edge_weight.dtype


def most_similar(
    kernel: Callable[..., int],
    rest: tuple[Any, ...],
    steps: Steps,
    targets: OptTensor,
    keep: Keep,
    progress: bool = False,
) -> tuple[Tensor, Tensor]:
    """Runs a kernel of :mod:`~pyg_ext.utils.diffusion_kernels` on all seeds,
    in threads; the result does not depend on their number.

    Returns:
        Seeds and nodes ``[2, E]``, for each seed the most similar first, and
        the similarities ``[E]``.
    """
    size = len(steps.degree)
    seeds = check_targets(targets, size).numpy()
    least = -np.inf if keep.threshold is None else keep.threshold
    search = Search(
        kernel.__name__,
        rest,
        steps.graph(),
        (min(keep.k or size, size), least, keep.loop, keep.scale(steps)),
        np.float64 if steps.dtype == torch.float64 else np.float32,
    )
    spread = ELSEWHERE.get()
    if spread is None:
        blocks = search.run(seeds, torch.get_num_threads())
    else:
        blocks = spread(search, seeds)
    collected = Collected(keep.avg_degree, len(seeds))
    bar = tqdm(total=len(seeds), disable=not progress)
    with bar, closing(blocks):
        for counts, nodes, values in blocks:
            collected.add(counts, nodes, values)
            bar.update(len(counts))
    edges, weight = collected.edges(seeds)
    return edges.to(steps.device), weight.to(steps.device, steps.dtype)


Found = tuple[np.ndarray, np.ndarray, np.ndarray]
"""How many nodes each seed of a block has ``[B]``, the nodes and the values,
``[E]``."""


@dataclass(frozen=True)
class Search:
    """What to find for any seeds; only read, so that many may share it.

    Args:
        kernel: The name of what runs.
        rest: Its further arguments.
        rows: The graph as the kernels take it.
        rule: The most nodes, the least value, whether a seed counts, and a
            factor for each node.
        stored: The type to keep values in.
    """

    kernel: str
    rest: tuple[Any, ...]
    rows: tuple[np.ndarray, ...]
    rule: tuple[int, float, bool, np.ndarray]
    stored: type[np.floating]

    def run(self, seeds: np.ndarray, threads: int) -> Iterator[Found]:
        """Looks in threads; what is found is in order, block by block."""
        from pyg_ext.utils import diffusion_kernels as kernels

        kernel = getattr(kernels, self.kernel)
        size = len(self.rows[0]) - 1
        room = max(min(BLOCK * self.rule[0], ROOM), size)
        stop = np.zeros(1, np.bool_)
        spare: SimpleQueue[tuple] = SimpleQueue()
        for _ in range(threads):
            floats = [np.zeros(size) for _ in range(3)]
            places = [np.zeros(size, np.int32) for _ in range(3)]
            spare.put(
                (
                    (*floats, *places, np.zeros(size), stop),
                    np.empty(room, np.int32),
                    np.empty(room),
                )
            )

        def block(part: np.ndarray) -> Found:
            work, *found = taken = spare.get()
            counts = np.zeros(len(part), np.int64)
            pieces: list[list[np.ndarray]] = []
            done = 0
            try:
                while done < len(part):
                    out = (counts[done:], *found)
                    new = kernel(
                        part[done:],
                        self.rows,
                        self.rule,
                        work,
                        out,
                        *self.rest,
                    )
                    if stop[0]:
                        raise CancelledError
                    total = counts[done : done + new].sum()
                    pieces.append([array[:total].copy() for array in found])
                    done += new
            finally:  # or another block would wait for it
                spare.put(taken)
            nodes, values = map(np.concatenate, zip(*pieces, strict=True))
            return counts, nodes, values.astype(self.stored)

        parts = [seeds[i : i + BLOCK] for i in range(0, len(seeds), BLOCK)]
        yield from in_order(block, parts, threads, stop)


ELSEWHERE: ContextVar[Callable[[Search, np.ndarray], Iterator[Found]] | None]
ELSEWHERE = ContextVar('ELSEWHERE', default=None)


class Collected:
    """What the blocks found, in order; never much more than is wanted."""

    def __init__(self, avg_degree: int | None, num_seeds: int):
        self.wanted = None if avg_degree is None else avg_degree * num_seeds
        self.parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.size = 0

    def add(
        self, counts: np.ndarray, nodes: np.ndarray, values: np.ndarray
    ) -> None:
        self.parts.append((counts, nodes, values))
        self.size += len(nodes)
        if self.wanted is not None and self.size > 2 * self.wanted + ROOM:
            self.cut(self.border()[0])

    def border(self) -> np.ndarray:
        """The first value that is not wanted, and the last that is."""
        values = np.concatenate([values for _, _, values in self.parts])
        places = np.array([-self.wanted - 1, -self.wanted])
        return np.partition(values, places)[places]

    def cut(self, least: float) -> None:
        """Leaves out smaller values."""
        for i, (counts, nodes, values) in enumerate(self.parts):
            stay = values >= least
            row = np.repeat(np.arange(len(counts)), counts)[stay]
            left = np.bincount(row, minlength=len(counts))
            self.parts[i] = left, nodes[stay], values[stay]
        self.size = sum(len(nodes) for _, nodes, _ in self.parts)

    def edges(self, seeds: np.ndarray) -> tuple[Tensor, Tensor]:
        """Seeds and nodes ``[2, E]``, and the values ``[E]``."""
        if self.wanted is not None and self.size > self.wanted:
            self.cut(self.border().mean())  # as GDC does
        none = (np.zeros(0, np.int64), np.zeros(0, np.int32), NONE)
        counts, nodes, values = map(
            np.concatenate, zip(*(self.parts or [none]), strict=True)
        )
        index = np.empty((2, len(nodes)), np.int64)
        index[0], index[1] = np.repeat(seeds, counts), nodes
        return torch.from_numpy(index), torch.from_numpy(values)
