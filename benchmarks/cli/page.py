"""Writes one page that shows over-smoothing in a lecture, from the committed
runs; it needs no network.
"""

import argparse

from .. import words
from ..output import console


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of this command."""
    command.add_argument(
        '--out',
        default='docs/lecture.html',
        type=words.new_file,
        metavar='FILE',
        help='where to (default: %(default)s)',
    )


def run(args: argparse.Namespace) -> int:
    """Writes the page."""
    from ..reports import lecture

    lecture.write(args.out)
    console.print(f'written to {args.out}')
    return 0
