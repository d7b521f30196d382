"""Puts each cell of some stores beside the published one, if its runs follow
their preset to the letter.
"""

import argparse

from ..output import console
from . import options


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of this command."""
    command.add_argument(
        'stores',
        nargs='*',
        metavar='FILE',
        help='default: the committed runs',
    )
    options.add_out(command)


def run(args: argparse.Namespace) -> int:
    """Puts stored runs beside published numbers."""
    from ..reports import verdict

    stores = args.stores or sorted(verdict.RESULTS.glob('*.jsonl'))
    lines = verdict.write(verdict.read(stores), args.out)
    console.print(verdict.table(lines))
    console.print(f'written to {args.out}: verdict.csv claims.csv verdict.md')
    return 0
