"""Every printed block runs as printed.

The ``python`` blocks of a page run in order, with the names of those before,
in a folder that has ``data/Planetoid`` as PyG leaves it. ``console`` blocks
are read: their commands and options must be there. A block that begins with
``# name.py`` is a file of that name as well. What cannot run here is behind
``<!-- skip: next "why" -->``.
"""

import re
import shlex
import shutil
from configparser import ConfigParser
from pathlib import Path
from unittest import SkipTest

import pytest
from sybil import Sybil
from sybil.parsers.myst import (
    CodeBlockParser,
    PythonCodeBlockParser,
    SkipParser,
)

from benchmarks.cli import _command, _parser
from benchmarks.methods import spec
from benchmarks.reports import style, summary
from benchmarks.runs.store import Store

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / 'README.md',
    *sorted((ROOT / 'docs').glob('*.md')),
    *sorted((ROOT / 'docs').glob('[hr][oe]*/*.md')),
]
NAME = re.compile(r'# ([\w-]+\.py)\n')
# Of others, or with an effect on the machine:
FOREIGN = ('cd', 'export', 'git', 'ray')


class Console(CodeBlockParser):
    language = 'console'

    def evaluate(self, example):
        text = example.parsed.replace('\\\n', ' ')
        for line in filter(None, map(shlex_split, text.splitlines())):
            check(line)


def shlex_split(line):
    return shlex.split(line.removeprefix('$ '), comments=True)


def check(words):
    """Whether a command is there, with all that it is told."""
    if '&&' in words:
        at = words.index('&&')
        check(words[:at])
        words = words[at + 1 :]
    text = ' '.join(words)
    if words[0] in FOREIGN:
        return
    if words[0] == 'make':
        targets = re.findall(
            '^([a-z]+):', (ROOT / 'Makefile').read_text(), re.M
        )
        assert words[1] in targets, text
    elif words[:2] == ['pip', 'install']:
        setup = ConfigParser()
        setup.read(ROOT / 'setup.cfg')
        for extra in re.findall(r'\[(.*)\]', text):
            assert extra in setup['options.extras_require'], text
    elif text.startswith('python -m docs.figures'):
        assert (ROOT / 'docs' / 'figures' / '__main__.py').exists()
    elif words[0] == 'pytest':
        assert all((ROOT / w).exists() for w in words[1:] if w[0] != '-')
    else:
        at = next(i for i, w in enumerate(words) if re.match(BENCH, w))
        call = words[at + 1 :]
        if '--help' in call:
            return
        given = _parser(_command(call), call).parse_args(call)
        for method in spec.expand(getattr(given, 'methods', None) or 'gcn'):
            if '.py:' not in method:
                spec.parse(method)


BENCH = 'benchmarks$|pyg_ext_bench$|pyg-ext-bench$'


class Python(PythonCodeBlockParser):
    def evaluate(self, example):
        named = NAME.match(example.parsed)
        if named:
            Path(named[1]).write_text(example.parsed, 'utf-8')
        return super().evaluate(example)


SYBIL = Sybil([Python(), Console(), SkipParser()])


def blocks(page):
    return [*SYBIL.parse(page).examples()]


def name_of(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize(
    'page',
    [
        pytest.param(page, id=name_of(page), marks=marks)
        for page in PAGES
        if blocks(page)
        for marks in [
            pytest.mark.xdist_group('ray')
            if 'ray' in page.read_text('utf-8')
            else ()
        ]
    ],
)
def test_blocks(page, tmp_path, monkeypatch, request):
    document = SYBIL.parse(page)
    text = page.read_text('utf-8')
    if re.search('Planetoid|cora', text) and '```python' in text:
        root = Path(request.getfixturevalue('root'))
        for graph in (root / 'Planetoid').iterdir():
            shutil.copytree(
                graph / 'raw', tmp_path / 'data/Planetoid' / graph.name / 'raw'
            )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('RAY_ADDRESS', 'local')  # and no cluster that runs
    document.namespace['__name__'] = '__main__'
    for example in document.examples():
        try:
            example.evaluate()
        except SkipTest:
            continue


def test_the_table_of_the_readme():
    """It is of the committed runs, as the figure above it."""
    rows = Store(ROOT / 'benchmarks' / 'results', 'cora-classic.jsonl').read()
    wide = summary.grid(summary.summarize(rows)).rename(index=style.name_of)
    text = (ROOT / 'README.md').read_text('utf-8')
    head, _, *lines = re.search(r'(\| depth \|.*?\n)\n', text, re.S)[
        1
    ].splitlines()
    depths = [int(word) for word in head.split('|')[2:-1]]
    assert len(lines) == 5
    for line in lines:
        name, *cells = (word.strip() for word in line.split('|')[1:-1])
        ours = [cell.split(' (')[0] for cell in wide.loc[name, depths]]
        assert cells == ours, name
