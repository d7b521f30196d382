"""What a sweep takes beside its training."""

import argparse
import time
from typing import Any

from .. import words
from ..interface.sweep import sweep


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this file's options to its command."""
    parser.add_argument('--dataset', default='cora', type=words.graph)
    parser.add_argument('--depths', default='2', type=words.depths)
    parser.add_argument('--seeds', default=20, type=words.seeds)
    parser.add_argument('--jobs', default='0,1,2', type=words.wholes(0, 1000))
    parser.add_argument(
        '--root', type=words.folder, help='folder with the data'
    )


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Measures each number of jobs."""
    return [measure(jobs, args) for jobs in args.jobs]


def measure(jobs: int, args: argparse.Namespace) -> dict[str, Any]:
    """Seconds of a sweep of a GCN with so many runs at a time, and percent of
    them that are not in what its rows say of their training: to begin
    processes, import libraries, read data and write the store.
    """
    start = time.perf_counter()
    runs = sweep(
        args.dataset,
        'gcn',
        args.depths,
        args.seeds,
        jobs=jobs,
        device=args.device,
        root=args.root,
        progress=False,
    )
    seconds = time.perf_counter() - start
    each = [row['seconds'] for row in runs.rows]
    training = sum(each) / max(min(jobs, len(each)), 1)
    return {
        'jobs': jobs,
        'runs': len(each),
        's': seconds,
        'training, s a job': training,
        'not training, %': 100 * (1 - training / seconds),
    }
