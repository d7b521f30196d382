"""The command line: arguments, one call of a public function, a screen.

A command is a file of this folder, with ``add_arguments`` and ``run``; it is
imported when it is called for.
"""

import os
import sys
import warnings
from importlib import import_module
from pathlib import Path
from types import ModuleType

from ..errors import UsageError, reason
from ..output import console, shown, write_any_character
from ..words import Parser

COMMANDS = {  # and what they do
    'depth': 'train methods at many depths',
    'tune': 'tune methods at each depth, then train them',
    'graphs': 'train methods on whole graphs, with readouts and poolings',
    'train': 'train one network, with as many processes as torchrun starts',
    'augment': 'train models on other edges, and compare',
    'report': 'redo table and figure',
    'verdict': 'put runs beside published numbers',
    'page': 'write the page of a lecture',
    'speed': 'time this beside its peers',
    'bench': 'time all again, and write a page of it',
    'list': 'show all names',
}


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit code."""
    write_any_character()
    warnings.showwarning = lambda message, *_: console.print(
        f'warning: {shown(message)}', style='yellow'
    )
    os.environ['MPLBACKEND'] = 'agg'  # files only, whatever was set
    try:
        if arguments is None:
            arguments = sys.argv[1:]
        command = _command(arguments)
        args = _parser(command, arguments).parse_args(arguments)
        return command.run(args)
    except KeyboardInterrupt as stop:
        console.print(str(stop) or 'stopped')
        return 130
    except UsageError as error:
        text = str(error)
    except OSError as error:  # of a file, a folder or the disk
        text = reason(error)
        if error.filename:
            text = f'{error.filename}: {text}'
    _complain(text)
    return 2


def _command(arguments: list[str]) -> ModuleType | None:
    """The command that is called for, if there is such a one."""
    name = arguments[0] if arguments else None
    return import_module(f'.{name}', __name__) if name in COMMANDS else None


def _parser(command: ModuleType | None, arguments: list[str]) -> Parser:
    """The command line, with the arguments of this command."""
    out = Parser(prog=_program(), description='Accuracy against depth.')
    commands = out.add_subparsers(dest='command', required=True)
    for name, words in COMMANDS.items():
        if command is None or name != arguments[0]:
            commands.add_parser(name, help=words)
            continue
        chosen = commands.add_parser(
            name, help=words, description=command.__doc__
        )
        command.add_arguments(chosen)
    return out


def _program() -> str:
    """How this was called: by its own name, or as a package of Python."""
    called = Path(sys.argv[0]).stem
    if called == 'pyg-ext-bench':
        return called
    return f'python -m {__package__.partition(".")[0]}'


def _complain(text: str) -> None:
    if 'RANK' in os.environ:  # of several, torchrun's first one says it
        from ..training import distributed

        if not distributed.first():
            return
    line = ' '.join(f'error: {text}'.split())
    try:
        console.print(line, style='red', highlight=False, soft_wrap=True)
    except OSError:  # it was the screen that failed
        print(line, file=sys.stderr)
