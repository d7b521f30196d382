"""Seconds, memory and error of diffusions beside PyG's and scipy's."""

import argparse
import gc
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.transforms import GDC
from torch_geometric.typing import WITH_TORCH_SPARSE, SparseTensor
from torch_geometric.utils import add_self_loops, get_ppr, to_undirected

from pyg_ext.transforms import AddRandomWalkEdges
from pyg_ext.utils import (
    heat_kernel_topk,
    ppr_topk,
    random_walk,
    walk_topk,
)

from .. import words
from ..data import datasets
from ..pool import pool
from .measure import interleave, peak_mb, wait

ALPHA, T, K = 0.15, 5.0, 64
MEAN_DEGREE = 13.7  # of ogbn-arxiv, made undirected
SAMPLE = 200  # seeds that errors are measured on
LENGTH = 20  # steps of a walk
TIMED = 1000  # seeds that peers are timed on, but scipy:
PART = 32  # seeds at a time
DENSE = 5000  # nodes beyond which an N x N matrix is not tried
STOCK = 20_000  # nodes beyond which PyG's whole transform takes too long


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this file's options to its command."""
    parser.add_argument(
        '--graphs',
        default='cora,pubmed,coauthor-physics,169343',
        type=words.graphs_or_sizes(SAMPLE),
        help='names, or numbers of nodes of a made one (default: %(default)s)',
    )
    parser.add_argument('--eps', default=1e-4, type=words.positive)
    parser.add_argument('--repeats', default=3, type=words.repeats)
    parser.add_argument(
        '--root', type=words.folder, help='folder with the data'
    )
    parser.add_argument(
        '--measure', choices=('seconds', 'memory'), default='seconds'
    )


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Measures each graph; one row each."""
    measure = memory if args.measure == 'memory' else seconds
    return [measure(graph, args) for graph in args.graphs]


def edges(graph: str, args: argparse.Namespace) -> tuple[Tensor, int]:
    """The edges of a graph with loops, as GDC adds them, and its size."""
    if graph.isdigit():
        index, size = heavy_tailed(int(graph)), int(graph)
    else:
        data = datasets.load(graph, args.root)
        index, size = data.edge_index, data.num_nodes
    return add_self_loops(index, num_nodes=size)[0].to(args.device), size


def heavy_tailed(size: int) -> Tensor:
    """A graph whose expected degrees fall as the root of the rank, as in
    `"The average distances in random graphs with given expected degrees"
    <https://doi.org/10.1073/pnas.252631999>`_ by Chung and Lu.
    """
    rng = np.random.default_rng(0)
    weight = 1.0 / np.sqrt(np.arange(size) + size / 1e5)
    sums = weight.cumsum() / weight.sum()
    pairs = rng.random((2, round(size * MEAN_DEGREE / 2)))
    index = torch.from_numpy(sums.searchsorted(pairs))
    return to_undirected(index[:, index[0] != index[1]], num_nodes=size)


def transposed(index: Tensor, size: int) -> csr_matrix:
    """The transition matrix of the walk, transposed."""
    row, col = index.cpu().numpy()
    share = 1.0 / np.bincount(row, minlength=size)[row]
    return csr_matrix((share, (col, row)), (size, size))


def series(matrix: csr_matrix, seeds: Tensor, theta: np.ndarray) -> np.ndarray:
    """A series of powers by scipy, ``[N, B]``."""
    here = np.zeros((matrix.shape[0], len(seeds)))
    here[seeds.numpy(), np.arange(len(seeds))] = 1.0
    total = theta[0] * here
    for coefficient in theta[1:]:
        here = matrix @ here
        total += coefficient * here
    return total


def ppr_coefficients(left: float) -> np.ndarray:
    """Of personalized PageRank, until so little is left."""
    number = math.ceil(math.log(left) / math.log1p(-ALPHA))
    return ALPHA * (1 - ALPHA) ** np.arange(number)


def heat_coefficients() -> np.ndarray:
    """Of the heat kernel."""
    order = np.arange(60)
    log = [math.lgamma(j + 1) for j in order]
    return np.exp(order * math.log(T) - T - log)


def by_scipy(
    matrix: csr_matrix, seeds: Tensor, eps: float
) -> tuple[np.ndarray, np.ndarray]:
    """Powers until less than eps is left, and the largest entries."""
    found = []
    for part in seeds.split(PART):
        total = series(matrix, part, ppr_coefficients(eps)).T
        index = np.argpartition(-total, K, axis=1)[:, :K]
        found.append((index, np.take_along_axis(total, index, axis=1)))
    index, value = map(np.concatenate, zip(*found, strict=True))
    return index, value


def error(
    found: tuple[Tensor, Tensor], seeds: Tensor, exact: np.ndarray
) -> float:
    """Mean sum of the differences, over the seeds."""
    (seed, node), value = (part.cpu() for part in found)
    place = torch.zeros(int(seeds.max()) + 1, dtype=torch.long)
    place[seeds] = torch.arange(len(seeds))
    close = torch.zeros(exact.shape[::-1]).double()  # [B, N]
    close[place[seed], node] = value.double()
    return float(np.abs(close.numpy().T - exact).sum(0).mean())


def least_nodes(exact: np.ndarray, close: float) -> float:
    """The fewest nodes that any result can have which takes from no node more
    than is there and differs by so much; mean over the seeds.
    """
    largest = -np.sort(-exact, axis=0)
    return float(((largest.cumsum(0) < 1.0 - close).sum(0) + 1).mean())


def as_close(
    index: Tensor,
    size: int,
    seeds: Tensor,
    exact: np.ndarray,
    eps: float,
    limit: float,
) -> tuple[float, float]:
    """The largest of ``eps`` times powers of two with which the heat kernel
    is as close to what is exact as a limit, and how close it is.
    """
    bound, best = 4 * eps, None
    while True:
        found = heat_kernel_topk(
            index, T, bound, None, num_nodes=size, targets=seeds
        )
        close = error(found, seeds.cpu(), exact)
        if close > limit and best is not None:
            return best
        if close <= limit:
            best = (bound, close)
        bound *= 2 if best is not None else 0.25


def seconds(graph: str, args: argparse.Namespace) -> dict[str, Any]:
    """Compares what is found with exact diffusions, then times it."""
    import numba

    numba.set_num_threads(args.threads)
    index, size = edges(graph, args)
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(size, generator=generator)
    few, some = order[:SAMPLE].to(args.device), order[:TIMED].to(args.device)
    eps, matrix = args.eps, transposed(index, size)
    row: dict[str, Any] = {'nodes': size, 'edges': index.size(1) - size}

    start = time.perf_counter()
    ppr_topk(index, ALPHA, eps, K, num_nodes=size, targets=few[:1])
    row['first call s'] = time.perf_counter() - start

    exact = series(matrix, few.cpu(), ppr_coefficients(1e-9))
    ours = ppr_topk(index, ALPHA, eps, None, num_nodes=size, targets=few)
    theirs = get_ppr(index, ALPHA, eps, few, size)
    limit = row['L1 ppr'] = error(ours, few.cpu(), exact)
    row['L1 get_ppr'] = error(theirs, few.cpu(), exact)
    if not limit < 1.5 * row['L1 get_ppr']:
        raise RuntimeError(f'the error is larger than that of get_ppr: {row}')
    row['least nodes ppr'] = least_nodes(exact, limit)
    exact = series(matrix, few.cpu(), heat_coefficients())
    row['eps heat'], row['L1 heat'] = as_close(
        index, size, few, exact, eps, limit
    )
    row['least nodes heat'] = least_nodes(exact, row['L1 heat'])

    walk_topk(index, k=K, num_nodes=size, seed=0, targets=few)  # compiles
    whole: dict[str, Callable[[], object]] = {
        'ppr s': lambda: ppr_topk(index, ALPHA, eps, K, num_nodes=size),
        'heat s': lambda: heat_kernel_topk(
            index, T, row['eps heat'], K, num_nodes=size
        ),
        'walk s': lambda: walk_topk(index, k=K, num_nodes=size, seed=0),
    }
    row |= interleave(whole, args.repeats, warm=0)
    row['nodes / s'] = round(size / row['ppr s'])
    row['heat / ppr'] = row['heat s'] / row['ppr s']
    sampled = interleave(
        {
            'ours': lambda: ppr_topk(
                index, ALPHA, eps, K, num_nodes=size, targets=some
            ),
            'get_ppr': lambda: get_ppr(index, ALPHA, eps, some, size),
            'scipy': lambda: by_scipy(matrix, few[:PART].cpu(), eps),
        },
        args.repeats,
        warm=1,
    )
    row['get_ppr / ours'] = sampled['get_ppr'] / sampled['ours']
    share = PART / len(some)
    row['scipy / ours'] = sampled['scipy'] / (sampled['ours'] * share)
    row |= walks(index, size, args)
    return row | transforms(index, size, eps)


def walks(
    index: Tensor, size: int, args: argparse.Namespace
) -> dict[str, Any]:
    """Ten plain walks from each node, beside torch_sparse's."""
    start = torch.arange(size, device=args.device).repeat(10)
    calls = {'ours': lambda: random_walk(index, start, LENGTH, num_nodes=size)}
    if WITH_TORCH_SPARSE:
        adj = SparseTensor.from_edge_index(index, sparse_sizes=(size, size))
        adj.storage.rowptr()
        calls['torch_sparse'] = lambda: adj.random_walk(start, LENGTH)
    taken = interleave(calls, args.repeats, warm=1)
    row = {'walk steps / s': round(len(start) * LENGTH / taken['ours'])}
    row['torch_sparse walk / ours'] = 'not installed'
    if WITH_TORCH_SPARSE:
        ratio = taken['torch_sparse'] / taken['ours']
        row['torch_sparse walk / ours'] = ratio
    return row


def transforms(index: Tensor, size: int, eps: float) -> dict[str, Any]:
    """Whole transforms, once each, for they take long."""
    data = Data(edge_index=index, num_nodes=size)
    how = {'method': 'ppr', 'alpha': ALPHA, 'eps': eps}
    topk = {'method': 'topk', 'k': K, 'dim': 0}
    mean = {'method': 'threshold', 'avg_degree': K}
    options = {'symmetric': False, 'mode': 'replace', 'alpha': ALPHA}
    peers = {
        'GDC exact': (
            GDC(None, 'sym', 'col', how, topk, exact=True),
            AddRandomWalkEdges(
                'ppr', K, self_loop_weight=None, eps=eps, **options
            ),
            DENSE,
        ),
        'GDC approx': (
            GDC(None, 'sym', 'col', how, mean, exact=False),
            AddRandomWalkEdges(
                'ppr',
                None,
                avg_degree=K,
                self_loop_weight=None,
                eps=eps,
                **options,
            ),
            STOCK,
        ),
    }
    row = {}
    for name, (theirs, ours, most) in peers.items():
        row[f'{name} / ours'] = f'over {most} nodes'
        if index.device.type != 'cpu' and not theirs.exact:
            row[f'{name} / ours'] = 'on the CPU'
        elif size <= most:
            taken = []
            for transform in (theirs, ours):
                wait()
                start = time.perf_counter()
                transform(data)
                wait()
                taken.append(time.perf_counter() - start)
            row[f'{name} / ours'] = taken[0] / taken[1]
    return row


CALLS = {'ppr': ppr_topk, 'heat': heat_kernel_topk, 'walk': walk_topk}


def memory(graph: str, args: argparse.Namespace) -> dict[str, Any]:
    """Peak and seconds of one call in a process of its own, the result
    included, and the peak of that whole process.
    """
    index, size = edges(graph, args)
    row = {'nodes': size, 'edges': index.size(1) - size}
    with pool(1, device=args.device) as started:
        for name in CALLS:
            found = started.schedule(peak, args=[name, graph, args]).result()
            units = ('MB', 'process MB', 's')
            row |= {
                f'{name} {unit}': value
                for unit, value in zip(units, found, strict=True)
            }
    return row


def peak(
    name: str, graph: str, args: argparse.Namespace
) -> tuple[float, float, float]:
    """Megabytes that a call takes beyond one for few nodes, those of the
    whole process, and seconds.
    """
    torch.set_num_threads(args.threads)
    index, size = edges(graph, args)
    call = CALLS[name]
    few = torch.arange(2)
    call(index[:, :10] % 3, k=K, num_nodes=3, targets=few)  # compiles
    gc.collect()
    before, start = peak_mb(args.device), time.perf_counter()
    call(index, k=K, num_nodes=size)
    taken = time.perf_counter() - start
    after = peak_mb(args.device)
    return after - before, after, taken
