"""Shows all names: of datasets, methods, remedies, edges, presets, search
spaces and protocols.
"""

import argparse

from .. import errors, words
from ..output import console

KINDS = (
    *('datasets', 'methods', 'remedies', 'edges'),
    *('presets', 'spaces', 'protocols'),
)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of this command."""
    command.add_argument(
        'kind',
        nargs='?',
        type=words.name('kind of names', KINDS),
        help=f'only {", ".join(KINDS)} (default: all)',
    )
    command.add_argument(
        '--dataset',
        metavar='NAME',
        help='only what fits this dataset: its presets and protocols',
    )


def run(args: argparse.Namespace) -> int:
    """Shows the names."""
    from rich.table import Table

    if args.dataset is not None and args.kind not in ('presets', 'protocols'):
        raise errors.UsageError(
            f'--dataset is for presets and protocols, as in list presets '
            f'--dataset {args.dataset} (got list {args.kind or "of all"})'
        )
    for kind in KINDS if args.kind is None else (args.kind,):
        out = Table(kind, 'what it is', title_justify='left')
        for line in globals()[f'_{kind}'](args.dataset):
            out.add_row(*line)
        console.print(out)
    return 0


def _datasets(dataset: str | None) -> list[tuple[str, str]]:
    from .. import plugins
    from ..data.datasets import DATASETS

    return [
        *(
            (d.name, f'{d.about}; protocols: {", ".join(d.protocols)}')
            for d in DATASETS.values()
        ),
        *((n, 'of another package') for n in plugins.names('datasets')),
    ]


def _methods(dataset: str | None) -> list[tuple[str, str]]:
    from .. import plugins
    from ..methods import backbones

    return [
        *((n, f'depth: {b.unit}') for n, b in backbones.BACKBONES.items()),
        *((n, f'the same as {s}') for n, s in backbones.aliases().items()),
        *((n, 'of another package') for n in plugins.names('methods')),
    ]


def _remedies(dataset: str | None) -> list[tuple[str, str]]:
    from ..methods.remedies import REMEDIES, backbones_of

    return [
        (
            f'+{name}',
            f'{_keys({**remedy.fixed, **remedy.default}) or "no labels"}; '
            f'for {", ".join(backbones_of(name))}',
        )
        for name, remedy in REMEDIES.items()
    ]


def _edges(dataset: str | None) -> list[tuple[str, str]]:
    from ..methods.edges import EDGES

    return [(f'+{name}', _keys(keys)) for name, keys in EDGES.items()]


def _presets(dataset: str | None) -> list[tuple[str, str]]:
    from ..data.datasets import find
    from ..recipes import files

    known = files.contents(files.PRESETS).items()
    if dataset is None:
        return [(name, preset['source']) for name, preset in known]
    data = find(dataset.lower()).family
    return [
        (name, f'{", ".join(preset["recipes"][data])}. {preset["source"]}')
        for name, preset in known
        if data in preset['recipes']
    ]


def _spaces(dataset: str | None) -> list[tuple[str, str]]:
    from ..recipes import files

    return [
        (name, f'{", ".join(space["space"])}. {space["source"]}')
        for name, space in files.contents(files.SPACES).items()
    ]


def _protocols(dataset: str | None) -> list[tuple[str, str]]:
    from ..data.datasets import find
    from ..data.protocols import PROTOCOLS

    names = PROTOCOLS if dataset is None else find(dataset.lower()).protocols
    return [
        (name, f'{PROTOCOLS[name].about}; {PROTOCOLS[name].metric.name}')
        for name in names
    ]


def _keys(values: dict[str, object]) -> str:
    return ', '.join(f'{k}={v}' for k, v in values.items())
