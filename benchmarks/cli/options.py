"""Arguments that several commands have."""

import argparse
from collections.abc import Callable
from typing import Any

from .. import words
from ..errors import UsageError


def add_recipe(command: argparse.ArgumentParser) -> None:
    """How to train."""
    command.add_argument(
        '--preset',
        metavar='NAME|FILE',
        help='a name that `list` shows, or a YAML file (default: classic for '
        'one graph, ogb or tu for many, points for clouds)',
    )
    command.add_argument(
        '--epochs',
        type=words.whole(1, 10**9),
        metavar='N',
        help="the most epochs; default: the preset's",
    )
    command.add_argument(
        '--inductive',
        action='store_true',
        default=None,
        help='nodes to test, and their edges, are not there in training',
    )
    add_set(
        command,
        'set a key of the recipe or model; METHOD:KEY=VALUE for one method',
    )


def add_runs(
    command: argparse.ArgumentParser,
    seeds: int,
    name: str = '--seeds',
    about: str = '',
) -> None:
    """Which seeds, perhaps under another name with a word about it, where
    they are run, and how many at a time.
    """
    command.add_argument(
        name,
        dest='seeds',
        default=seeds,
        type=words.seeds,
        metavar='N',
        help=f'{name[2:]} 0 to N-1{about} (default: %(default)s)',
    )
    if name != '--seeds':
        command.add_argument(
            '--seeds',
            type=_named(name),
            default=argparse.SUPPRESS,
            help=argparse.SUPPRESS,
        )
    command.add_argument(
        '--jobs',
        type=words.whole(0, 1024),
        metavar='N',
        help='runs at a time, one thread each (default: one for each core); '
        '0 does them in this process',
    )
    command.add_argument(
        '--engine',
        choices=('processes', 'ray'),
        default='processes',
        help='do the runs in processes of this machine, or as tasks of a Ray '
        'cluster (default: %(default)s)',
    )
    command.add_argument(
        '--address',
        metavar='ADDR',
        help='of the Ray cluster, HOST:PORT; without it, the one that runs '
        'on this machine, or a new one',
    )
    command.add_argument(
        '--retry-failed',
        action='store_true',
        help='do runs again that the store holds as failed',
    )


def _named(name: str) -> Callable[[str], None]:
    """Says what another name of an argument is here."""

    def refuse(text: str) -> None:
        raise argparse.ArgumentTypeError(
            f'here they are called {name} (got {text!r})'
        )

    return refuse


def add_place(command: argparse.ArgumentParser) -> None:
    """Where data are, where they are worked on, and where results go."""
    command.add_argument(
        '--protocol',
        metavar='NAME',
        type=str.lower,
        help='of a dataset that `list` shows; default: its first',
    )
    add_out(command)
    command.add_argument(
        '--root',
        metavar='DIR',
        type=words.folder,
        help='folder with the data (default: that of PYG_EXT_DATA)',
    )
    command.add_argument(
        '--url',
        action='append',
        default=[],
        type=words.address,
        help='an address that has the files of a missing dataset under their '
        'names, to be tried before the official one; may be given again',
    )
    command.add_argument(
        '--strict',
        action='store_true',
        help='refuse data files that are not known to be the published ones, '
        'of which there is a warning else',
    )
    command.add_argument(
        '--device',
        default='auto',
        type=words.device,
        help='cpu, cuda, cuda:1, ... or auto (default: %(default)s)',
    )


def add_out(command: argparse.ArgumentParser) -> None:
    """Where results go."""
    command.add_argument(
        '--out',
        required=True,
        metavar='DIR',
        type=words.new_folder,
        help='folder for the results',
    )


def add_set(command: argparse.ArgumentParser, text: str) -> None:
    """Keys and values."""
    command.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='KEY=VALUE',
        type=words.setting,
        help=text,
    )


def add_split(command: argparse.ArgumentParser) -> None:
    """Of data that users bring."""
    command.add_argument(
        '--split',
        metavar='SPLIT',
        help='of your own data: masks, 60/20/20 (percent) or 20:500:1000 '
        '(of each class to train, others to validate and test); default: '
        'their masks, else 60/20/20',
    )
    for name in ('features', 'labels'):
        command.add_argument(
            f'--{name}',
            metavar='FILE',
            help=f'{name} of nodes, named in its first column, where the '
            'dataset is a file of edges',
        )
    command.add_argument(
        '--metric',
        metavar='NAME',
        help='of your own data: accuracy, rocauc, ap, rmse, mae, miou; '
        'default: what fits the labels',
    )


def overrides(args: argparse.Namespace) -> dict[str, Any]:
    """What the command line sets in a configuration."""
    out = settings(args)
    for name in ('epochs', 'batch', 'inductive'):
        value = getattr(args, name, None)
        if value is not None and name in out:
            raise UsageError(
                f'{name} is given twice (got {value!r} and {out[name]!r})'
            )
        if value is not None:
            out[name] = value
    return out


def settings(args: argparse.Namespace) -> dict[str, Any]:
    """Keys and values of ``--set``."""
    out: dict[str, Any] = {}
    for name, value in map(words.read_value, args.set):
        if name in out:
            raise UsageError(
                f'--set gives {name} twice (got {out[name]!r} and {value!r})'
            )
        out[name] = value
    return out


def places(args: argparse.Namespace) -> dict[str, Any]:
    """What :func:`add_place`, :func:`add_runs` and :func:`add_split` add, as
    arguments of the interface.
    """
    names = (
        *('split', 'metric', 'features', 'labels'),
        *('protocol', 'out', 'root', 'strict', 'device'),
        *('jobs', 'engine', 'address', 'retry_failed'),
    )
    given = {name: getattr(args, name) for name in names if name in args}
    return {**given, 'mirrors': args.url}
