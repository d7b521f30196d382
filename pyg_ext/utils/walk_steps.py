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
MIN_PROB = 1e-100  # probabilities below are left out, as are less degrees
CAPACITY = 1 << 16  # entries of the output of a block, or all of one seed

MAX_NODES = 2**31 - 1  # kept as int32

EMPTY = np.zeros(0)

Graph = tuple[Tensor, OptTensor, int | None]  # edges, weights, nodes


@dataclass(frozen=True)
class TransitionMatrix:
    """The transition matrix of a random walk in CSR form.

    Args:
        rowptr: Where the row of each node starts, ``[N + 1]``.
        col: The columns, ``[E]``.
        prob: The probabilities ``[E]``, empty where all of a row are equal.
        degree: Sum of the weights of a row, in units of the mean weight, 1
            for an empty row, ``[N]``.
        sqrt_degree: Square root of the sum of the weights of a row, ``[N]``.
        device: Where the graph is.
        dtype: The type of similarities.
    """

    rowptr: np.ndarray
    col: np.ndarray
    prob: np.ndarray
    degree: np.ndarray
    sqrt_degree: np.ndarray
    device: torch.device
    dtype: torch.dtype

    @classmethod
    def from_edges(
        cls,
        edge_index: Tensor,
        edge_weight: OptTensor = None,
        num_nodes: int | None = None,
    ) -> 'TransitionMatrix':
        """The walk along the edges, of which repeated ones are summed.

        Raises:
            ValueError: If the graph makes no sense, or has too many nodes.
        """
        check_untraced('similarity by random walks')

        edge_index, edge_weight, size = check_edges(
            edge_index, edge_weight, num_nodes
        )
        if size > MAX_NODES:
            raise ValueError(
                f'num_nodes must be at most {MAX_NODES} (got {size})'
            )
        ends, arrays = edge_index.cpu(), None
        unit = _one_weight(edge_weight)
        if unit is not None:
            arrays = _plain_rows(ends, unit, size)
        if arrays is None:
            arrays = _weighted_rows(ends, edge_weight, size)
        return cls(*arrays, edge_index.device, value_type(edge_weight))

    def dangling(self) -> np.ndarray:
        """Which nodes have an empty row, so that a walk stays, ``[N]``."""
        return self.rowptr[1:] == self.rowptr[:-1]

    def least_degree(self) -> float:
        """The least degree, or one if all are larger."""
        return float(self.degree.min(initial=1.0))

    def t(self) -> CSRTensor:
        """The transition matrix, transposed, ``[N, N]``."""
        size = len(self.degree)
        number = np.diff(self.rowptr)
        row = np.repeat(np.arange(size), number)
        prob = self.prob if len(self.prob) else 1.0 / number[row]
        dangling = np.flatnonzero(self.dangling())
        index = [np.append(self.col, dangling), np.append(row, dangling)]
        value = np.append(prob, np.ones(len(dangling)))
        return CSRTensor.from_coo(
            torch.from_numpy(np.stack(index)),
            torch.from_numpy(value),
            (size, size),
        )

    def csr(self) -> tuple[np.ndarray, ...]:
        """The arrays that the kernels take."""
        from pyg_ext.utils.diffusion_kernels import row_cumsum

        prob = self.prob
        cumsum = row_cumsum(self.rowptr, prob) if len(prob) else EMPTY
        return self.rowptr, self.col, prob, cumsum, self.degree


@dataclass(frozen=True)
class Sparsification:
    """How the similarity matrix is sparsified, row by row.

    Args:
        k: The most entries of a row, or all.
        threshold: The least similarity.
        avg_degree: The mean number of entries of a row: the smallest
            similarities of all rows are left out.
        loop: Whether the diagonal counts.
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

    def scale(self, transition: TransitionMatrix) -> np.ndarray:
        """A factor for each node: a similarity is multiplied by that of the
        node and divided by that of the seed, but for that of the seed to
        itself. It is zero where a walk stays, as with the inverse degree of
        GDC.
        """
        if self.normalization == 'col':
            return EMPTY
        some = transition.sqrt_degree > 0.0
        root = transition.sqrt_degree[some]
        scale = np.zeros(len(some))
        if len(root):  # in the middle of what float64 has room for
            scale[some] = np.sqrt(root.min()) * np.sqrt(root.max()) / root
        return (
            scale if self.normalization == 'sym' else scale.clip(0, 1e150) ** 2
        )


def _one_weight(edge_weight: OptTensor) -> float | None:
    """The weight that all edges have, if it is one and not zero."""
    if edge_weight is None or not len(edge_weight):
        return 1.0
    first = edge_weight[0]
    return float(first) if first and (edge_weight == first).all() else None


def _plain_rows(
    ends: Tensor, unit: float, size: int
) -> tuple[np.ndarray, ...] | None:
    """The arrays of a transition matrix for edges of one weight, with sorted
    rows; nothing where one is repeated, so that weights differ.
    """
    from pyg_ext.utils.sorting import sorted_rows

    row, col = ends.contiguous().numpy()
    rowptr, col, repeated = sorted_rows(row, col, size)
    if repeated:
        return None
    number = np.diff(rowptr)
    root = math.sqrt(unit) * np.sqrt(number)
    return rowptr, col, EMPTY, number.clip(1).astype(np.float64), root


def _weighted_rows(
    ends: Tensor, edge_weight: OptTensor, size: int
) -> tuple[np.ndarray, ...]:
    """The arrays of a transition matrix for any edges, with sorted rows."""
    from scipy.sparse import coo_matrix

    largest, share = scale_by_row_max(ends[0], edge_weight, size)
    entries = (share.numpy(), ends.numpy())
    rows = coo_matrix(entries, (size, size)).tocsr()
    total = np.asarray(rows.sum(1)).ravel()  # [N]
    rows.data[
        rows.data <= MIN_PROB * np.repeat(total, np.diff(rows.indptr))
    ] = 0
    rows.eliminate_zeros()
    number = np.diff(rows.indptr)
    prob = EMPTY
    if not (rows.data == rows.data[:1]).all():
        prob = rows.data / np.repeat(total, number)
    unit = largest.numpy()
    root = np.where(number > 0, np.sqrt(unit) * np.sqrt(total), 0.0)
    unit = unit / (unit.max(initial=0.0) or 1.0)
    degree = unit * total
    if rows.nnz:
        degree /= (rows.data * np.repeat(unit, number)).mean()
    return (
        rows.indptr.astype(np.int64),
        rows.indices.astype(np.int32),
        prob,
        np.where(number > 0, degree.clip(MIN_PROB), 1.0),
        root,
    )


def scale_by_row_max(
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


def run_diffusion(
    kernel: Callable[..., int],
    rest: tuple[Any, ...],
    transition: TransitionMatrix,
    targets: OptTensor,
    rule: Sparsification,
    progress: bool = False,
) -> tuple[Tensor, Tensor]:
    """Runs a kernel of :mod:`~pyg_ext.utils.diffusion_kernels` on all seeds,
    in threads; the result does not depend on their number.

    Returns:
        Seeds and nodes ``[2, E]``, for each seed the most similar first, and
        the similarities ``[E]``.
    """
    size = len(transition.degree)
    seeds = check_targets(targets, size).numpy()
    least = -np.inf if rule.threshold is None else rule.threshold
    k = min(rule.k or size, size)
    run = DiffusionRun(
        kernel.__name__,
        rest,
        transition.csr(),
        (k, least, rule.loop, rule.scale(transition)),
        np.float64 if transition.dtype == torch.float64 else np.float32,
    )
    execute = EXECUTOR.get()
    if execute is None:
        blocks = run.rows(seeds, torch.get_num_threads())
    else:
        blocks = execute(run, seeds)
    result = SparseResult(rule.avg_degree, len(seeds))
    bar = tqdm(total=len(seeds), disable=not progress)
    with bar, closing(blocks):
        for counts, nodes, values in blocks:
            result.add(counts, nodes, values)
            bar.update(len(counts))
    edges, weight = result.edges(seeds)
    device = transition.device
    return edges.to(device), weight.to(device, transition.dtype)


Rows = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Rows of a similarity matrix in CSR form: entries of each row ``[B]``, their
columns and values ``[E]``."""


@dataclass(frozen=True)
class DiffusionRun:
    """A diffusion from any seeds; only read, so that processes may share it.

    Args:
        kernel: The name of the kernel.
        rest: Its further arguments.
        graph: The transition matrix as the kernels take it.
        rule: The sparsification as the kernels take it: the most entries of
            a row, the least value, whether the diagonal counts, and a factor
            for each node.
        dtype: The type to keep values in.
    """

    kernel: str
    rest: tuple[Any, ...]
    graph: tuple[np.ndarray, ...]
    rule: tuple[int, float, bool, np.ndarray]
    dtype: type[np.floating]

    def rows(self, seeds: np.ndarray, threads: int) -> Iterator[Rows]:
        """Computes rows in threads; yields them in order, block by block."""
        from pyg_ext.utils import diffusion_kernels as kernels

        kernel = getattr(kernels, self.kernel)
        size = len(self.graph[0]) - 1
        capacity = max(min(BLOCK * self.rule[0], CAPACITY), size)
        stop = np.zeros(1, np.bool_)
        workspaces: SimpleQueue[tuple] = SimpleQueue()
        for _ in range(threads):
            mass, residuals = np.zeros(size), np.zeros(2 * size)
            places = [np.zeros(size + 1, np.int32) for _ in range(3)]
            workspaces.put(
                (
                    (mass, residuals, *places, np.zeros(size), stop),
                    np.empty(capacity, np.int32),
                    np.empty(capacity),
                )
            )

        def block(part: np.ndarray) -> Rows:
            workspace, *output = taken = workspaces.get()
            counts = np.zeros(len(part), np.int64)
            pieces: list[list[np.ndarray]] = []
            done = 0
            try:
                while done < len(part):
                    new = kernel(
                        part[done:],
                        self.graph,
                        self.rule,
                        workspace,
                        (counts[done:], *output),
                        *self.rest,
                    )
                    if stop[0]:
                        raise CancelledError
                    total = counts[done : done + new].sum()
                    pieces.append([array[:total].copy() for array in output])
                    done += new
            finally:  # or another block would wait for it
                workspaces.put(taken)
            nodes, values = map(np.concatenate, zip(*pieces, strict=True))
            return counts, nodes, values.astype(self.dtype)

        parts = [seeds[i : i + BLOCK] for i in range(0, len(seeds), BLOCK)]
        yield from in_order(block, parts, threads, stop)


EXECUTOR: ContextVar[
    Callable[[DiffusionRun, np.ndarray], Iterator[Rows]] | None
]
EXECUTOR = ContextVar('EXECUTOR', default=None)


class SparseResult:
    """The rows of all blocks, in order; never many more entries than
    ``avg_degree`` allows.
    """

    def __init__(self, avg_degree: int | None, num_seeds: int):
        self.limit = None if avg_degree is None else avg_degree * num_seeds
        self.blocks: list[Rows] = []
        self.size = 0

    def add(
        self, counts: np.ndarray, nodes: np.ndarray, values: np.ndarray
    ) -> None:
        self.blocks.append((counts, nodes, values))
        self.size += len(nodes)
        if self.limit is not None and self.size > 2 * self.limit + CAPACITY:
            self.prune(self.cutoffs()[0])

    def cutoffs(self) -> np.ndarray:
        """The first value that is left out, and the last that is kept."""
        values = np.concatenate([values for _, _, values in self.blocks])
        places = np.array([-self.limit - 1, -self.limit])
        return np.partition(values, places)[places]

    def prune(self, least: float) -> None:
        """Leaves out smaller values."""
        for i, (counts, nodes, values) in enumerate(self.blocks):
            mask = values >= least
            row = np.repeat(np.arange(len(counts)), counts)[mask]
            left = np.bincount(row, minlength=len(counts))
            self.blocks[i] = left, nodes[mask], values[mask]
        self.size = sum(len(nodes) for _, nodes, _ in self.blocks)

    def edges(self, seeds: np.ndarray) -> tuple[Tensor, Tensor]:
        """Seeds and nodes ``[2, E]``, and the values ``[E]``."""
        if self.limit is not None and self.size > self.limit:
            self.prune(self.cutoffs().mean())  # as GDC does
        none = (np.zeros(0, np.int64), np.zeros(0, np.int32), EMPTY)
        counts, nodes, values = map(
            np.concatenate, zip(*(self.blocks or [none]), strict=True)
        )
        index = np.empty((2, len(nodes)), np.int64)
        index[0], index[1] = np.repeat(seeds, counts), nodes
        return torch.from_numpy(index), torch.from_numpy(values)
