"""The arguments of the command line."""

import argparse

from .. import speed, words
from ..data import datasets
from ..methods.edges import EDGES
from ..recipes import presets, recipe
from ..reports import verdict

KINDS = ('none', *EDGES)
BLOCKS = {'plain': 'deepgcn', 'res': 'deepgcn+res', 'dense': 'deepgcn+dense'}
DILATION = {'on': '+dilated', 'off': ''}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    out = words.Parser(
        prog='python -m benchmarks', description='Accuracy against depth.'
    )
    commands = out.add_subparsers(dest='command', required=True)

    depth = commands.add_parser(
        'depth',
        help='train methods at many depths',
        description='Trains each method at each depth with each seed, one '
        'process a run, and writes table, figure and report. The same '
        'command goes on where an earlier one stopped.',
    )
    depth.add_argument(
        '--dataset',
        default='cora',
        type=words.name('dataset', ('auto', *datasets.DATASETS)),
        help='a name that `list` shows, or `auto`: Cora where it can be had, '
        'else digits',
    )
    depth.add_argument(
        '--methods',
        default='gcn,resgcn,jknet,appnp,gcnii',
        type=words.specs,
        help='names that `list` shows, joined by +; {none,res} in braces '
        'stands for each in turn',
    )
    depth.add_argument(
        '--augment',
        default='none',
        type=words.names('kind of edges', KINDS),
        help=f'each method on these kinds of edges: {", ".join(KINDS)}',
    )
    depth.add_argument(
        '--probe',
        action='store_true',
        help='train seed 0 of each cell once more and look at each layer, '
        'before and after',
    )
    _add_sweep(depth, '2,4,8,16,32,64', 'classic')

    points = commands.add_parser(
        'points',
        help='the same for DeepGCNs on nearest neighbors',
        description='As `depth`, for networks that join each point to its '
        'nearest neighbors in feature space.',
    )
    points.add_argument(
        '--dataset',
        default='digits',
        type=words.name('dataset', datasets.DATASETS),
    )
    points.add_argument(
        '--blocks',
        default='plain,res,dense',
        type=words.names('block', BLOCKS),
    )
    points.add_argument(
        '--dilation',
        default='on,off',
        type=words.names('dilation', DILATION),
        help='whether dilation grows with depth',
    )
    _add_sweep(points, '4,7,14,28', 'points')

    train = commands.add_parser(
        'train',
        help='train one network, with as many processes as torchrun starts',
        description='Trains one network and writes a checkpoint after each '
        'epoch. `torchrun --nproc-per-node N -m benchmarks train ...` shares '
        'the training nodes among N processes, and the gradients are the '
        'mean over them.',
    )
    train.add_argument(
        '--dataset',
        default='cora',
        type=words.name('dataset', datasets.DATASETS),
    )
    train.add_argument('--method', default='gcn', type=words.spec)
    train.add_argument(
        '--depth', default=2, type=words.whole(1, words.DEEPEST)
    )
    train.add_argument('--seed', default=0, type=words.seed)
    train.add_argument(
        '--batch',
        choices=('full', *recipe.BATCHES),
        help="what a step is on; default: the preset's",
    )
    train.add_argument(
        '--resume',
        action='store_true',
        help='go on from the checkpoint in the folder, if there is one',
    )
    _add_recipe(train, 'classic')
    _add_place(train)

    edges = commands.add_parser(
        'augment',
        help='train models on other edges, and compare',
        description='Trains each model on each kind of edges, tuned alike on '
        'the validation nodes, and compares with unchanged edges, seed by '
        'seed.',
    )
    edges.add_argument(
        '--dataset', default='cora,citeseer,pubmed', type=words.graphs
    )
    edges.add_argument(
        '--models', default='gcn,gat,sage,appnp', type=words.specs
    )
    edges.add_argument(
        '--augment',
        default='none,ppr,heat,walk,dropedge',
        type=words.names('kind of edges', KINDS),
    )
    _add_store(edges, 20)

    redo = commands.add_parser('report', help='redo table and figure')
    _add_out(redo)
    redo.add_argument(
        '--store',
        metavar='FILE',
        help='another store than results.jsonl in the folder',
    )
    for name in ('dataset', 'protocol', 'preset'):
        redo.add_argument(f'--{name}', metavar='NAME')
    _add_set(redo, 'only runs with this value')

    judged = commands.add_parser(
        'verdict',
        help='runs beside published numbers',
        description='Puts each cell of some stores beside the published one, '
        'if its runs follow their preset to the letter.',
    )
    judged.add_argument(
        'stores',
        nargs='*',
        default=sorted(verdict.RESULTS.glob('*.jsonl')),
        help='default: the committed runs',
    )
    _add_out(judged)

    timing = commands.add_parser('speed', help='time this beside its peers')
    files = timing.add_subparsers(dest='file', required=True)
    for name, module in speed.FILES.items():
        file = files.add_parser(name, help=module.__doc__)
        module.add_arguments(file)
        file.add_argument('--threads', default=1, type=words.whole(1, 1024))
        file.add_argument('--device', default='cpu', type=words.device)
        file.add_argument(
            '--json',
            metavar='FILE',
            type=words.new_file,
            help='write the rows',
        )

    commands.add_parser('list', help='show all names')
    return out


def _add_sweep(
    command: argparse.ArgumentParser, depths: str, preset: str
) -> None:
    command.add_argument('--depths', default=depths, type=words.depths)
    _add_recipe(command, preset)
    _add_store(command, 10)


def _add_recipe(command: argparse.ArgumentParser, preset: str) -> None:
    command.add_argument(
        '--preset',
        default=preset,
        metavar='NAME',
        type=words.name('preset', presets.names()),
    )
    command.add_argument('--epochs', type=words.whole(1, 10**9), metavar='N')
    _add_set(command, 'set a key of the recipe or model')


def _add_store(command: argparse.ArgumentParser, seeds: int) -> None:
    command.add_argument(
        '--seeds',
        default=seeds,
        type=words.seeds,
        metavar='N',
        help='seeds 0 to N-1 (default: %(default)s)',
    )
    _add_place(command)
    command.add_argument(
        '--jobs',
        type=words.whole(1, 1024),
        metavar='N',
        help='runs at a time, one thread each (default: one for each core)',
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


def _add_place(command: argparse.ArgumentParser) -> None:
    """Where data are, where they are worked on, and where results go."""
    command.add_argument(
        '--protocol',
        metavar='NAME',
        type=str.lower,
        help="default: the dataset's first",
    )
    _add_out(command)
    command.add_argument(
        '--root',
        metavar='DIR',
        type=words.folder,
        help='folder with the data',
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


def _add_out(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        '--out', required=True, metavar='DIR', type=words.new_folder
    )


def _add_set(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='KEY=VALUE',
        type=words.setting,
        help=text,
    )
