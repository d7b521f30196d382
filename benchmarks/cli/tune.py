"""Tunes each method at each depth with the same budget, on the validation
part, then trains it there with what was chosen: the honest reading of accuracy
against depth. The same command goes on where an earlier one stopped.

Example: `--dataset cora --methods gcn,gcn+dropedge,resgcn --depths 2,8,32
--space dropedge --trials 30`. What was chosen is a preset in the folder:
`depth --preset DIR/best.yaml` runs it.
"""

import argparse

from .. import words
from ..output import console, shown
from . import options


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of this command."""
    command.add_argument(
        '--dataset',
        default='cora',
        metavar='NAME|FILE|...',
        help='as of depth (default: %(default)s)',
    )
    options.add_split(command)
    command.add_argument(
        '--methods',
        default='gcn,gcn+dropedge,resgcn,resgcn+dropedge',
        metavar='NAME,...',
        help='as of depth (default: %(default)s)',
    )
    command.add_argument(
        '--depths',
        default='2,4,8,16,32,64',
        type=words.depths,
        metavar='N,...',
        help='as of depth (default: %(default)s)',
    )
    command.add_argument(
        '--space',
        default='dropedge',
        metavar='NAME|FILE',
        help='what is tried: a search space that `list` shows, or a YAML file '
        '(default: %(default)s)',
    )
    command.add_argument(
        '--trials',
        default=30,
        type=words.whole(1, 10**6),
        metavar='N',
        help='candidates that each method tries at each depth, with two seeds '
        'each (default: %(default)s)',
    )
    command.add_argument(
        '--sampler',
        choices=('random', 'tpe'),
        default='random',
        help='draw candidates at random, or learn from those before by '
        "optuna's TPE (default: %(default)s)",
    )
    command.add_argument(
        '--pruner',
        choices=('none', 'median', 'hyperband'),
        default='none',
        help='end a bad candidate after its first seed, as this pruner of '
        'optuna says (default: %(default)s)',
    )
    command.add_argument(
        '--fixed',
        metavar='STORE',
        help='results.jsonl of a recipe that was not tuned, to show beside',
    )
    options.add_recipe(command)
    options.add_runs(command, 5)
    options.add_place(command)


def run(args: argparse.Namespace) -> int:
    """Tunes, runs what was chosen, and shows both; the exit code is 1 if runs
    failed, or all trials of a method at a depth.
    """
    from ..interface.tune import tuned_sweep
    from ..methods import spec
    from ..reports import tables, tuned
    from . import screen

    runs = tuned_sweep(
        args.dataset,
        spec.expand(args.methods),
        args.depths,
        args.seeds,
        args.preset,
        space=args.space,
        trials=args.trials,
        sampler=args.sampler,
        pruner=args.pruner,
        fixed=args.fixed,
        overrides=options.overrides(args),
        **options.places(args),
    )
    console.print(tables.terminal(runs.tuning, tuned.COLUMNS, 'tuning'))
    for note in runs.notes:
        console.print(shown(note))
    return max(screen.show(runs), int(runs.tuning['val'].isna().any()))
