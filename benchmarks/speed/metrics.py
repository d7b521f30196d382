"""Time and memory of each measure of over-smoothing on a large graph, or a
batch of many.
"""

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
from .measure import peak_mb, wait

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
    parser.add_argument(
        '--graphs', default=1, type=words.whole(1, words.MOST_NODES // NODES)
    )


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Each measure in a process of its own."""
    names = calls(torch.empty(2, 1), torch.empty(2, 0).long(), args.graphs)
    with (
        tempfile.TemporaryDirectory() as folder,
        pool(1, __name__, device=args.device) as started,
    ):
        file = f'{folder}/edges.pt'  # making them takes memory, too
        edges = heavy_tailed(args.nodes).unsqueeze(1)
        start = torch.arange(args.graphs).view(-1, 1) * args.nodes
        torch.save((edges + start).view(2, -1), file)
        tasks = [
            started.schedule(measure, args=[name, file, args])
            for name in names
        ]
        return [task.result() for task in tasks]


def calls(
    x: Tensor, edges: Tensor, graphs: int
) -> dict[str, Callable[[], Any]]:
    """Each measure as it is called on a large graph, or on so many graphs of
    one size.
    """
    nodes = torch.arange(len(x), device=x.device)
    batch = nodes // max(len(x) // graphs, 1)

    def call(name: str, *given: Any, **options: Any) -> Callable[[], Any]:
        function = getattr(metrics, name)
        return lambda: function(x, *given, batch=batch, **options)

    def sampled(name: str, *given: Any) -> Callable[[], Any]:
        generator = torch.Generator(x.device).manual_seed(0)
        return call(name, *given, generator=generator)

    y = nodes % CLASSES
    pairs, some = (max(n // graphs, 2) for n in (SAMPLES, NODES))
    in_class = max(pairs // CLASSES, 2)
    return {
        **{name: call(name, edges) for name in ON_EDGES},
        **{name: call(name) for name in ON_NODES},
        'mad of all pairs': call('mad'),
        'group_distance_ratio dgn': call('group_distance_ratio', y, 'dgn'),
        f'group_distance_ratio, {in_class} pairs a class': sampled(
            'group_distance_ratio', y, 'pyg', in_class
        ),
        f'smv, {pairs} pairs': sampled('smv', pairs),
        f'row_difference, {pairs} pairs': sampled('row_difference', pairs),
        f'mad_gap, {some} nodes': sampled('mad_gap', edges, 3, 8, some),
    }


def measure(name: str, file: str, args: argparse.Namespace) -> dict[str, Any]:
    """Seconds of the first call, and memory beyond graph and features."""
    torch.set_num_threads(args.threads)
    edges = torch.load(file).to(args.device)
    draw = torch.Generator().manual_seed(0)
    size = args.nodes * args.graphs
    x = torch.randn(size, args.channels, generator=draw).to(args.device)
    call = calls(x, edges, args.graphs)[name]
    before = peak_mb(args.device)
    wait()
    start = time.perf_counter()
    call()
    wait()
    return {
        'measure': name,
        'edges': edges.size(1),
        'seconds': time.perf_counter() - start,
        'MB': peak_mb(args.device) - before,
    }
