"""Time and memory of each measure of over-smoothing on a large graph."""

import argparse
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pyg_ext import metrics

from .. import words
from ..pool import pool
from .augment import heavy_tailed
from .measure import peak_mb

CLASSES = 40
SAMPLES = 100_000  # pairs
NODES = 256  # whose neighborhoods MADGap looks at

ON_EDGES = (
    'dirichlet_energy',
    'rayleigh_quotient',
    'mad',
    'mad_rusch',
    'smooth_distance',
)
ON_NODES = (
    'column_difference',
    'feature_correlation',
    'numerical_rank',
    'effective_rank',
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this file's options to its command."""
    parser.add_argument(
        '--nodes', default=169_343, type=words.whole(NODES, words.MOST_NODES)
    )
    parser.add_argument('--channels', default=128, type=words.channels)


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Each measure in a process of its own."""
    names = calls(torch.empty(2, 1), torch.empty(2, 0).long())
    with (
        tempfile.TemporaryDirectory() as folder,
        pool(1, __name__, device=args.device) as started,
    ):
        file = f'{folder}/edges.pt'  # making them takes memory, too
        torch.save(heavy_tailed(args.nodes), file)
        tasks = [
            started.schedule(measure, args=[name, file, args])
            for name in names
        ]
        return [task.result() for task in tasks]


def calls(x: Tensor, edges: Tensor) -> dict[str, Callable[[], Any]]:
    """Each measure as it is called on a large graph."""

    def sampled(name: str, *given: Any) -> Callable[[], Any]:
        draw = torch.Generator().manual_seed(0)
        function = getattr(metrics, name)
        return lambda: function(x, *given, generator=draw)

    y = torch.arange(len(x)) % CLASSES
    return {
        **{
            name: lambda name=name: getattr(metrics, name)(x, edges)
            for name in ON_EDGES
        },
        **{
            name: lambda name=name: getattr(metrics, name)(x)
            for name in ON_NODES
        },
        'mad of all pairs': lambda: metrics.mad(x),
        'group_distance_ratio dgn': lambda: metrics.group_distance_ratio(
            x, y, 'dgn'
        ),
        f'group_distance_ratio, {SAMPLES // CLASSES} pairs a class': sampled(
            'group_distance_ratio', y, 'pyg', SAMPLES // CLASSES
        ),
        f'smv, {SAMPLES} pairs': sampled('smv', SAMPLES),
        f'row_difference, {SAMPLES} pairs': sampled('row_difference', SAMPLES),
        f'mad_gap, {NODES} nodes': sampled('mad_gap', edges, 3, 8, NODES),
    }


def measure(name: str, file: str, args: argparse.Namespace) -> dict[str, Any]:
    """Seconds of the first call, and memory beyond graph and features."""
    torch.set_num_threads(args.threads)
    edges = torch.load(file)
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(args.nodes, args.channels, generator=draw)
    call = calls(x, edges)[name]
    before = peak_mb('cpu')
    start = time.perf_counter()
    call()
    return {
        'measure': name,
        'edges': edges.size(1),
        'seconds': time.perf_counter() - start,
        'MB': peak_mb('cpu') - before,
    }
