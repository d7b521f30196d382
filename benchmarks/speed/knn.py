"""Seconds and memory of an exact k-NN search beside other exact ones."""

import argparse
import gc
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import pebble
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from pyg_ext.utils import knn_index

from .. import words
from ..data import clouds
from ..pool import pool
from .measure import interleave, peak_mb

Case = tuple[int | str, int, int]  # points or what they are, dimensions, k

PROFILES: dict[str, list[Case]] = {
    'fast': [(2000, 3, 16), (2000, 64, 16), ('ragged', 64, 16)],
    'regular': [
        (4096, 3, 64),
        (20_000, 3, 64),
        ('room', 3, 4),
        ('room', 3, 32),
        (4096, 64, 64),
        (20_000, 64, 64),
        (20_000, 256, 16),
        ('ragged', 64, 16),
    ],
    'large': [('room', 3, 32), (100_000, 64, 64)],
}
OPTIONAL = ('faiss', 'pykdtree', 'torch_cluster')
TREES = ('scipy', 'pykdtree')
CLOUDS, SMALLEST, LARGEST = 32, 256, 1024  # of the ragged batch
TREE_DIMS = 10  # beyond which a k-d tree takes minutes
TREE_POINTS = 5000  # of a cloud, up to which torch_cluster's does not
DENSE_GB = 8.0  # more than that is not tried
ROWS = 1024  # that torch.cdist does at a time


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this file's options to its command."""
    parser.add_argument('--profile', choices=PROFILES, default='regular')
    parser.add_argument(
        '--peers', default=','.join(PEERS), type=words.names('peer', PEERS)
    )
    parser.add_argument('--repeats', default=5, type=words.repeats)
    parser.add_argument(
        '--root', type=words.folder, help='folder with the data'
    )
    parser.add_argument(
        '--measure', choices=('seconds', 'memory'), default='seconds'
    )


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Measures each case; one row each."""
    measure = memory if args.measure == 'memory' else seconds
    return [measure(case, args) for case in PROFILES[args.profile]]


def peers(args: argparse.Namespace) -> list[str]:
    """What was asked for, and this package first."""
    return list(dict.fromkeys(['ours', *args.peers]))


def describe(x: Tensor, batch: Tensor, k: int) -> dict[str, Any]:
    """The first columns of a row."""
    clouds = int(batch[-1]) + 1
    return {'points': len(x), 'clouds': clouds, 'dims': x.size(1), 'k': k}


def points(case: Case, args: argparse.Namespace) -> tuple[Tensor, Tensor]:
    """The points of a case, and the cloud of each."""
    generator = torch.Generator().manual_seed(0)
    what, dims, _ = case
    if what == 'room':
        x = clouds.room(args.root)
    elif what == 'ragged':
        sizes = torch.linspace(SMALLEST, LARGEST, CLOUDS).long()
        batch = torch.arange(CLOUDS).repeat_interleave(sizes)
        x = torch.randn(len(batch), dims, generator=generator)
        return x.to(args.device), batch.to(args.device)
    else:
        x = torch.randn(what, dims, generator=generator)
    batch = torch.zeros(len(x), dtype=torch.long)
    return x.to(args.device), batch.to(args.device)


def ours(x: Tensor, batch: Tensor, k: int) -> Tensor:
    """This package."""
    if not bool(batch[-1]):
        batch = None
    return knn_index(x, x, k, batch, batch).index


def cloud_by_cloud(
    search: Callable[[Tensor, int], Tensor],
) -> Callable[[Tensor, Tensor, int], Tensor]:
    """A search among single clouds, for a batch."""

    def search_all(x: Tensor, batch: Tensor, k: int) -> Tensor:
        found, start = [], 0
        for size in batch.bincount().tolist():
            found.append(search(x[start : start + size], k) + start)
            start += size
        return torch.cat(found)

    return search_all


def cdist(x: Tensor, k: int) -> Tensor:
    """``torch.cdist`` and ``topk``, some rows at a time."""
    parts = x.split(ROWS)
    near = [torch.cdist(p, x).topk(k, largest=False)[1] for p in parts]
    return torch.cat(near)


def dense(x: Tensor, k: int) -> Tensor:
    """All squared distances at once, as deep_gcns_torch does."""
    square = x.square().sum(1, keepdim=True)
    distance = square - 2.0 * (x @ x.T) + square.T
    return (-distance).topk(k)[1]


def tree(x: Tensor, k: int) -> Tensor:
    """The k-d tree of scipy."""
    points = x.numpy()
    threads = torch.get_num_threads()
    _, near = cKDTree(points).query(points, k, workers=threads)
    return torch.from_numpy(near)


def pykdtree(x: Tensor, k: int) -> Tensor:
    """The k-d tree of pykdtree; its threads are OpenMP's."""
    from pykdtree.kdtree import KDTree

    points = x.numpy()
    _, near = KDTree(points).query(points, k)
    return torch.from_numpy(near.astype('int64')).view(-1, k)


def flat(x: Tensor, k: int) -> Tensor:
    """The flat index of faiss."""
    import faiss

    faiss.omp_set_num_threads(torch.get_num_threads())
    index = faiss.IndexFlatL2(x.size(1))
    index.add(x.numpy())
    return torch.from_numpy(index.search(x.numpy(), k)[1])


def neighbors(x: Tensor, k: int) -> Tensor:
    """scikit-learn's choice."""
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=k, n_jobs=torch.get_num_threads())
    near = found.fit(x.numpy()).kneighbors(return_distance=True, X=x.numpy())
    return torch.from_numpy(near[1])


def cluster(x: Tensor, batch: Tensor, k: int) -> Tensor:
    """torch_cluster, which threads only single clouds."""
    import torch_cluster

    threads = torch.get_num_threads()
    edges = torch_cluster.knn(x, x, k, batch, batch, num_workers=threads)
    return edges[1].view(-1, k)


PEERS = {
    'ours': ours,
    'cdist': cloud_by_cloud(cdist),
    'dense': cloud_by_cloud(dense),
    'scipy': cloud_by_cloud(tree),
    'pykdtree': cloud_by_cloud(pykdtree),
    'faiss': cloud_by_cloud(flat),
    'sklearn': cloud_by_cloud(neighbors),
    'torch_cluster': cluster,
}


def refused(peer: str, x: Tensor, batch: Tensor) -> str | None:
    """Why a peer does not run, if it does not."""
    if peer in OPTIONAL and find_spec(peer) is None:
        return 'not installed'
    if peer in TREES and x.size(1) > TREE_DIMS:
        return f'over {TREE_DIMS} dims'
    most = int(batch.bincount().max())
    wide = x.size(1) > TREE_DIMS
    if peer == 'torch_cluster' and wide and most > TREE_POINTS:
        return f'over {TREE_DIMS} dims, {TREE_POINTS} points'
    if peer == 'dense':
        size = 12e-9 * most**2
        if size > DENSE_GB:
            return f'{size:.0f} GB'
    if x.device.type != 'cpu' and peer in (*TREES, 'faiss', 'sklearn'):
        return 'on the CPU'
    return None


def seconds(case: Case, args: argparse.Namespace) -> dict[str, Any]:
    """Compares what the peers find, then times them.

    Raises:
        RuntimeError: If a peer's neighbors are farther.
    """
    x, batch = points(case, args)
    k = case[2]
    row = describe(x, batch, k)
    calls: dict[str, Callable[[], Tensor]] = {}
    for peer in peers(args):
        why = refused(peer, x, batch)
        row['ours s' if peer == 'ours' else f'{peer} / ours'] = why
        if why is None:
            calls[peer] = partial(PEERS[peer], x, batch, k)
    best = distances(x, calls['ours']())
    for peer, call in calls.items():
        error = (distances(x, call()) - best).abs().max()
        if not error <= 1e-3 * best.max():
            raise RuntimeError(f'{peer} differs by {error:.1e}')
    found = interleave(calls, args.repeats)
    row['ours s'] = found.pop('ours')
    return row | {
        f'{peer} / ours': value / row['ours s']
        for peer, value in found.items()
    }


def distances(x: Tensor, index: Tensor) -> Tensor:
    """Squared distances of neighbors, ``[N, k]``."""
    parts = zip(x.split(ROWS), index.split(ROWS), strict=True)
    return torch.cat(
        [(x[near] - p.unsqueeze(1)).square().sum(-1) for p, near in parts]
    )


def memory(case: Case, args: argparse.Namespace) -> dict[str, Any]:
    """Peak of each peer in a process of its own, the result included."""
    x, batch = points(case, args)
    row = describe(x, batch, case[2])
    with pool(1, device=args.device) as started:
        for peer in peers(args):
            row[f'{peer} MB'] = refused(peer, x, batch)
            if row[f'{peer} MB'] is None:
                task = started.schedule(peak, args=[peer, case, args])
                try:
                    row[f'{peer} MB'] = task.result()
                except (pebble.ProcessExpired, RuntimeError) as error:
                    row[f'{peer} MB'] = f'failed: {type(error).__name__}'
    return row


def peak(peer: str, case: Case, args: argparse.Namespace) -> float:
    """Megabytes that a search takes beyond one among few points."""
    torch.set_num_threads(args.threads)
    x, batch = points(case, args)
    PEERS[peer](x[:500].clone(), batch[:500].clone(), min(case[2], 100))
    gc.collect()
    before = peak_mb(args.device)
    PEERS[peer](x, batch, case[2])
    return peak_mb(args.device) - before
