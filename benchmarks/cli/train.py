"""Trains one network and writes a checkpoint after each epoch. `torchrun
--nproc-per-node N -m benchmarks train ...` shares the training nodes among N
processes, and the gradients are the mean over them.
"""

import argparse

from .. import words
from ..output import console
from . import options

BATCHES = ('full', 'random', 'cluster', 'neighbor', 'saint')


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of this command."""
    command.add_argument(
        '--dataset',
        default='cora',
        metavar='NAME|FILE|...',
        help='one graph, as of depth (default: %(default)s)',
    )
    options.add_split(command)
    command.add_argument(
        '--method',
        default='gcn',
        metavar='NAME',
        help='one method, as of depth (default: %(default)s)',
    )
    command.add_argument(
        '--depth',
        default=2,
        type=words.whole(1, words.DEEPEST),
        metavar='N',
        help='as the method counts it (default: %(default)s)',
    )
    command.add_argument(
        '--seed',
        default=0,
        type=words.seed,
        metavar='N',
        help='of parameters, and of a split that is drawn (default: '
        '%(default)s)',
    )
    command.add_argument(
        '--batch',
        choices=BATCHES,
        help="what a step is on; default: the preset's",
    )
    command.add_argument(
        '--resume',
        action='store_true',
        help='go on from the checkpoint in the folder, if there is one',
    )
    options.add_recipe(command)
    options.add_place(command)


def run(args: argparse.Namespace) -> int:
    """Trains one network, by all processes that torchrun started."""
    from ..interface.train import train
    from ..runs.progress import score
    from ..training import distributed
    from ..training.fit import Diverged

    def say(line: str) -> None:
        if distributed.first():
            console.print(line, highlight=False)

    try:
        row = train(
            args.dataset,
            words.one_method(args.method),
            args.depth,
            args.seed,
            args.preset,
            overrides=options.overrides(args),
            resume=args.resume,
            say=say,
            **options.places(args),
        )
    except KeyboardInterrupt:
        say(f'stopped: the same command with --resume goes on in {args.out}')
        return 130
    except Diverged as error:
        say(f'failed: {error}')
        return 1
    say(
        f'test {score(row):.2f} of epoch {row["best_epoch"]}, '
        f'{row["seconds"]:.1f} s; written to {args.out}: results.jsonl '
        f'checkpoint.pt best.pt'
    )
    return 0
