"""README.md says what the committed files say."""

import csv
import json
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from matplotlib.testing.compare import compare_images

from benchmarks.reports import style, summary
from benchmarks.runs.store import Store

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / 'README.md').read_text('utf-8')
WORDS = ' '.join(TEXT.split())
RESULTS = ROOT / 'benchmarks' / 'results'


def table(head):
    """The depths and lines of the table whose head begins so."""
    start = TEXT.index(f'| {head} |')
    first, _, *lines = TEXT[start:].partition('\n\n')[0].splitlines()
    cells = [[c.strip() for c in line.split('|')[1:-1]] for line in lines]
    depths = [int(c.split()[0]) for c in first.split('|')[2:-1]]
    return depths, {name: values for name, *values in cells}


def speed(name):
    text = (RESULTS / f'speed-{name}.json').read_text('utf-8')
    return json.loads(text)['rows']


def test_accuracies():
    rows = Store(RESULTS, 'cora-classic.jsonl').read()
    wide = summary.grid(summary.summarize(rows)).rename(index=style.name_of)
    depths, lines = table('depth')
    assert len(lines) == 5
    for name, cells in lines.items():
        ours = [cell.split(' (')[0] for cell in wide.loc[name, depths]]
        assert cells == ours, name


def test_the_command_beside_the_figure_draws_it(tmp_path):
    [text] = re.findall('^python -m benchmarks report[^`]*', TEXT, re.M)
    words = shlex.split(text.replace('\\\n', ' '))[3:]
    words[words.index('--out') + 1] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, '-m', 'benchmarks', *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shown = ROOT / 'docs/images/cora-classic.png'
    drawn = tmp_path / 'curve.png'
    assert compare_images(str(shown), str(drawn), tol=1) is None


def test_verdicts():
    path = ROOT / 'tests/benchmarks/golden/verdict.csv'
    with open(path, newline='', encoding='utf-8') as file:
        found = Counter(line['verdict'] for line in csv.DictReader(file))
    words = ('agrees', 'differs', 'undecided')
    agree, differ, undecided = (found[word] for word in words)
    assert f'Of {agree + differ + undecided} published cells' in WORDS
    assert f'{agree} agree' in WORDS
    assert f'{differ} differ and {undecided} are undecided' in WORDS
    page = (ROOT / 'docs/results/reproduction.md').read_text('utf-8')
    counts = f'{agree} agree, {differ} differ, {undecided} are undecided'
    assert f'**{counts}**' in page


def test_seconds_of_an_epoch():
    depths, lines = table('PyG / ours')
    shown = {
        (name.lower(), depth): cell
        for name, cells in lines.items()
        for depth, cell in zip(depths, cells, strict=True)
    }
    assert shown == {
        (row['dataset'], row['depth']): f'{row["edge_index / ours"]:.1f}'
        for row in speed('epoch-1-thread')
    }


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        ('cora', 'Cora'),
        ('pubmed', 'PubMed'),
        ('physics', 'Coauthor Physics'),
        ('169343', 'a made graph of 169,343 nodes'),
    ],
)
def test_seconds_of_pagerank(name, words):
    [row] = speed(f'augment-{name}')
    assert f'{row["get_ppr / ours"]:.1f} on {words}' in WORDS


def test_seconds_of_neighbours():
    """Of the fastest other search; some say in words why they have none."""
    bounds = {True: [], False: []}
    for row in speed('knn-1-thread'):
        peers = [row[key] for key in row if key.endswith(' / ours')]
        best = min(peer for peer in peers if not isinstance(peer, str))
        bounds[row['dims'] == 3].append(best)
    flat, high = (f'{min(b):.1f} to {max(b):.1f}' for b in bounds.values())
    assert f'{flat} in 3 dimensions' in WORDS
    assert f'{high} in 64 and 256' in WORDS
