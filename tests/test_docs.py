"""The pages say what is there: names, keys of a row, links, commands, runs."""

import csv
import re
from pathlib import Path
from typing import Literal, get_origin, get_type_hints

import pytest
import yaml

import benchmarks
import pyg_ext
from benchmarks import cli, speed
from benchmarks.runs import store
from benchmarks.runs.identity import KEYS
from tests.test_contract import CASES

ROOT = Path(__file__).parent.parent
DOCS = ROOT / 'docs'
GOLDEN = ROOT / 'tests/benchmarks/golden/verdict.csv'
PACKAGES = (
    pyg_ext.nn,
    pyg_ext.transforms,
    pyg_ext.metrics,
    pyg_ext.utils,
    benchmarks,
)
NAMES = [(m.__name__, name) for m in PACKAGES for name in m.__all__]
PAGES = sorted(
    path
    for path in [*ROOT.glob('*.md'), *DOCS.rglob('*.md')]
    if '_build' not in path.parts
)
LARGEST = 300_000  # bytes of a page
TYPES = {
    'text': str,
    'whole number': int,
    'number': (int, float),
    'number or null': (int, float, type(None)),
    'true': bool,
    'object': dict,
    'object of texts': dict,
}


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def listed(text):
    """The names that a page of the reference lists, with their packages."""
    package = None
    for line in text.splitlines():
        found = re.match(r'\.\. (?:currentmodule:: (.+)|py:data:: (.+))', line)
        if found and found[1]:
            package = found[1]
        elif found:
            yield package, found[2]
        elif re.fullmatch(r' {3}\w+', line):
            yield package, line.strip()


def test_every_public_name_is_in_the_reference_once():
    pages = (DOCS / 'reference').glob('*.md')
    found = [n for page in pages for n in listed(page.read_text('utf-8'))]
    assert sorted(found) == sorted(NAMES)


def rows_of_tables(page):
    lines = page.read_text('utf-8').splitlines()
    for line in lines:
        if line.startswith('| `'):
            yield [cell.strip() for cell in line.strip('|').split('|')]


def keys_of_a_row():
    """Each key, its type, and whether each run that is ok has it."""
    return {
        key.strip('`'): (TYPES[kind.partition(',')[0]], ',' not in kind)
        for key, kind, *_ in rows_of_tables(DOCS / 'row.md')
    }


def test_the_contract_has_each_class():
    rows = [*rows_of_tables(DOCS / 'contract.md')]
    found = [name.strip('`') for name, *cells in rows if len(cells) > 9]
    assert sorted(found) == sorted({c.cls.__name__ for c in CASES.values()})
    assert all(all(row) for row in rows)


def test_a_run_has_the_keys_of_the_page():
    runs = benchmarks.sweep(
        'digits', ['gcn'], [2], 1, overrides={'epochs': 2}, jobs=0
    )
    [row], known = runs.rows, keys_of_a_row()
    assert {key for key, (_, always) in known.items() if always} == {*row}
    for key, value in row.items():
        assert isinstance(value, known[key][0]), key


def test_the_store_checks_the_keys_of_the_page():
    known = keys_of_a_row()
    for key, kind in get_type_hints(store.Content).items():
        if get_origin(kind) is Literal:
            kind = str
        plain = get_origin(kind) or kind
        if plain in (str, int, dict):
            assert known[key][0] is plain, key
        else:  # a number
            assert known[key][0] is not str, key
    assert [*known][:7] == [*KEYS, 'config']


@pytest.mark.parametrize('page', PAGES, ids=name_of)
def test_relative_links_lead_somewhere(page):
    text = re.sub(
        r'^(`{3,}).*?^\1', '', page.read_text('utf-8'), flags=re.M | re.S
    )
    for target in re.findall(r'\]\(([^)\s]+)\)', text):
        place = target.partition('#')[0]
        if place and not re.match(r'[a-z]+:', place):
            assert (page.parent / place).exists(), target


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text('utf-8'))
    needed = {'cff-version', 'message', 'title', 'authors'}
    assert needed <= {*citation}
    assert citation['version'] == pyg_ext.__version__
    changes = (ROOT / 'CHANGELOG.md').read_text('utf-8')
    released = f'## [{citation["version"]}] - {citation["date-released"]}'
    assert released in changes


def page_of(site, name):
    soup = pytest.importorskip('bs4')
    text = (site / f'{name}.html').read_text('utf-8')
    return soup.BeautifulSoup(text, 'html.parser')


def test_every_public_name_has_a_page(site):
    for module, name in NAMES:
        page = f'reference/generated/{module}.{name}'
        if name == 'NORMS':
            page = 'reference/norm'
        assert page_of(site, page).find(id=f'{module}.{name}'), name


def test_pages_are_small_and_need_no_network(site):
    pages = {*site.rglob('*.html')} - {site / 'lecture.html'}
    for path in pages:
        text = path.read_text('utf-8')
        assert len(text) < LARGEST or '_modules' in path.parts, path
        for tag in re.findall(r'<(?:script|img|link)\b[^>]*>', text):
            assert not re.search(r'(?:src|href)="(?:https?:)?//', tag), tag


def test_formulas_are_drawn(site):
    page = page_of(site, 'reference/generated/pyg_ext.nn.GCNII')
    assert page.select('.math-block math mfrac')


def test_every_command_is_on_its_page(site):
    page = page_of(site, 'command_line')
    names = [h.contents[0].strip() for h in page.select('section section h2')]
    inner = [f'speed {name}' for name in speed.FILES]
    assert sorted(names) == sorted([*cli.COMMANDS, *inner])
    text = page.get_text()
    for word in ('--dataset', '--engine', '--shard', '--set', '--measure'):
        assert word in text


def test_the_zoo_has_the_published_cells(site):
    with open(GOLDEN, newline='') as file:
        lines = [
            line
            for line in csv.DictReader(file)
            if line['published'] and line['verdict'] != 'unverified reference'
        ]
    wanted = sorted(
        (
            line['method'],
            line['depth'],
            line['preset'],
            f'{float(line["published"]):.2f}',
            line['verdict'],
            float(line['mean']),
        )
        for line in lines
    )
    found = []
    for line in page_of(site, 'zoo').select(
        '#beside-published-numbers tbody tr'
    ):
        cells = [cell.get_text(' ', strip=True) for cell in line('td')]
        method, _, depth, preset, published, ours, *_, verdict, _ = cells
        mean, preset = ours.split()[0], preset.split()[0]
        found.append((method, depth, preset, published, verdict, float(mean)))
    found = sorted(found)
    assert [line[:-1] for line in found] == [line[:-1] for line in wanted]
    means = [line[-1] for line in found]  # two digits of each
    assert means == pytest.approx([line[-1] for line in wanted], abs=0.006)
