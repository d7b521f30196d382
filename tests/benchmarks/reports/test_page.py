import json
import re
from html.parser import HTMLParser

import pytest

from benchmarks.cli import main
from benchmarks.reports import files, page, summary
from benchmarks.runs.cells import Cell
from benchmarks.runs.progress import State
from benchmarks.runs.store import Store

HOSTILE = '<script>alert(1)</script>"\'&</style>{{ 7*7 }}\u2028]]>'


class Text(HTMLParser):
    """What a browser takes for tags, and for text outside of scripts."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self.attributes = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        if self.tags and self.tags[-1] not in ('script', 'style'):
            self.text.append(data)


def written(rows, folder, **given):
    files.write(rows, folder, **given)
    return (folder / 'report.html').read_text('utf-8')


def test_the_title_says_what_was_changed(tmp_path, row):
    html = written([row()], tmp_path)
    title = re.search('<title>(.*?)</title>', html, re.S)[1]
    assert title == (
        'digits, digits-5-per-class, preset classic, with epochs=3, '
        'hidden_channels=8'
    )
    assert f'<h1>{title}</h1>' in html


def test_a_title_names_some_changes(row):
    lines = summary.summarize([row()])
    text = summary.heading(lines, [f'k{i}=1' for i in range(9)])
    assert text.endswith('k2=1, k3=1, and 5 more changes')


def test_it_is_small_and_asks_for_nothing(tmp_path, row):
    rows = [
        row(method=m, depth=d, seed=s)
        for m in ('gcn', 'appnp', 'gcnii', 'sgc', 'jknet', 'mlp')
        for d in (2, 4, 8, 16, 32)
        for s in range(10)
    ]
    html = written(rows, tmp_path)
    assert len(html.encode()) < 2e6
    parsed = Text(html)
    assert not {'link', 'img', 'iframe'} & {*parsed.tags}
    assert not [v for k, v in parsed.attributes if k in ('src', 'href')]
    assert "default-src 'none'" in html
    assert html.count('</script>') == parsed.tags.count('script')


def test_all_that_comes_from_rows_is_text(tmp_path, row):
    tags = Text(written([row(), row(seed=1, status='failed')], tmp_path)).tags
    rows = [
        row(method=HOSTILE, dataset=HOSTILE, commit=HOSTILE, device=HOSTILE),
        row(method=HOSTILE, dataset=HOSTILE, seed=1, status='failed'),
    ]
    rows[1] |= {'error': HOSTILE, 'commit': HOSTILE}
    html = written(rows, tmp_path, left_out=[HOSTILE])
    parsed = Text(html)
    assert {*parsed.tags} <= {*tags, 'path', 'rect'}
    assert parsed.tags.count('script') == tags.count('script')
    assert ''.join(parsed.text).count('<script>alert(1)</script>') >= 8
    assert '49' not in parsed.text
    specs = re.search('const specs = (.*), data = ', html)[1]
    assert '</' not in specs
    assert HOSTILE in json.dumps(
        json.loads(specs), ensure_ascii=False
    ).replace('\\"', '"')


def test_published_numbers_and_failures(tmp_path, row):
    html = written([row(), row(seed=1, status='failed')], tmp_path)
    assert 'Failed runs' in html
    assert 'Beside the published numbers' not in html
    assert '50.00, 1 failed' in html


def test_layers(tmp_path, row):
    layer = dict.fromkeys(page.charts.DRAWN, 0.5) | {'layer': 0}
    seen = {'layers': [layer], 'findings': [], 'words': 'Nothing found.'}
    probe = {'initial': seen, 'trained': seen}
    html = written([row()], tmp_path, probed=[{**row(), 'probe': probe}])
    specs = json.loads(re.search('const specs = (.*), data = ', html)[1])
    assert [id for id in specs if id.startswith('layers-')] == [
        f'layers-{name}' for name in page.charts.DRAWN
    ]
    assert html.count('<td style') == 2
    assert 'Nothing found.' in html


def test_attention(tmp_path, row):
    layer = dict.fromkeys(page.charts.DRAWN, 0.5) | {'layer': 0}
    seen = {'layers': [layer], 'findings': [], 'attention': [[0.25, None]]}
    probed = [{**row(), 'probe': {'initial': seen, 'trained': seen}}]
    html = written([row()], tmp_path, probed=probed)
    specs = json.loads(re.search('const specs = (.*), data = ', html)[1])
    assert specs['layers-attention']['data'] == {'name': 'attention'}
    [data] = re.findall(r'"attention": (\[.*?\])', html)
    found = [
        (d['state'], d['head'], d['divergence']) for d in json.loads(data)
    ]
    assert found == [
        *(('initial', 0, 0.75), ('initial', 1, None)),
        *(('trained', 0, 0.75), ('trained', 1, None)),
    ]
    assert 'at 1 to one of them' in html
    assert 'at 1 to one of them' not in written([row()], tmp_path)


def test_while_a_sweep_goes_on(tmp_path, row):
    cell = Cell('digits', HOSTILE, 2, 0, 'classic', 'digits-5-per-class', {})
    for rows, left in (([], None), ([row()], 90.0)):
        state = State(4, len(rows), 0, (cell,), left)
        files.live(tmp_path)(rows, state)
        html = (tmp_path / 'report.html').read_text('utf-8')
        assert '<meta http-equiv="refresh" content="5">' in html
        assert f'<strong>{len(rows)} of 4 runs</strong>' in html
        assert '&lt;script&gt;alert(1)' in html
    assert 'about 1.5 minutes left' in html
    files.live(tmp_path)([], None)  # it was stopped
    html = (tmp_path / 'report.html').read_text('utf-8')
    assert 'no run is done' in html
    assert 'http-equiv="refresh"' not in html
    assert 'http-equiv="refresh"' not in written([row()], tmp_path)


def test_without_the_libraries(tmp_path, row, monkeypatch, capsys):
    monkeypatch.setattr(page, 'NEEDED', ('altair', 'no_such_library'))
    assert 'report.html' not in files.write([row()], tmp_path)
    files.live(tmp_path)([row()], State(1, 1, 0, (), 0.0))
    assert not (tmp_path / 'report.html').exists()
    Store(tmp_path).append(row())
    assert main(['report', '--out', str(tmp_path)]) == 0
    assert 'report.html needs pip install pyg-ext[html]' in ' '.join(
        capsys.readouterr().out.split()
    )


@pytest.mark.parametrize('text', ['</script>', '<!--', 'a</SCRIPT >'])
def test_code_does_not_end_its_script(text):
    inside = page._inside_script(text)
    assert not re.search('</script|<!--', inside, re.I)
