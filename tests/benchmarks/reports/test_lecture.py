import json
import re
from html import unescape
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from benchmarks.cli import depth, main
from benchmarks.errors import UsageError
from benchmarks.reports import karate, lecture, page
from benchmarks.reports.verdict import RESULTS
from benchmarks.words import Parser

ROOT = Path(__file__).parents[3]
MADE = ROOT / 'docs/lecture.html'
AGAIN = 'docs/lecture.html is not of these runs: python -m benchmarks page'


@pytest.fixture(scope='module', autouse=True)
def _libraries():
    for name in page.NEEDED:
        pytest.importorskip(name, reason='pip install pyg-ext[html]')


@pytest.fixture(scope='module')
def html():
    return lecture.html()


@pytest.fixture(scope='module')
def facts():
    runs = {
        name: lecture._read(RESULTS, f'cora-{name}')
        for name in ('classic', 'probe')
    }
    probes = [row for row in runs['probe'] if row['preset'] == 'classic']
    return lecture.Facts(lecture.summary_of(runs['classic']), probes)


def given(html):
    found = re.search(r'id="given">(.*?)</script>', html, re.S)
    return json.loads(found[1])


def prose(html):
    """The text of a page, without code."""
    code = re.sub(r'<(script|style)\b.*?</\1>', '', html, flags=re.S)
    return ' '.join(unescape(re.sub(r'<[^>]+>', ' ', code)).split())


def changed(folder, change):
    """The committed runs, each changed."""
    for name in ('cora-classic', 'citeseer-classic', 'pubmed-classic'):
        text = (RESULTS / f'{name}.jsonl').read_text('utf-8')
        (folder / f'{name}.jsonl').write_text(text, 'utf-8')
    for name in ('cora-classic', 'cora-probe'):
        lines = (RESULTS / f'{name}.jsonl').read_text('utf-8').splitlines()
        rows = [change(json.loads(line)) for line in lines]
        text = ''.join(json.dumps(row) + '\n' for row in rows)
        (folder / f'{name}.jsonl').write_text(text, 'utf-8')
    return folder


def test_committed(html):
    pins = (ROOT / 'constraints.txt').read_text('utf-8').lower().splitlines()
    for name in ('altair', 'networkx', 'numpy', 'vl-convert-python'):
        if f'{name}=={version(name)}' not in pins:
            pytest.skip(f'{name} is another than that of constraints.txt')
    assert MADE.read_text('utf-8') == html, AGAIN


def test_same_twice(html):
    assert lecture.html() == html


def test_small_and_alone(html):
    assert len(html.encode()) < 2e6
    assert not re.search(r'\bsrc=|<link|@import|url\(', prose_and_style(html))


def prose_and_style(html):
    return re.sub(r'<script\b.*?</script>', '', html, flags=re.S)


def test_no_number_is_typed():
    folder = page.TEMPLATES
    text = (folder / 'lecture.html.j2').read_text('utf-8')
    text = text.partition('{% block body %}')[2]
    text = re.sub(r'\{\{.*?\}\}|\{%.*?%\}', '', text, flags=re.S)
    text = re.sub(r'arXiv:\S+|1977', '', prose(text))  # of sources
    assert not re.search(r'\d\.\d|\d ?%|\d{3,}', text)


def test_numbers_are_of_the_runs(html, tmp_path):
    def change(row):
        row['test'] *= 0.5
        for state in row.get('probe', {}).values():
            for layer in state['layers']:
                layer['linear_probe'] *= 0.5
                layer['mad'] *= 3
        return row

    other = lecture.html(changed(tmp_path, change))
    for before, after in (
        ('from 82.1 % with 2 layers to 17.3 %', 'from 41.1 % with 2 layers'),
        ('With 52 %', 'With 26 %'),
        ('85.4 % in the test', '42.7 % in the test'),
        ('MAD 1.0·10⁻⁴', 'MAD 3.1·10⁻⁴'),
    ):
        assert before in prose(html)
        assert before not in prose(other)
        assert after in prose(other)


def test_names_are_escaped(tmp_path):
    name = 'gcn</script><b>'

    def change(row):
        return row | ({'method': name} if row['method'] == 'jknet' else {})

    html = lecture.html(changed(tmp_path, change))
    assert 'gcn</script>' not in html
    assert '&lt;/script&gt;&lt;b&gt;' in html


def test_links(html):
    links = re.findall(r'href="([^#:"]+)\.html"', html)
    assert len(links) > 5
    for link in links:
        assert (ROOT / 'docs' / f'{link}.md').is_file(), link


def test_homework(html):
    start = '<code>python -m benchmarks depth '
    words = html.partition(start)[2].partition('</code>')[0]
    parser = Parser()
    depth.add_arguments(parser)
    args = parser.parse_args(words.replace('\\\n', ' ').split())
    assert args.probe
    assert args.dataset == 'citeseer'


def test_right_answers(facts):
    def mad(method):
        return facts.measure('mad', method, 32, 'trained', -1)

    def reads(layer, state='initial'):
        return facts.measure('linear_probe', 'gcn', 32, state, layer)

    assert float(facts.mean('gcn', 16)) < 100 / 7 + 5
    assert float(facts.mean('mlp', 32)) < 100 / 7 + 5
    assert reads(-1) > reads(0) > reads(-1, 'trained')
    assert facts.measure('gradient', 'gcn', 32, 'trained', 0) == 0.0
    first, last = (
        facts.measure('gradient', 'gcn', 32, 'initial', i) for i in (0, -1)
    )
    assert first / last < 1e-4
    assert mad('gcnii') < mad('appnp') < mad('revgcn')
    scores = [float(facts.score(m, 32)) for m in ('gcnii', 'appnp', 'revgcn')]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] > 70


def test_what_there_was_to_see(facts):
    def all_of(name, method, state):
        seen = facts.probes[method, 32]['probe'][state]['layers']
        return np.array([layer[name] for layer in seen])

    for method in ('gcn', 'mlp'):
        gradient = all_of('gradient', method, 'trained')
        assert np.median(gradient / gradient[-1]) < 1e-6
        assert np.median(all_of('mad', method, 'trained')) < 1e-6
        assert all_of('mad', method, 'initial')[-1] < 1e-3
    gradient = all_of('gradient', 'resgcn', 'initial')
    assert gradient[0] > 1000 * gradient[-1]
    activation = all_of('activation', 'resgcn', 'initial')
    assert activation[-1] > 1000 * activation[0]


def test_layers_of_the_probe(html):
    lines = given(html)['lines']
    assert {line['depth'] for line in lines} == {8, 32}
    gcn = [
        line['gradient']
        for line in lines
        if (line['method'], line['depth']) == ('gcn', 32)
        and line['state'] == 'initial'
    ]
    assert gcn[-1] == 1.0
    assert gcn[0] == pytest.approx(9.19e-6, rel=1e-3)
    assert min(line['mad'] for line in lines) == 1e-12  # none is zero


@pytest.mark.parametrize(
    ('value', 'text'),
    [
        (0, '0'),
        (0.0642, '0.064'),
        (1.0027, '1'),
        (5.13, '5.1'),
        (10604.0, '1.1·10⁴'),
        (9.19e-6, '9.2·10⁻⁶'),
        (1e-12, '1.0·10⁻¹²'),
    ],
)
def test_two_digits(value, text):
    assert lecture.two_digits(value) == text


def test_club():
    club = karate.graph()
    assert len(club['edges']) == 78
    assert len(club['sides']) == len(club['places']) == 34
    assert np.abs(club['places']).max(axis=0).tolist() == [1.0, 1.0]


def test_weights():
    drawn = karate.weights(0)
    layers = np.array(drawn['layers']) / karate.UNIT
    assert layers.shape == (64, 16, 16)
    assert layers.std() == pytest.approx((2 / 32) ** 0.5, rel=0.02)
    assert np.array(drawn['first']).shape == (34, 16)
    assert karate.weights(0) == drawn != karate.weights(1)


def test_command(tmp_path, html, capsys):
    file = tmp_path / 'lecture.html'
    assert main(['page', '--out', str(file)]) == 0
    assert file.read_text('utf-8') == html
    assert f'written to {file}' in capsys.readouterr().out.replace('\n', '')


def test_needs_a_folder(tmp_path, capsys):
    file = tmp_path / 'none' / 'lecture.html'
    assert main(['page', '--out', str(file)]) == 2
    said = ' '.join(capsys.readouterr().out.split())
    assert 'must be a file in a folder that is there' in said


def test_without_the_libraries(tmp_path, monkeypatch):
    monkeypatch.setattr(page, 'find_spec', lambda name: None)
    with pytest.raises(UsageError, match=r'pip install pyg-ext\[html\]'):
        lecture.write(tmp_path / 'lecture.html')
    assert not [*tmp_path.iterdir()]
