"""A directive for the page of the command line, from the parsers."""

import argparse
import inspect
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from benchmarks import cli

PROGRAM = 'python -m benchmarks'
FORMAT = partial(argparse.RawDescriptionHelpFormatter, width=78)


def parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Each command and its parser, those of ``speed`` by themselves."""
    for name in cli.COMMANDS:
        command = import_module(f'benchmarks.cli.{name}')
        parser = argparse.ArgumentParser(
            prog=f'{PROGRAM} {name}',
            description=inspect.getdoc(command),
            formatter_class=FORMAT,
        )
        command.add_arguments(parser)
        yield name, parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for inner, below in action.choices.items():
                    below.formatter_class = FORMAT
                    yield f'{name} {inner}', below


class CommandLine(SphinxDirective):
    """A section for each command, with what its ``--help`` says."""

    def run(self) -> list[nodes.Node]:
        """Makes the sections."""
        return [self._section(*found) for found in parsers()]

    def _section(
        self, name: str, parser: argparse.ArgumentParser
    ) -> nodes.section:
        text = parser.format_help()
        target = nodes.make_id(f'command {name}')
        out = nodes.section(ids=[target], names=[target])
        self.state.document.note_explicit_target(out)
        out += nodes.title('', name)
        out += nodes.literal_block(text, text, language='text')
        return out


def setup(app: Sphinx) -> dict[str, Any]:
    """Makes ``command-line`` known."""
    app.add_directive('command-line', CommandLine)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
