"""Trains each model on each kind of edges, tuned alike on the validation
nodes, and compares with unchanged edges, seed by seed.
"""

import argparse

from .. import words
from ..output import console
from . import options


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of this command."""
    command.add_argument(
        '--dataset',
        default='cora,citeseer,pubmed',
        metavar='NAME,...',
        help='datasets that are one graph (default: %(default)s)',
    )
    command.add_argument(
        '--models',
        default='gcn,gat,sage,appnp',
        metavar='NAME,...',
        help='methods, as of depth (default: %(default)s)',
    )
    command.add_argument(
        '--augment',
        default='none,ppr,heat,walk,dropedge',
        metavar='EDGES,...',
        help='kinds of edges (default: %(default)s)',
    )
    command.add_argument(
        '--epochs',
        type=words.whole(1, 10**9),
        metavar='N',
        help="the most epochs; default: the preset's",
    )
    options.add_set(command, 'set a key of the recipe or model of all')
    options.add_runs(command, 20)
    options.add_place(command)


def run(args: argparse.Namespace) -> int:
    """Tunes each model on each kind of edges, then compares them."""
    from ..interface.edges import compare_edges
    from ..reports import edges

    lines, failed = compare_edges(
        words.graphs(args.dataset),
        words.specs(args.models),
        words.edges(args.augment),
        args.seeds,
        overrides=options.overrides(args),
        **options.places(args),
    )
    console.print(edges.table(lines))
    console.print(f'written to {args.out}: augment.csv augment.md')
    if failed:
        console.print(f'{failed} runs failed', style='red')
    return int(failed > 0)
