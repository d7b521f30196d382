"""Redoes table, figure and report from a store."""

import argparse

from . import options


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of this command."""
    options.add_out(command)
    command.add_argument(
        '--store',
        metavar='FILE',
        help='another store than results.jsonl in the folder',
    )
    for name in ('dataset', 'protocol', 'preset'):
        command.add_argument(
            f'--{name}', metavar='NAME', help=f'only runs of this {name}'
        )
    command.add_argument(
        '--methods', metavar='NAME,...', help='only runs of these methods'
    )
    options.add_set(command, 'only runs with this value')


def run(args: argparse.Namespace) -> int:
    """Shows and writes what a store holds."""
    from ..interface.report import report
    from . import screen

    wanted = options.settings(args)
    for name in ('dataset', 'protocol', 'preset'):
        if (value := getattr(args, name)) is not None:
            wanted[name] = value
    return screen.show(report(args.out, wanted, args.store, args.methods))
