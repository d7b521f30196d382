"""The arguments of the command line."""

import argparse

from benchmarks import methods, recipe, speed, verdict


def parser() -> argparse.ArgumentParser:
    """The command line."""
    out = argparse.ArgumentParser(
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
        help='a name that `list` shows, or `auto`: Cora where it can be had, '
        'else digits',
    )
    depth.add_argument(
        '--methods',
        default='gcn,resgcn,jknet,appnp,gcnii',
        help='names that `list` shows, joined by +; {none,res} in braces '
        'stands for each in turn',
    )
    depth.add_argument(
        '--augment',
        default='none',
        type=_words,
        help='each method on these kinds of edges: none, '
        + ', '.join(methods.EDGES),
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
    points.add_argument('--dataset', default='digits')
    points.add_argument('--blocks', default='plain,res,dense', type=_words)
    points.add_argument(
        '--dilation',
        default='on,off',
        type=_words,
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
    train.add_argument('--dataset', default='cora')
    train.add_argument('--method', default='gcn')
    train.add_argument('--depth', default=2, type=_positive)
    train.add_argument('--seed', default=0, type=int)
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
        '--dataset', default='cora,citeseer,pubmed', type=_words
    )
    edges.add_argument('--models', default='gcn,gat,sage,appnp', type=_words)
    edges.add_argument(
        '--augment', default='none,ppr,heat,walk,dropedge', type=_words
    )
    _add_store(edges, 20)

    redo = commands.add_parser('report', help='redo table and figure')
    redo.add_argument('--out', required=True, metavar='DIR')
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
    judged.add_argument('--out', required=True, metavar='DIR')

    timing = commands.add_parser('speed', help='time this beside its peers')
    files = timing.add_subparsers(dest='file', required=True)
    for name, module in speed.FILES.items():
        file = files.add_parser(name, help=module.__doc__)
        module.add_arguments(file)
        file.add_argument('--threads', default=1, type=_positive)
        file.add_argument('--device', default='cpu')
        file.add_argument('--json', metavar='FILE', help='write the rows')

    commands.add_parser('list', help='show all names')
    return out


def _add_sweep(
    command: argparse.ArgumentParser, depths: str, preset: str
) -> None:
    command.add_argument('--depths', default=depths, type=_numbers)
    _add_recipe(command, preset)
    _add_store(command, 10)


def _add_recipe(command: argparse.ArgumentParser, preset: str) -> None:
    command.add_argument('--preset', default=preset, metavar='NAME')
    command.add_argument('--epochs', type=_positive, metavar='N')
    _add_set(command, 'set a key of the recipe or model')


def _add_store(command: argparse.ArgumentParser, seeds: int) -> None:
    command.add_argument(
        '--seeds',
        default=seeds,
        type=_positive,
        metavar='N',
        help='seeds 0 to N-1 (default: %(default)s)',
    )
    _add_place(command)
    command.add_argument(
        '--jobs',
        type=_positive,
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
        '--protocol', metavar='NAME', help="default: the dataset's first"
    )
    command.add_argument('--out', required=True, metavar='DIR')
    command.add_argument('--root', metavar='DIR', help='folder with the data')
    command.add_argument(
        '--url',
        action='append',
        default=[],
        help='an address that has the files of a missing dataset under their '
        'names, to be tried before the official one; may be given again',
    )
    command.add_argument(
        '--device',
        default='auto',
        help='cpu, cuda, cuda:1, ... or auto (default: %(default)s)',
    )


def _add_set(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument(
        '--set', action='append', default=[], metavar='KEY=VALUE', help=text
    )


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(',') if word.strip()]


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'must be at least 1 (got {text})')
    return number


def _numbers(text: str) -> list[int]:
    return sorted({_positive(word) for word in _words(text)})
