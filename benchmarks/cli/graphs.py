"""Trains methods with each readout or pooling at each depth, in each fold of a
cross-validation, and reports the depth that validation chooses in each fold.
Where the data have one split, each fold is a run on it with another seed.

Example: `--dataset proteins --pool mean,set2set,diffpool,sag --folds 10`.
"""

import argparse

from .. import words
from ..methods.remedies import POOLS
from ..output import console
from . import options


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of this command."""
    command.add_argument(
        '--dataset',
        default='mutag',
        metavar='NAME|FILE|...',
        help='many graphs with a label each: a name that `list` shows, or '
        'your own, as of depth (default: %(default)s)',
    )
    options.add_split(command)
    command.add_argument(
        '--pool',
        default='mean,sum,diffpool',
        type=words.names('pooling', POOLS),
        metavar='NAME,...',
        help=f'of {", ".join(POOLS)} (default: %(default)s)',
    )
    command.add_argument(
        '--methods',
        default='gcn',
        metavar='NAME,...',
        help='names that `list` shows, joined by +, as of depth '
        '(default: %(default)s)',
    )
    command.add_argument(
        '--depths',
        default='2,4,8',
        type=words.depths,
        metavar='N,...',
        help='graph convolutions, in all (default: %(default)s)',
    )
    options.add_recipe(command)
    options.add_runs(
        command,
        10,
        '--folds',
        ', in place of --seeds; on data with one split, such as those of '
        'ogb, they are the seeds of runs on it',
    )
    options.add_place(command)


def run(args: argparse.Namespace) -> int:
    """Runs a sweep and shows it."""
    from ..interface.sweep import sweep
    from ..methods import spec
    from ..reports import selection, tables
    from . import screen

    methods = [
        f'{method}+pool-{pool}'
        for method in spec.expand(args.methods)
        for pool in args.pool
    ]
    runs = sweep(
        args.dataset.strip(),
        methods,
        args.depths,
        args.seeds,
        args.preset,
        overrides=options.overrides(args),
        **options.places(args),
    )
    failed = screen.show(runs)
    chosen = runs.selected()
    tables.write_csv(chosen, runs.folder / selection.FILE, '%.6g')
    caption = 'depth by validation in each fold; test score over the folds'
    console.print(tables.terminal(chosen, selection.COLUMNS, caption))
    return failed
