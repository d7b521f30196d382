"""Every printed block runs as printed. For those who write pages:

- The ``python`` blocks of README.md and of docs/ run in order, each with the
  names of those above it, in an empty folder; a warning is an error.
- ``Planetoid('data/Planetoid', 'Cora')`` and ``load_dataset('cora')`` read
  the graphs of ``PYG_EXT_DATA``; without it such a page is skipped.
- A ``python`` or ``yaml`` block whose first line is ``# NAME.EXT`` is a file
  of that name as well.
- ``console`` blocks, and commands in the text, are read: program, command,
  options, methods, extras and targets are there. A file that a block names
  is there as well, or a block above makes it.
- ``list`` and ``verdict`` are run, too. The figure of README.md is drawn anew
  by test_readme.py, which also compares its numbers with the committed files.
- What cannot run here stands behind ``<!-- skip: next "why" -->``.
- The tutorials are run by test_tutorials.py, as notebooks.
"""

import re
import shlex
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from unittest import SkipTest

import pytest
from sybil import Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.myst import CodeBlockParser, SkipParser

from benchmarks.cli import _command, _parser
from benchmarks.methods import spec
from docs.figures import FIGURES

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / 'README.md',
    *sorted((ROOT / 'docs').glob('*.md')),
    *sorted((ROOT / 'docs').glob('[hr][oe]*/*.md')),
]
TEXTS = [
    *PAGES,
    ROOT / 'CONTRIBUTING.md',
    *sorted((ROOT / 'docs/tutorials').glob('*.md')),
]
NAMED = re.compile(r'# ([\w-]+\.\w+)\n')
FILE = re.compile(r'[\w./-]+\.(py|npz|csv|yaml|jsonl)')
SPAN = re.compile(
    r'`((?:python -m (?:benchmarks|docs.figures)|pip|make)\s[^`]+)`'
)
FENCED = re.compile(r'^(`{3,}).*?^\1', re.M | re.S)
PROGRAMS = ('benchmarks', 'pyg_ext_bench', 'pyg-ext-bench')
# Of others, or with an effect on the machine:
FOREIGN = ('cd', 'export', 'git', 'ray')


class File(CodeBlockParser):
    def evaluate(self, example):
        if named := NAMED.match(example.parsed):
            Path(named[1]).write_text(example.parsed, 'utf-8')


class Python(File):
    language = 'python'

    def evaluate(self, example):
        super().evaluate(example)
        PythonEvaluator()(example)


class Console(CodeBlockParser):
    language = 'console'

    def evaluate(self, example):
        for words in commands(example.parsed):
            given = check(words)
            if given is None:
                continue
            check_files(words, given)
            if given.command in ('list', 'verdict'):
                run(words)


def commands(text):
    for line in text.replace('\\\n', ' ').splitlines():
        for part in line.removeprefix('$ ').split(' && '):
            if words := shlex.split(part, comments=True):
                yield words


def check(words):
    """What a command of the benchmark is told; of others, whether they are
    there.
    """
    text = ' '.join(words)
    if words[0] in FOREIGN:
        return None
    if words[0] == 'make':
        made = (ROOT / 'Makefile').read_text('utf-8')
        assert words[1] in re.findall('^([a-z-]+):', made, re.M), text
    elif words[:2] == ['pip', 'install']:
        setup = ConfigParser()
        setup.read(ROOT / 'setup.cfg')
        for extra in re.findall(r'\[(.*)\]', text):
            assert extra in setup['options.extras_require'], text
    elif words[:3] == ['python', '-m', 'docs.figures']:
        assert {*words[3:]} <= {*FIGURES, 'NAME'}, text
    else:
        known = [i for i, word in enumerate(words) if word in PROGRAMS]
        assert known, text
        call = words[known[0] + 1 :]
        given = _parser(_command(call), call).parse_args(call)
        for method in spec.expand(getattr(given, 'methods', None) or 'gcn'):
            if '.py:' not in method:
                spec.parse(method)
        return given
    return None


def check_files(words, given):
    """Whether the files are there that a command reads. The folder that it
    would write is there afterwards.
    """
    for word in re.split('[ ,=:]', ' '.join(words)):
        assert not FILE.fullmatch(word) or Path(word).exists(), word
    folder = Path(getattr(given, 'out', None) or '.')
    if getattr(given, 'resume', False) or (
        given.command == 'report' and not given.store
    ):
        assert folder.exists(), f'no command above writes {folder}'
    folder.mkdir(parents=True, exist_ok=True)


def run(words):
    assert words[0] == 'python'
    done = subprocess.run(
        [sys.executable, *words[1:]], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


SYBIL = Sybil([Python(), File('yaml'), Console(), SkipParser()])


def blocks(page):
    return [*SYBIL.parse(page).examples()]


def name_of(page):
    return page.relative_to(ROOT).as_posix()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """An empty folder, with the runner in it as in a checkout."""
    (tmp_path / 'benchmarks').symlink_to(ROOT / 'benchmarks')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('RAY_ADDRESS', 'local')  # and no cluster that runs
    return tmp_path


@pytest.mark.parametrize(
    'page',
    [
        pytest.param(page, marks=pytest.mark.xdist_group('ray'))
        if 'on_ray(' in page.read_text('utf-8')
        else page
        for page in PAGES
        if blocks(page)
    ],
    ids=name_of,
)
def test_blocks(page, checkout, request):
    document = SYBIL.parse(page)
    python = re.findall('^```python\n(.*?)^```', document.text, re.M | re.S)
    if re.search('Planetoid|cora', ''.join(python)):
        root = Path(request.getfixturevalue('root'))
        for raw in root.glob('Planetoid/*/raw'):
            shutil.copytree(raw, checkout / 'data' / raw.relative_to(root))
    document.namespace['__name__'] = '__main__'
    for example in document.examples():
        try:
            example.evaluate()
        except SkipTest:
            continue


@pytest.mark.parametrize('page', TEXTS, ids=name_of)
def test_commands_in_the_text_and_reasons(page):
    text = page.read_text('utf-8')
    for span in SPAN.findall(FENCED.sub('', text)):
        for words in commands(' '.join(span.split())):
            check(words)
    for skip in re.findall('<!-- skip: .*', text):
        assert re.search(r'end -->|".+" -->', skip), skip
