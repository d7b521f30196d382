"""Runs all speed files again, each in a process of its own, and writes a page
of what they say.
"""

import argparse
from pathlib import Path

from .. import words
from ..errors import UsageError
from ..output import console, make_folder
from . import options


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of this command."""
    from ..speed.again import RUNS

    options.add_out(command)
    command.add_argument(
        '--only',
        default=','.join(RUNS),
        type=words.names('speed file', RUNS),
        metavar='NAMES',
        help=f'some of {", ".join(RUNS)} (default: all)',
    )
    command.add_argument(
        '--smallest',
        action='store_true',
        help='take the smallest sizes, to see that all works',
    )


def run(args: argparse.Namespace) -> int:
    """Runs them."""
    from ..speed import again

    out = make_folder(Path(args.out))
    kept = sorted(file.name for file in out.glob('speed-*.json'))
    if args.smallest and kept:
        raise UsageError(
            f'--smallest is no measurement, and would replace {kept[0]}: '
            f'give another --out'
        )
    again.rerun(out, args.only, args.smallest)
    console.print(f'{out / again.PAGE}')
    return 0
