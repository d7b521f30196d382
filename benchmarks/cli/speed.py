"""Times this beside its peers, in one process and in turns."""

import argparse
import json
from pathlib import Path

from .. import words
from ..errors import UsageError
from ..output import console, write_text


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of this command."""
    from .. import speed

    files = command.add_subparsers(dest='file', required=True)
    for name, module in speed.FILES.items():
        file = files.add_parser(
            name, help=module.__doc__, description=module.__doc__
        )
        module.add_arguments(file)
        file.add_argument(
            '--threads',
            default=1,
            type=words.whole(1, 1024),
            metavar='N',
            help='of PyTorch and numba (default: %(default)s)',
        )
        file.add_argument(
            '--device',
            default='cpu',
            type=words.device,
            help='cpu, cuda, cuda:1, ... or auto (default: %(default)s)',
        )
        file.add_argument(
            '--json',
            metavar='FILE',
            type=words.new_file,
            help='write the rows',
        )


def run(args: argparse.Namespace) -> int:
    """Runs one of the speed files and prints its rows."""
    import torch
    from rich.table import Table

    from .. import environment, speed
    from ..speed.table import cells

    args.device = environment.pick_device(args.device)
    environment.check_device(args.device)
    torch.set_num_threads(args.threads)
    rows = speed.FILES[args.file].run(args)
    if not rows:
        raise UsageError('there is nothing to measure')
    turned, lines = cells(rows)
    title = f'speed {args.file}'
    if turned:
        out = Table(title=title, show_header=False)
    else:
        out = Table(*lines.pop(0), title=title)
    for line in lines:
        out.add_row(*line)
    console.print(out)
    device = environment.device_name(args.device, args.threads)
    given = {k: v for k, v in vars(args).items() if k not in ('root', 'json')}
    options = ', '.join(f'{k}={v}' for k, v in given.items())
    console.print(f'on {device}; {options}')
    if args.json:
        stamp = {
            'device': device,
            'versions': environment.versions(),
            'options': given,
        }
        text = json.dumps({**stamp, 'rows': rows}, indent=1)
        write_text(Path(args.json), text + '\n')
    return 0
