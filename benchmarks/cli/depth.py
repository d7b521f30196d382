"""Trains each method at each depth with each seed, one process a run, and
writes table, figure and report. The same command goes on where an earlier one
stopped.

Examples: `--dataset cora --methods gcn,gcn+res --depths 2,8,32`; your own
graph and network: `--dataset graph.npz --methods gcn,mine.py:MyNet`; DeepGCNs
on points: `--preset points --dataset digits --depths 4,7,14,28 --methods
deepgcn+{none,res,dense}+{none,dilated}`.
"""

import argparse

from .. import words
from ..output import console
from . import options


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of this command."""
    command.add_argument(
        '--dataset',
        default='cora',
        metavar='NAME|FILE|...',
        help='a name that `list` shows; your own: a file (.npz, .pt, .graphml,'
        ' or edges as .csv or .tsv), FILE.py:FUNCTION or MODULE:FUNCTION, '
        'tu:NAME or pyg:CLASS; or `auto`: Cora where it can be had, else '
        'digits (default: %(default)s)',
    )
    options.add_split(command)
    command.add_argument(
        '--methods',
        default='gcn,resgcn,jknet,appnp,gcnii',
        metavar='NAME,...',
        help='names that `list` shows, joined by +; {none,res} in braces '
        'stands for each in turn; your own network as FILE.py:CLASS or '
        'MODULE:CLASS, perhaps with a name ahead, as in mine=FILE.py:CLASS '
        '(default: %(default)s)',
    )
    command.add_argument(
        '--augment',
        default='none',
        metavar='EDGES,...',
        help='each method on these kinds of edges: none, ppr, heat, walk, '
        'dropedge, dropnode, droppath (default: %(default)s)',
    )
    command.add_argument(
        '--depths',
        default='2,4,8,16,32,64',
        type=words.depths,
        metavar='N,...',
        help='as each method counts them (default: %(default)s)',
    )
    command.add_argument(
        '--probe',
        action='store_true',
        help='train seed 0 of each cell once more and look at each layer, '
        'before and after',
    )
    command.add_argument(
        '--shard',
        default=(1, 1),
        type=words.shard,
        metavar='I/N',
        help='do the I-th of N shares of the runs, as the jobs of an array '
        'do, in one folder',
    )
    options.add_recipe(command)
    options.add_runs(command, 10)
    options.add_place(command)


def run(args: argparse.Namespace) -> int:
    """Runs a sweep and shows it."""
    from ..data import datasets
    from ..interface.sweep import sweep
    from ..methods import spec
    from . import screen

    dataset = args.dataset.strip()
    if dataset.lower() == 'auto':
        dataset, why = datasets.choose(args.root)
        console.print(f'dataset: {dataset}, because {why}')
    methods = [
        method if kind == 'none' else f'{method}+{kind}'
        for method in spec.expand(args.methods)
        for kind in words.edges(args.augment)
    ]
    runs = sweep(
        dataset,
        methods,
        args.depths,
        args.seeds,
        args.preset,
        overrides=options.overrides(args),
        probe=args.probe,
        shard=args.shard,
        **options.places(args),
    )
    return screen.show(runs)
